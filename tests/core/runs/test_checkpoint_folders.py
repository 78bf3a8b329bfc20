"""Whole checkpoints: found among those that are not, and kept by every rotation."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.runs.checkpoint_folders import (
    CHECKPOINT_NEEDED,
    MARK_FILE,
    AdapterOrigin,
    checkpoint_folder,
    checkpoint_step,
    clean_checkpoints,
    folder_is_whole,
    newest_adapter,
    newest_whole_checkpoint,
    read_mark,
    rotate_checkpoints,
    whole_checkpoints,
    write_folder_whole,
)

ABOUT = AdapterOrigin("demo", "/models/demo", "run", 3, "f" * 32, "e" * 32)


def fill(folder: Path) -> None:
    for name in CHECKPOINT_NEEDED:
        (folder / name).write_text(f"{name} of {folder.name}")


def make(job: Path, step: int, whole: bool = True) -> Path:
    target = checkpoint_folder(job, step)
    target.parent.mkdir(parents=True, exist_ok=True)
    write_folder_whole(target, fill, ABOUT, "checkpoint")
    if not whole:
        (target / "optimizer.pt").write_bytes(b"")
    return target


def test_a_folder_is_whole_until_a_file_of_its_mark_is_cut_or_gone(tmp_path: Path) -> None:
    checkpoint = make(tmp_path, 3)
    assert folder_is_whole(checkpoint) and read_mark(checkpoint) == ABOUT
    assert not list(checkpoint.parent.glob("*.part"))
    (checkpoint / "more").write_text("beside")
    assert folder_is_whole(checkpoint)
    (checkpoint / "scheduler.pt").unlink()
    assert not folder_is_whole(checkpoint)
    for mark in (b"", b"[]", b'{"files": 3}', b'{"files": {"optimizer.pt": 3}}'):
        (checkpoint / MARK_FILE).write_bytes(mark)
        assert not folder_is_whole(checkpoint)


def test_checkpoints_of_earlier_versions_are_found(tmp_path: Path) -> None:
    make(tmp_path, 2)
    earlier = tmp_path / "checkpoints" / "checkpoint-7"
    write_folder_whole(earlier, fill, ABOUT, "checkpoint")
    (tmp_path / "checkpoints" / "best").mkdir()
    (tmp_path / "checkpoints" / "step-x").mkdir()
    assert newest_whole_checkpoint(tmp_path) == earlier == newest_adapter(tmp_path)
    assert newest_whole_checkpoint(tmp_path / "nowhere") is None


def test_a_save_that_fails_leaves_the_old_folder(tmp_path: Path) -> None:
    target = tmp_path / "adapter"
    write_folder_whole(target, fill, ABOUT, "adapter")

    def fail(folder: Path) -> None:
        (folder / "half").write_text("half")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        write_folder_whole(target, fail, ABOUT, "adapter")
    assert folder_is_whole(target) and [path.name for path in tmp_path.iterdir()] == ["adapter"]


def test_what_interrupted_saves_leave_is_put_back_or_removed(tmp_path: Path) -> None:
    checkpoint = make(tmp_path, 3)
    checkpoint.rename(checkpoint.with_name("step-3.old"))  # killed between its two renames
    checkpoint.with_name("step-3.part").mkdir()
    checkpoint.with_name("step-4.part").mkdir()
    clean_checkpoints(tmp_path)
    assert folder_is_whole(checkpoint)
    assert [path.name for path in checkpoint.parent.iterdir()] == ["step-3"]


@settings(deadline=None, max_examples=25)  # every file is forced to the disk
@given(st.dictionaries(st.integers(1, 30), st.booleans(), max_size=6), st.integers(0, 4))
def test_the_newest_whole_one_stays_whatever_is_rotated(
    tmp_path_factory: pytest.TempPathFactory, steps: dict[int, bool], keep: int
) -> None:
    job = tmp_path_factory.mktemp("job")
    for step, whole in steps.items():
        make(job, step, whole)
    before = [step for step, whole in sorted(steps.items()) if whole]
    rotate_checkpoints(job, keep)
    after = [checkpoint_step(path) for path in whole_checkpoints(job)]
    assert after == (before[-keep:] if keep else before)
    newest = newest_whole_checkpoint(job)
    assert (newest is None) == (not before)
    assert newest is None or checkpoint_step(newest) == before[-1]


def test_marks_keep_what_later_versions_add(tmp_path: Path) -> None:
    (tmp_path / MARK_FILE).write_bytes(msgspec.json.encode({**msgspec.to_builtins(ABOUT), "colour": "red"}))
    assert read_mark(tmp_path) == ABOUT
