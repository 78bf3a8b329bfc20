"""Log-probabilities in the JSON of the OpenAI API. They are of the model's own scores, before penalties, temperature
and cuts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from core.engine.answer_scores import AnswerScores
from core.engine.sampling.token_choice import TokenScores

TokenSpelling = Callable[[int], bytes]
"""The bytes of a token, which may be a part of a character."""


class LogProbabilityForm:
    """Collects the log-probabilities of one answer and gives them in parts."""

    def __init__(self, *, chat: bool) -> None:
        self._chat = chat
        self._tokens: list[TokenScores] = []
        self._spelling: dict[int, bytes] = {}
        self._offset = 0  # characters of the text before the next part

    def add(self, scores: AnswerScores) -> None:
        """The answer's next tokens."""
        self._tokens += scores.tokens
        self._spelling |= scores.spelling

    def take(self) -> dict[str, Any] | None:
        """`logprobs` of all tokens since the last call; None where there are none."""
        tokens, self._tokens = self._tokens, []
        if not tokens:
            return None
        if self._chat:
            return chat_log_probabilities(tokens, self._spelling.__getitem__)
        offset = self._offset
        self._offset += sum(len(_text(self._spelling[scores.token])) for scores in tokens)
        return completion_log_probabilities(tokens, self._spelling.__getitem__, offset)


def chat_log_probabilities(tokens: Sequence[TokenScores], spelling: TokenSpelling) -> dict[str, Any]:
    """`logprobs` of a chat's choice: of all tokens of the answer, those of its reasoning and markers included."""

    def entry(token: int, value: float) -> dict[str, Any]:
        data = spelling(token)
        return {"token": _text(data), "logprob": value, "bytes": list(data)}

    return {
        "content": [
            {
                **entry(scores.token, scores.log_probability),
                "top_logprobs": [entry(token, value) for token, value in scores.alternatives],
            }
            for scores in tokens
        ],
        "refusal": None,
    }


def completion_log_probabilities(
    tokens: Sequence[TokenScores], spelling: TokenSpelling, offset: int = 0
) -> dict[str, Any]:
    """`logprobs` of a completion's choice. offset: characters of the text before the first of these tokens. Where two
    alternatives have the same text, the likelier one is told."""
    texts = [_text(spelling(scores.token)) for scores in tokens]
    offsets = []
    for text in texts:
        offsets.append(offset)
        offset += len(text)
    best: list[dict[str, float]] = []
    for scores in tokens:
        named: dict[str, float] = {}
        for token, value in scores.alternatives:
            named.setdefault(_text(spelling(token)), value)
        best.append(named)
    return {
        "tokens": texts,
        "token_logprobs": [scores.log_probability for scores in tokens],
        "top_logprobs": best,
        "text_offset": offsets,
    }


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")
