"""Log-probabilities of an answer's tokens, with the bytes that the tokens stand for. Light: no torch."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from core.engine.sampling.token_choice import TokenScores
from core.tokens.tokenizer import TextTokenizer


class AnswerScores(msgspec.Struct, frozen=True):
    """The log-probabilities of the next tokens of an answer."""

    tokens: tuple[TokenScores, ...]
    """The tokens, in order."""
    spelling: dict[int, bytes]
    """The bytes of each token and alternative; they may be a part of a character."""


def spelled(tokens: Sequence[TokenScores], tokenizer: TextTokenizer) -> AnswerScores:
    """The log-probabilities with the tokens' bytes."""
    ids = {id for scores in tokens for id in (scores.token, *(other for other, _ in scores.alternatives))}
    return AnswerScores(tuple(tokens), {id: token_spelling(id, tokenizer) for id in ids})


def token_spelling(id: int, tokenizer: TextTokenizer) -> bytes:
    """The bytes of one token; empty for an id that is none."""
    data = tokenizer.token_bytes.data(id)
    return tokenizer.decode([id]).encode() if data is None else data
