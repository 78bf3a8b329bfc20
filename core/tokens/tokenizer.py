"""Text to token ids and back, over the `tokenizers` library alone: light enough for the terminal, the same ids as the
trainer's and the engine's.

Row text is only ever text. A row that spells `<|im_end|>` is encoded letter by letter, so that it cannot plant an end
of sequence; beginning and end are put there by the encoder, as ids; `encode_runs` also takes text whose special tokens
are meant. Knows a model's folder; knows nothing of templates, masks or models.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from core.base.errors import DataError, ModelError
from core.tokens.special_tokens import Run, RunEncoder, RunEncoding
from core.tokens.token_bytes import Pieces

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tokenizers import Encoding, Tokenizer

_MEND = "Mend the file or take the model's folder whole"


class TextTokenizer:
    """A model's tokenizer. Made by `from_folder`; `where` names it in errors."""

    def __init__(self, definition: dict[str, Any], eos: str, stop_ids: frozenset[int], where: str) -> None:
        """definition: the content of tokenizer.json. eos: one of its tokens. stop_ids: further ids that end an
        answer."""
        from tokenizers import Tokenizer

        try:
            given = Tokenizer.from_str(msgspec.json.encode(definition | {"truncation": None, "padding": None}).decode())
            eos_id = given.token_to_id(eos)
        except Exception as error:  # the library raises bare Exception for whatever is off in the file
            raise ModelError(f"the tokenizer cannot be read ({error})", where, _MEND) from error
        if eos_id is None:
            raise ModelError(
                f"the end of sequence {eos!r} is no token of this tokenizer",
                where,
                "Set eos_token in tokenizer_config.json to one",
            )
        self.where, self.eos, self.eos_id, self.stop_ids = where, eos, int(eos_id), stop_ids | {int(eos_id)}

        # What the post-processor puts in front is remembered and put there by us, once. The post-processor itself goes:
        # it may also append tokens, and it trims white space from offsets, so that a token of ".\n\n" would seem to end
        # before the newlines.
        probe = given.encode("a")
        marked = [bool(special) for special in probe.special_tokens_mask]
        self.bos_ids: list[int] = probe.ids[: marked.index(False)] if False in marked else []
        added = [
            dict(token, special=token["special"] or token["id"] in self.stop_ids)
            for token in definition.get("added_tokens") or []
        ]
        plain = definition | {"truncation": None, "padding": None, "post_processor": None, "added_tokens": added}
        self.raw: Tokenizer = Tokenizer.from_str(msgspec.json.encode(plain).decode())
        self.raw.encode_special_tokens = True
        self._runs = RunEncoder(self.raw)
        self.pieces = Pieces(definition.get("decoder"), self.raw.id_to_token)
        self.vocab_size: int = self.raw.get_vocab_size(with_added_tokens=True)

    @classmethod
    def from_folder(cls, path: Path) -> TextTokenizer:
        """Raises ModelError when the folder has no readable tokenizer.json, or does not say which token ends a
        sequence."""
        definition = _read(path / "tokenizer.json")
        if definition is None:
            raise ModelError(
                "there is no tokenizer.json",
                str(path),
                "Save the model's fast tokenizer there (save_pretrained writes it)",
            )
        if not isinstance(definition.get("model"), dict):
            raise ModelError("this is no tokenizer: it has no model", str(path / "tokenizer.json"), _MEND)
        words = [
            _read(path / name) or {} for name in ("tokenizer_config.json", "special_tokens_map.json", "config.json")
        ]
        numbers = [_read(path / name) or {} for name in ("generation_config.json", "config.json")]
        numbers += [nested for config in numbers[1:] if isinstance(nested := config.get("text_config"), dict)]
        stop_ids = [number for config in numbers for number in _as_ids(config.get("eos_token_id"))]
        eos = next((token for config in words if (token := _as_token(config.get("eos_token")))), None)
        if eos is None and stop_ids:
            eos = _token_of(definition, stop_ids[0])
        if eos is None:
            raise ModelError(
                "nothing here says which token ends a sequence", str(path), "Set eos_token in tokenizer_config.json"
            )
        return cls(definition, eos, frozenset(stop_ids), str(path))

    def encode(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        """Ids and, for each, the characters of `text` it stands for (start, end). No beginning, no end of sequence."""
        encoding = self.encode_batch([text])[0]
        return encoding.ids, encoding.offsets

    def encode_batch(self, texts: Sequence[str]) -> list[Encoding]:
        """Many texts on all cores. Raises DataError for text that is no Unicode (half of a surrogate pair)."""
        try:
            return self.raw.encode_batch(texts, add_special_tokens=False)
        except TypeError as error:
            if (broken := _no_unicode(texts)) is None:
                raise
            raise broken from error

    def encode_runs(self, rows: Sequence[Sequence[Run]]) -> list[RunEncoding]:
        """Many texts on all cores, each as runs `(text, special)`; see `core.tokens.special_tokens`. Special tokens in
        a special run become their ids, the rest is text. A row without a special run is encoded as by `encode_batch`.
        No beginning, no end of sequence. Raises DataError as above."""
        try:
            return self._runs.encode(rows)
        except TypeError as error:
            if (broken := _no_unicode(["".join(text for text, _ in runs) for runs in rows])) is None:
                raise
            raise broken from error

    def decode(self, ids: Sequence[int], skip_special: bool = False) -> str:
        return self.raw.decode(list(ids), skip_special_tokens=skip_special)

    def token_text(self, id: int) -> str:
        """One token for a preview: its text; bytes that are no whole character as `\\xe3`; empty for an unknown id."""
        data = self.pieces.data(id)
        return data.decode("utf-8", "backslashreplace") if data is not None else self.decode([id])


def _no_unicode(texts: Sequence[str]) -> DataError | None:
    broken = next((text for text in texts if not is_unicode(text)), None)
    if broken is None:
        return None
    return DataError(
        "the text holds half of a surrogate pair, which is no character", repr(broken[:60]), "Mend that row"
    )


def is_unicode(text: str) -> bool:
    """False for text with half of a surrogate pair, which JSON can smuggle into a row."""
    try:
        text.encode()  # faster than a look at every letter
    except UnicodeEncodeError:
        return False
    return True


def _read(path: Path) -> dict[str, Any] | None:
    try:
        value = msgspec.json.decode(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ModelError(
            f"the file cannot be read ({error.strerror})", str(path), "Check the path and its permissions"
        ) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ModelError(f"the file is no JSON ({error})", str(path), _MEND) from error
    if not isinstance(value, dict):
        raise ModelError("the file holds no JSON object", str(path), _MEND)
    return value


def _as_token(value: Any) -> str | None:
    """A token as configs write it: a string, or an object with its content."""
    content = value.get("content") if isinstance(value, dict) else value
    return content if isinstance(content, str) and content else None


def _as_ids(value: Any) -> list[int]:
    return [number for number in (value if isinstance(value, list) else [value]) if isinstance(number, int)]


def _token_of(definition: dict[str, Any], id: int) -> str | None:
    added = next((token["content"] for token in definition.get("added_tokens") or [] if token.get("id") == id), None)
    vocabulary = definition["model"].get("vocab")
    if added is not None or not isinstance(vocabulary, dict):
        return added
    return next((token for token, number in vocabulary.items() if number == id), None)
