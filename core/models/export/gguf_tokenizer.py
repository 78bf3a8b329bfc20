"""A model's tokenizer as GGUF holds it, and the check that it gives the same ids there.

GGUF has the vocabulary, merges or scores, and the name of a way to split text that llama.cpp knows. That name is found
by trying: the first way under which all `comparison_texts` have the ids of the model's own tokenizer. Where there is
none, the tokenizer cannot be written.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from core.base.errors import ModelError
from core.base.safe_text import safe_line
from core.models.export.comparison_texts import comparison_texts
from core.models.export.gguf_tokenizer_rules import SPLITTERS, LlamaCppTokenizer, TokenType
from core.models.export.gguf_vocabulary import GgufVocabulary, sentencepiece_scores
from core.templates.chat_template_source import read_chat_template
from core.tokens.tokenizer import TextTokenizer

_INSTEAD = "Export it with `--to merged`: programs that read tokenizer.json keep it as it is"


class GgufTokenizer(msgspec.Struct, frozen=True):
    """All that GGUF says about a tokenizer."""

    vocabulary: GgufVocabulary
    """Tokens, merges or scores, and how text is split."""
    ids: dict[str, int]
    """Ids by role: `bos`, `eos`, `eot`, `unk`, `pad`."""
    add_bos: bool
    """Whether every text begins with `bos`."""
    chat_template: str
    """The model's chat template, in Jinja; empty where it has none."""
    remarks: tuple[str, ...]
    """Where llama.cpp's ids can differ all the same, as clauses."""

    def write(self, writer: Any) -> None:
        """Add it to a `gguf.GGUFWriter`."""
        vocabulary = self.vocabulary
        writer.add_tokenizer_model(vocabulary.model)
        writer.add_tokenizer_pre(vocabulary.splitter)
        writer.add_token_list(vocabulary.tokens)
        writer.add_token_types(vocabulary.types)
        if vocabulary.scores:
            writer.add_token_scores(vocabulary.scores)
            writer.add_add_space_prefix(vocabulary.space_prefix)
        else:
            writer.add_token_merges(vocabulary.merges)
        for role, id in self.ids.items():
            getattr(writer, f"add_{role}_token_id")(id)
        writer.add_add_bos_token(self.add_bos)
        if self.chat_template:
            writer.add_chat_template(self.chat_template)


def gguf_tokenizer(folder: Path, rows: int) -> GgufTokenizer:
    """The tokenizer of the model in `folder`, checked. rows: of the embeddings, which may be more than tokens. Raises
    ModelError where GGUF cannot hold it."""
    own = TextTokenizer.from_folder(folder)
    definition = msgspec.json.decode((folder / "tokenizer.json").read_bytes(), type=dict[str, Any])
    if len(own.bos_ids) > 1:
        what = f"the tokenizer puts {len(own.bos_ids)} tokens before every text, and GGUF knows one"
        raise ModelError(what, str(folder), _INSTEAD)
    tokens, types = _tokens(definition, own, rows, folder)
    special = [tokens[id] for id, kind in enumerate(types) if kind in (TokenType.CONTROL, TokenType.USER_DEFINED)]
    texts = comparison_texts(special)
    vocabulary = _matching_vocabulary(definition, tokens, types, own, texts, folder)
    source = read_chat_template(folder)
    config = _object(folder / "tokenizer_config.json")
    ids = _role_ids(own, tokens, config, definition)
    return GgufTokenizer(
        vocabulary,
        ids,
        bool(own.bos_ids),
        source.template if source is not None else "",
        _remarks(definition, own, vocabulary, texts),
    )


def different_texts(own: TextTokenizer, other: LlamaCppTokenizer, texts: Sequence[str]) -> list[int]:
    """The positions of the texts that have other ids in `other`, where special tokens are only text."""
    mine = [encoding.ids for encoding in own.raw.encode_batch(list(texts), add_special_tokens=False)]
    theirs = other.encode(texts, special=False)
    return [position for position, (a, b) in enumerate(zip(mine, theirs, strict=True)) if a != b]


def _matching_vocabulary(
    definition: dict[str, Any],
    tokens: list[str],
    types: list[int],
    own: TextTokenizer,
    texts: list[str],
    folder: Path,
) -> GgufVocabulary:
    first = ""
    fewest = len(texts) + 1
    for vocabulary in _candidates(definition, tokens, types, folder):
        different = different_texts(own, LlamaCppTokenizer(vocabulary), texts)
        if not different:
            return vocabulary
        if len(different) < fewest:
            fewest, first = len(different), texts[different[0]]
    what = f"GGUF cannot hold this tokenizer: of {len(texts)} texts {fewest} have other ids in llama.cpp"
    raise ModelError(f"{what}, the first {safe_line(repr(first), 100)}", str(folder), _INSTEAD)


