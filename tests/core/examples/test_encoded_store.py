from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.base import folders
from core.base.errors import DataError
from core.base.row import Row
from core.examples import encoded_store as module
from core.examples.encoded_store import EncodedStore, hash_text, key_salt, tokenizer_key
from core.templates.by_name import TEXT_TEMPLATES
from core.tokens.encode import encode_batch
from core.tokens.tokenizer import TextTokenizer

TEMPLATE = TEXT_TEMPLATES["alpaca-reasoning"]


def keys_of(rows: list[Row]) -> np.ndarray[Any, Any]:
    return np.frombuffer(bytes.fromhex("".join(row.identity() for row in rows)), "<u8").reshape(-1, 2) ^ key_salt("x")


def rows_of(first: int, last: int) -> list[Row]:
    return [Row(f"question {n}", "", f"because {n} is {'so ' * (n % 5)}", str(n), index=n) for n in range(first, last)]


def fill(store: EncodedStore, rows: list[Row], tokenizer: TextTokenizer) -> None:
    segments = [TEMPLATE.segments(row) for row in rows]
    batch = encode_batch(segments, tokenizer, [row.index for row in rows])
    texts = np.array([hash_text("".join(one.text for one in of_row)) for of_row in segments], np.uint64)
    store.put(keys_of(rows), texts, batch.ids, batch.ends, batch.present)


def test_what_was_put_is_found_as_it_was_encoded(byte_level: TextTokenizer) -> None:
    store = EncodedStore(byte_level)
    rows = rows_of(0, 50)
    fill(store, rows[:20], byte_level)
    store.flush()
    fill(store, rows[20:], byte_level)
    store.close()
    again = EncodedStore(byte_level)
    assert len(again) == 50 and again.encoded == 0 and store.encoded == 50
    for source in (store, again):
        positions = source.find(keys_of(rows))
        for row, position in zip(rows, positions.tolist(), strict=True):
            alone = encode_batch([TEMPLATE.segments(row)], byte_level, [0])
            assert source.tokens(position).tolist() == alone.ids.tolist()
        assert (
            source.gather("ends", positions).tolist()
            == encode_batch([TEMPLATE.segments(row) for row in rows], byte_level, range(50)).ends.tolist()
        )
        mixed = positions[[3, 4, 5, 40, 19, 20, 21, 0]]
        assert source.tokens_of(mixed).tolist() == [
            id for position in mixed.tolist() for id in source.tokens(position).tolist()
        ]
    assert (again.find(keys_of(rows_of(50, 60))) == -1).all()
    assert (
        again.find(np.empty((0, 2), np.uint64)).tolist() == []
        and EncodedStore(byte_level, folders.cache() / "other").find(keys_of(rows)).max() == -1
    )


def test_half_a_key_is_no_key(byte_level: TextTokenizer) -> None:
    store, rows = EncodedStore(byte_level), rows_of(0, 3)
    fill(store, rows, byte_level)
    store.flush()
    other = keys_of(rows).copy()
    other[:, 1] += 1
    assert store.find(other).tolist() == [-1, -1, -1]


