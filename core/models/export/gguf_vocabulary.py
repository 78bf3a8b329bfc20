"""The vocabulary of a tokenizer as GGUF holds it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec


class GgufVocabulary(msgspec.Struct, frozen=True):
    """Tokens, and how text becomes them."""

    model: str
    """The kind in llama.cpp: `gpt2` (merges of bytes) or `llama` (SentencePiece: merges by score)."""
    splitter: str
    """The name of the way in which text is split before merges; `default` for `llama`."""
    tokens: list[str]
    """The text of each id."""
    types: list[int]
    """A `TokenType` for each id."""
    merges: list[str] = []
    """For `gpt2`: two tokens with a blank between them, the first merge first."""
    scores: list[float] = []
    """For `llama`: of two possible merges the one with the higher score comes first."""
    space_prefix: bool = False
    """For `llama`: whether a blank is put before a text, and after a special token."""


def sentencepiece_scores(tokens: Sequence[str], merges: Sequence[tuple[str, ...]]) -> list[float]:
    """Scores under which the merges happen in their order: the merge number `n` makes a token of score `-n`. Tokens
    that no merge makes are never made, as their score is the lowest of all."""
    ranks: dict[str, int] = {}
    for rank, merge in enumerate(merges):
        ranks.setdefault("".join(merge), rank)
    return [float(-ranks.get(token, len(merges))) for token in tokens]