def _candidates(
    definition: dict[str, Any], tokens: list[str], types: list[int], folder: Path
) -> Iterator[GgufVocabulary]:
    """The ways in which GGUF could hold the tokenizer, the likeliest first."""
    model = definition["model"]
    if model.get("type", "BPE") != "BPE":
        what = f"GGUF cannot hold a tokenizer of the kind {safe_line(str(model.get('type')), 40)} for these shapes"
        raise ModelError(what, str(folder), _INSTEAD)
    merges = [tuple(merge) if isinstance(merge, list) else tuple(merge.split(" ", 1)) for merge in model["merges"]]
    written = msgspec.json.encode(definition.get("pre_tokenizer")).decode()
    if _is_sentencepiece(definition):
        scores = sentencepiece_scores(tokens, merges)
        prefix = "▁" in msgspec.json.encode([definition.get("normalizer"), definition.get("pre_tokenizer")]).decode()
        for space_prefix in (prefix, not prefix):
            yield GgufVocabulary("llama", "default", tokens, types, scores=scores, space_prefix=space_prefix)
        return
    joined = [" ".join(merge) for merge in merges]
    likely = sorted(SPLITTERS, key=lambda splitter: not splitter.is_in(written))
    for splitter in likely:
        yield GgufVocabulary("gpt2", splitter.name, tokens, types, merges=joined)


def _tokens(definition: dict[str, Any], own: TextTokenizer, rows: int, folder: Path) -> tuple[list[str], list[int]]:
    """The text and the type of each id; ids without a token are unused."""
    count = max(rows, own.vocab_size)
    if own.vocab_size > rows:
        what = f"the tokenizer has {own.vocab_size} tokens, and the model {rows} embeddings"
        raise ModelError(what, str(folder), "Name the model's own tokenizer")
    tokens = [f"[PAD{id}]" for id in range(count)]
    types = [int(TokenType.UNUSED)] * count
    model = definition["model"]
    unknown = model.get("unk_token")
    byte_fallback = _is_sentencepiece(definition)
    vocabulary: dict[str, int] = model["vocab"] if isinstance(model["vocab"], dict) else {}
    for token, id in vocabulary.items():
        is_byte = byte_fallback and len(token) == 6 and token.startswith("<0x") and token.endswith(">")
        tokens[id], types[id] = token, int(TokenType.BYTE if is_byte else TokenType.NORMAL)
    for added in definition.get("added_tokens") or []:
        id = added["id"]
        is_control = added.get("special") or id in own.stop_ids
        tokens[id] = added["content"]
        types[id] = int(TokenType.CONTROL if is_control else TokenType.USER_DEFINED)
    if unknown in vocabulary:
        types[vocabulary[unknown]] = int(TokenType.UNKNOWN)
    return tokens, types


def _is_sentencepiece(definition: dict[str, Any]) -> bool:
    """Whether the vocabulary is of characters with bytes for the rest, not of bytes written as letters."""
    steps = msgspec.json.encode([definition.get("pre_tokenizer"), definition.get("decoder")]).decode()
    return bool(definition["model"].get("byte_fallback")) and '"ByteLevel"' not in steps


def _role_ids(
    own: TextTokenizer, tokens: list[str], config: dict[str, Any], definition: dict[str, Any]
) -> dict[str, int]:
    ids = {"eos": own.eos_id}
    if own.bos_ids:
        ids["bos"] = own.bos_ids[0]
    by_text = {token: id for id, token in enumerate(tokens)}
    for role, value in (
        ("bos", config.get("bos_token")),
        ("pad", config.get("pad_token")),
        ("unk", config.get("unk_token") or definition["model"].get("unk_token")),
    ):
        text = value.get("content") if isinstance(value, dict) else value
        if role not in ids and isinstance(text, str) and text in by_text:
            ids[role] = by_text[text]
    if others := sorted(own.stop_ids - {own.eos_id}):
        ids["eot"] = others[0]
    return ids


def _remarks(
    definition: dict[str, Any], own: TextTokenizer, vocabulary: GgufVocabulary, texts: list[str]
) -> tuple[str, ...]:
    from tokenizers import Tokenizer

    remarks = []
    if "NFC" in msgspec.json.encode(definition.get("normalizer")).decode():
        remarks.append("the model's tokenizer composes letters and accents (NFC), llama.cpp takes them as they are")
    seeing = Tokenizer.from_str(own.raw.to_str())
    seeing.encode_special_tokens = False
    mine = [encoding.ids for encoding in seeing.encode_batch(texts, add_special_tokens=False)]
    theirs = LlamaCppTokenizer(vocabulary).encode(texts, special=True)
    different = sum(a != b for a, b in zip(mine, theirs, strict=True))
    if different:
        remarks.append(f"next to special tokens {different} of {len(texts)} texts have other ids in llama.cpp")
    return tuple(remarks)


def _object(path: Path) -> dict[str, Any]:
    return msgspec.json.decode(path.read_bytes(), type=dict[str, Any]) if path.is_file() else {}