def test_many_small_parts_become_one(byte_level: TextTokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MERGE_FROM", 4)
    rows = rows_of(0, 12)
    for n in range(0, 12, 2):
        store = EncodedStore(byte_level)
        fill(store, rows[n : n + 2], byte_level)
        store.close()
    assert len(list(store.folder.glob("*.rows"))) < 4
    assert [
        store.tokens(position).tolist() for position in store.find(keys_of(rows)).tolist()
    ]  # files that went are still mapped
    again = EncodedStore(byte_level)
    for row, position in zip(rows, again.find(keys_of(rows)).tolist(), strict=True):
        assert again.tokens(position).tolist() == encode_batch([TEMPLATE.segments(row)], byte_level, [0]).ids.tolist()


def test_a_damaged_part_is_as_if_it_were_not_there(byte_level: TextTokenizer) -> None:
    store = EncodedStore(byte_level)
    for n in (0, 5, 10, 15):
        fill(store, rows_of(n, n + 5), byte_level)
        store.flush()
    first, second, third, _ = sorted(store.folder.glob("*.rows"))
    first.with_suffix(".tokens").write_bytes(first.with_suffix(".tokens").read_bytes()[:-8])
    second.write_bytes(second.read_bytes()[:100])
    third.with_suffix(".tokens").unlink()
    again = EncodedStore(byte_level)
    assert (again.find(keys_of(rows_of(0, 20))) >= 0).tolist() == [False] * 15 + [True] * 5
    assert len(list(store.folder.iterdir())) == 2


def test_what_a_killed_writer_left_is_swept_once_it_is_old(byte_level: TextTokenizer) -> None:
    store = EncodedStore(byte_level)
    for name in ("1.tokens.new", "2.rows.new", "3.tokens", "4.tokens"):
        (store.folder / name).write_bytes(b"abc")
        if name != "4.tokens":
            os.utime(store.folder / name, (0, 0))
    EncodedStore(byte_level)
    assert [path.name for path in store.folder.iterdir()] == ["4.tokens"]  # its writer may be at work


def test_the_oldest_parts_go_where_all_take_too_much_room(
    byte_level: TextTokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = EncodedStore(byte_level)
    fill(old, rows_of(0, 50), byte_level)
    old.close()
    (part,) = old.folder.glob("*.rows")
    os.utime(part, (0, 0))
    folder = folders.cache() / "encoded" / "another tokenizer"
    folder.mkdir()
    monkeypatch.setattr(module, "LIMIT_BYTES", 1000)
    monkeypatch.setattr(module, "tokenizer_key", lambda tokenizer: folder.name)
    new = EncodedStore(byte_level)
    fill(new, rows_of(0, 50), byte_level)
    new.close()
    assert not list(old.folder.iterdir()) and len(list(new.folder.iterdir())) == 2
    assert old.tokens(0).tolist() == new.tokens(0).tolist()  # whoever has it open keeps it


def test_a_full_disk_is_told(byte_level: TextTokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    store = EncodedStore(byte_level)
    fill(store, rows_of(0, 3), byte_level)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DataError, match="No space left") as caught:
        store.flush()
    assert "SUIRON_CACHE" in caught.value.do and not list(store.folder.iterdir())


def test_no_room_to_tidy_up_costs_no_rows(byte_level: TextTokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MERGE_FROM", 3)
    store = EncodedStore(byte_level)
    for first in range(3):
        fill(store, rows_of(first, first + 1), byte_level)
        store.flush()

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    store.close()
    assert (EncodedStore(byte_level).find(keys_of(rows_of(0, 3))) >= 0).all()


def test_a_part_that_cannot_be_read_for_now_is_kept(byte_level: TextTokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    store, rows = EncodedStore(byte_level), rows_of(0, 4)
    fill(store, rows, byte_level)
    store.close()

    def too_many(*_: Any, **__: Any) -> None:
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(np, "load", too_many)
        assert len(EncodedStore(byte_level)) == 0
    assert len(EncodedStore(byte_level)) == 4


def test_another_tokenizers_library_makes_other_ids(byte_level: TextTokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    import tokenizers

    before = tokenizer_key(byte_level)
    monkeypatch.setattr(tokenizers, "__version__", "0.0.0")
    assert tokenizer_key(byte_level) != before


def test_each_tokenizer_has_a_folder_of_its_own(
    byte_level: TextTokenizer, merging: TextTokenizer, tmp_path: Path
) -> None:
    assert (
        tokenizer_key(byte_level) != tokenizer_key(merging)
        and EncodedStore(byte_level, tmp_path).folder != EncodedStore(merging, tmp_path).folder
    )
    assert (tmp_path / tokenizer_key(byte_level)).stat().st_mode & 0o777 == 0o700
