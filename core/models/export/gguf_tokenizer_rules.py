"""How llama.cpp turns text into ids, from what a GGUF file says about its tokenizer: the other side of the comparison.

Facts about llama.cpp: which names of splitters it knows and by which patterns they split; that `gpt2` merges bytes by
rank, and with some splitters takes a whole word that is a token at once; that `llama` merges the pair whose token has
the highest score, falls back to bytes, and puts a blank before each piece of text; that control tokens count only where
the caller asks for it, and user-defined ones always.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from core.models.export.gguf_vocabulary import GgufVocabulary

if TYPE_CHECKING:
    from tokenizers import Tokenizer


class TokenType(IntEnum):
    """The kinds of tokens, by llama.cpp's numbers."""

    NORMAL = 1
    UNKNOWN = 2
    CONTROL = 3
    USER_DEFINED = 4
    UNUSED = 5
    BYTE = 6


class Splitter(msgspec.Struct, frozen=True):
    """A way to split text before merging."""

    name: str
    """Its name in GGUF."""
    patterns: tuple[str, ...]
    """Applied one after the other to the pieces of the one before."""
    words_at_once: bool = False
    """Whether a piece that is a token is not merged from its bytes."""
    hints: tuple[str, ...] = ()
    """What a tokenizer.json contains that splits so, besides the patterns; only decides what is tried first."""

    def is_in(self, pre_tokenizer: str) -> bool:
        """Whether the JSON of a pre-tokenizer looks like this way."""
        found = [msgspec.json.encode(pattern).decode() for pattern in self.patterns]
        return all(hint in pre_tokenizer for hint in self.hints or found)


_GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
_CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_TAIL = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_UPPER, _LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_TEKKEN = (
    rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}*{_LOWER}+|[^\r\n\p{{L}}\p{{N}}]?{_UPPER}+{_LOWER}*"
    r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_DEEPSEEK = (
    r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"
    r"| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
SPLITTERS = (
    Splitter("qwen2", (rf"{_CONTRACTIONS}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}|{_TAIL}",)),
    Splitter("llama-bpe", (rf"{_CONTRACTIONS}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}{{1,3}}|{_TAIL}",), True),
    Splitter("smollm", (r"\p{N}", _GPT2), hints=('"individual_digits":true',)),
    Splitter("tekken", (_TEKKEN,), True),
    Splitter("deepseek-v3", (r"\p{N}{1,3}", r"[一-龥぀-ゟ゠-ヿ]+", _DEEPSEEK)),
    Splitter("gpt-2", (_GPT2,), hints=('"use_regex":true',)),
)
"""The ways that are tried."""


class LlamaCppTokenizer:
    """The ids that llama.cpp gives texts by a GGUF file's vocabulary."""

    def __init__(self, vocabulary: GgufVocabulary) -> None:
        make = _byte_merges if vocabulary.model == "gpt2" else _score_merges
        self._raw: Tokenizer = make(vocabulary)
        _add_tokens(self._raw, vocabulary)

    def encode(self, texts: Sequence[str], *, special: bool) -> list[list[int]]:
        """The ids of each text, without a beginning of sequence. special: whether control tokens in it count."""
        self._raw.encode_special_tokens = not special
        return [encoding.ids for encoding in self._raw.encode_batch(list(texts), add_special_tokens=False)]


def _byte_merges(vocabulary: GgufVocabulary) -> Tokenizer:
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers

    splitter = next(splitter for splitter in SPLITTERS if splitter.name == vocabulary.splitter)
    merges = [(first, second) for first, _, second in (merge.partition(" ") for merge in vocabulary.merges)]
    ids = {token: id for id, token in enumerate(vocabulary.tokens)}
    raw = Tokenizer(models.BPE(vocab=ids, merges=merges, ignore_merges=splitter.words_at_once))
    splits = [pre_tokenizers.Split(Regex(pattern), "isolated") for pattern in splitter.patterns]
    raw.pre_tokenizer = pre_tokenizers.Sequence(
        [*splits, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    return raw


def _score_merges(vocabulary: GgufVocabulary) -> Tokenizer:
    from tokenizers import Tokenizer, models, normalizers

    ids = {token: id for id, token in enumerate(vocabulary.tokens)}
    plain = {
        token
        for token, kind in zip(vocabulary.tokens, vocabulary.types, strict=True)
        if kind in (TokenType.NORMAL, TokenType.USER_DEFINED)
    }
    scored: list[tuple[float, tuple[str, str]]] = []
    for token in plain:
        score = vocabulary.scores[ids[token]]
        for cut in range(1, len(token)):
            if token[:cut] in plain and token[cut:] in plain:
                scored.append((-score, (token[:cut], token[cut:])))
    scored.sort(key=lambda item: item[0])
    unknown = next((t for t, kind in zip(vocabulary.tokens, vocabulary.types, strict=True) if kind == 2), None)
    raw = Tokenizer(
        models.BPE(
            vocab=ids, merges=[merge for _, merge in scored], unk_token=unknown, byte_fallback=True, fuse_unk=True
        )
    )
    blanks: Any = normalizers.Replace(" ", "▁")
    raw.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), blanks]) if vocabulary.space_prefix else blanks
    return raw


def _add_tokens(raw: Tokenizer, vocabulary: GgufVocabulary) -> None:
    from tokenizers import AddedToken

    for token, kind in zip(vocabulary.tokens, vocabulary.types, strict=True):
        if kind == TokenType.CONTROL:
            raw.add_special_tokens([AddedToken(token, normalized=False, special=True)])
        elif kind == TokenType.USER_DEFINED:
            raw.add_tokens([AddedToken(token, normalized=False, special=False)])


def read_gguf_vocabulary(path: Path) -> GgufVocabulary:
    """The vocabulary in the GGUF file `path`. Raises OSError, KeyError and ValueError for a file that has none."""
    import gguf

    fields = gguf.GGUFReader(path).fields

    def values(key: str) -> Any:
        field = fields.get(f"tokenizer.ggml.{key}")
        return field.contents() if field is not None else []

    return GgufVocabulary(
        model=values("model"),
        splitter=values("pre"),
        tokens=list(values("tokens")),
        types=[int(kind) for kind in values("token_type")],
        merges=list(values("merges")),
        scores=[float(score) for score in values("scores")],
        space_prefix=bool(values("add_space_prefix")),
    )
