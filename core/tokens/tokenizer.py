"""Converts text to token ids and back, with only the `tokenizers` library: light enough for the terminal.

The ids are those of the trainer and the engine. Row text is only ever text: a row that spells `<|im_end|>` is encoded
letter by letter, so that it cannot insert an end of sequence. The encoder adds beginning and end as ids; `encode_parts`
also takes text whose special tokens count. Knows a model's folder; knows nothing of templates, loss masks or models.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from core.base.errors import DataError, ModelError
from core.tokens.special_tokens import PartsEncoder, PartsEncoding, PartText
from core.tokens.token_bytes import TokenBytes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tokenizers import Encoding, Tokenizer

NOT_UNICODE = "the text contains half of a surrogate pair, which is not a character"
_FIX_FILE = "Fix the file, or download the model folder again"


class TextTokenizer:
    """A model's tokenizer. Made by `from_folder`.

    `where`: its name in errors. `eos`, `eos_id`: its end of sequence. `stop_ids`: all ids that end an answer.
    `bos_ids`: the ids before a text, often none. `vocab_size`: includes the added tokens. `raw`: the library's
    tokenizer, which treats special tokens as text. `token_bytes`: the bytes of each token.
    """

    def __init__(self, definition: dict[str, Any], eos: str, stop_ids: frozenset[int], where: str) -> None:
        """definition: the content of tokenizer.json. eos: one of its tokens. stop_ids: further ids that end an answer.
        Raises ModelError where the definition cannot be read, or `eos` is not one of its tokens."""
        from tokenizers import Tokenizer

        try:
            original = Tokenizer.from_str(_definition_json(definition | {"truncation": None, "padding": None}))
            eos_id = original.token_to_id(eos)
        except Exception as error:  # the library raises a bare Exception for any fault in the file
            raise ModelError(f"the tokenizer cannot be read ({error})", where, _FIX_FILE) from error
        if eos_id is None:
            raise ModelError(
                f"the end of sequence {eos!r} is not a token of this tokenizer",
                where,
                "Set eos_token in tokenizer_config.json to one of its tokens",
            )
        self.where, self.eos, self.eos_id, self.stop_ids = where, eos, int(eos_id), stop_ids | {int(eos_id)}

        # The ids that the post-processor puts before a text are found here and added by the encoder, once. The
        # post-processor itself is removed: it may also append tokens, and it trims white space from offsets, so that a
        # token of ".\n\n" would seem to end before the newlines.
        probe = original.encode("a")
        is_special = [bool(special) for special in probe.special_tokens_mask]
        self.bos_ids: list[int] = probe.ids[: is_special.index(False)] if False in is_special else []
        added = [
            dict(token, special=token["special"] or token["id"] in self.stop_ids)
            for token in definition.get("added_tokens") or []
        ]
        plain = definition | {"truncation": None, "padding": None, "post_processor": None, "added_tokens": added}
        self.raw: Tokenizer = Tokenizer.from_str(_definition_json(plain))
        self.raw.encode_special_tokens = True
        self._parts_encoder = PartsEncoder(self.raw)
        self.token_bytes = TokenBytes(definition.get("decoder"), self.raw.id_to_token)
        self.vocab_size: int = self.raw.get_vocab_size(with_added_tokens=True)

    @classmethod
    def from_folder(cls, path: Path) -> TextTokenizer:
        """The tokenizer of the model in a folder. Raises ModelError where it has no readable tokenizer.json, or does
        not say which token ends a sequence."""
        definition = _read_object(path / "tokenizer.json")
        if definition is None:
            raise ModelError(
                "there is no tokenizer.json",
                str(path),
                "Save the model's fast tokenizer there (save_pretrained writes it)",
            )
        if not isinstance(definition.get("model"), dict):
            raise ModelError("the file is not a tokenizer: it has no model", str(path / "tokenizer.json"), _FIX_FILE)
        names = ("tokenizer_config.json", "special_tokens_map.json", "config.json")
        token_configs = [_read_object(path / name) or {} for name in names]
        id_configs = [_read_object(path / name) or {} for name in ("generation_config.json", "config.json")]
        nested = id_configs[1].get("text_config")
        if isinstance(nested, dict):
            id_configs.append(nested)
        stop_ids = [id for config in id_configs for id in _as_ids(config.get("eos_token_id"))]
        eos = next((token for config in token_configs if (token := _as_token(config.get("eos_token")))), None)
        if eos is None and stop_ids:
            eos = _token_of(definition, stop_ids[0])
        if eos is None:
            raise ModelError(
                "no file in this folder names the token that ends a sequence",
                str(path),
                "Set eos_token in tokenizer_config.json",
            )
        return cls(definition, eos, frozenset(stop_ids), str(path))

    def encode(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        """The ids, and the characters (start, end) of `text` for each. No beginning, no end of sequence."""
        encoding = self.encode_batch([text])[0]
        return encoding.ids, encoding.offsets

    def encode_batch(self, texts: Sequence[str]) -> list[Encoding]:
        """Many texts on all cores. Raises DataError for text that is not Unicode (half of a surrogate pair)."""
        try:
            return self.raw.encode_batch(texts, add_special_tokens=False)
        except TypeError as error:
            if (unicode_error := _not_unicode_error(texts)) is None:
                raise
            raise unicode_error from error

    def encode_parts(self, rows: Sequence[Sequence[PartText]]) -> list[PartsEncoding]:
        """Many texts on all cores, each as parts `(text, special)`; see `core.tokens.special_tokens`. Special tokens in
        a special part become their ids, the rest is text. A text without a special part is encoded as by
        `encode_batch`. No beginning, no end of sequence. Raises DataError for text that is not Unicode."""
        try:
            return self._parts_encoder.encode(rows)
        except TypeError as error:
            texts = ["".join(text for text, _ in parts) for parts in rows]
            if (unicode_error := _not_unicode_error(texts)) is None:
                raise
            raise unicode_error from error

    def decode(self, ids: Sequence[int], skip_special: bool = False) -> str:
        """The text of the ids, decoded by the library. skip_special: without special tokens."""
        return self.raw.decode(list(ids), skip_special_tokens=skip_special)

    def token_text(self, id: int) -> str:
        """One token for a preview: its text, with bytes of an incomplete character as `\\xe3`; empty for an unknown
        id."""
        data = self.token_bytes.data(id)
        return data.decode("utf-8", "backslashreplace") if data is not None else self.decode([id])


def _definition_json(definition: dict[str, Any]) -> str:
    return msgspec.json.encode(definition).decode()


def _not_unicode_error(texts: Sequence[str]) -> DataError | None:
    broken = next((text for text in texts if not is_unicode(text)), None)
    if broken is None:
        return None
    return DataError(NOT_UNICODE, repr(broken[:60]), "Fix that row")


def is_unicode(text: str) -> bool:
    """False for text with half of a surrogate pair, which JSON can smuggle into a row."""
    try:
        text.encode()  # faster than checking every letter
    except UnicodeEncodeError:
        return False
    return True


def _read_object(path: Path) -> dict[str, Any] | None:
    """The JSON object in a file; None where there is no file. Raises ModelError for any other content."""
    try:
        value = msgspec.json.decode(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ModelError(
            f"the file cannot be read ({error.strerror})", str(path), "Check the path and its permissions"
        ) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ModelError(f"the file is not JSON ({error})", str(path), _FIX_FILE) from error
    if not isinstance(value, dict):
        raise ModelError("the file is not a JSON object", str(path), _FIX_FILE)
    return value


def _as_token(value: Any) -> str | None:
    """A token in a configuration: a string, or an object with its content."""
    content = value.get("content") if isinstance(value, dict) else value
    return content if isinstance(content, str) and content else None


def _as_ids(value: Any) -> list[int]:
    values = value if isinstance(value, list) else [value]
    return [id for id in values if isinstance(id, int)]


def _token_of(definition: dict[str, Any], id: int) -> str | None:
    """The token with this id in tokenizer.json."""
    for added in definition.get("added_tokens") or []:
        if added.get("id") == id:
            token: str = added["content"]
            return token
    vocabulary = definition["model"].get("vocab")
    if not isinstance(vocabulary, dict):
        return None
    return next((token for token, number in vocabulary.items() if number == id), None)
