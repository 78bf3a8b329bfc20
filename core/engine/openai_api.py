"""The OpenAI API: the JSON of answers, chunks and errors. Knows nothing of models or sockets.

`openai_requests` has the requests and `parse_request` reads them. Suiron's own additions are under the key `suiron` of
a request and of the last chunk, which other clients and servers ignore.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import msgspec

from core.engine.openai_messages import Message, TextContentPart
from core.engine.openai_requests import ChatRequest, CompletionRequest, SuironExtension
from core.engine.parse_request import RefusedRequest, decode_body, parse_request, refusal_of
from core.engine.protocol import AnswerFinish, AnswerPiece
from core.engine.sentinel import LoopWarning

__all__ = [
    "BODY_LIMIT",
    "ChatRequest",
    "CompletionRequest",
    "Message",
    "RefusedRequest",
    "ResponseShape",
    "SuironExtension",
    "TextContentPart",
    "chat_delta",
    "decode_body",
    "finish_reason",
    "parse_request",
    "refusal_of",
    "token_usage",
]

BODY_LIMIT = 4 * 1024 * 1024  # bytes of a request; a prompt of that size is far beyond any context

_REASONS = {
    "end": "stop",
    "length": "length",
    "stopped": "stop",
    "runaway": "stop",
    "stop_string": "stop",
    "loop": "stop",
    "unloaded": "stop",
}


def finish_reason(finish: AnswerFinish) -> str:
    """The reason why an answer ended, in OpenAI's words."""
    return _REASONS[finish.reason]


def token_usage(finishes: Sequence[AnswerFinish], answers: int = 1) -> dict[str, Any]:
    """The token counts of all answers to a request. answers: to each prompt; they stand beside each other, and their
    prompt counts once."""
    prompts = finishes[::answers]
    read = sum(finish.prompt_tokens for finish in prompts)
    made = sum(finish.tokens for finish in finishes)
    return {
        "prompt_tokens": read,
        "completion_tokens": made,
        "total_tokens": read + made,
        "prompt_tokens_details": {"cached_tokens": sum(finish.reused_tokens for finish in prompts)},
    }


def chat_delta(piece: AnswerPiece) -> dict[str, str]:
    """New text of a chat's answer."""
    return {"reasoning_content" if piece.section == "reasoning" else "content": piece.text}


class ResponseShape:
    """The JSON around one answer, for every chunk and for the complete response."""

    def __init__(self, answer_id: str, model: str, *, chat: bool) -> None:
        self._head = {"id": answer_id, "created": int(time.time()), "model": model}
        self.chat = chat
        """Whether it is a chat's, else a completion's."""

    def chunk(
        self,
        part: dict[str, Any] | str,
        finish: AnswerFinish | None = None,
        *,
        index: int = 0,
        log_probabilities: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """One server-sent event. part: the delta of a chat, or the text of a completion. index: which of the answers to
        the request. log_probabilities: of the part's tokens, from `openai_logprobs`."""
        reason = finish_reason(finish) if finish is not None else None
        choice: dict[str, Any] = {
            "index": index,
            "delta" if self.chat else "text": part,
            "finish_reason": reason,
            "logprobs": log_probabilities,
        }
        chunk = {
            **self._head,
            "object": "chat.completion.chunk" if self.chat else "text_completion",
            "choices": [choice],
        }
        if finish is not None:
            chunk["suiron"] = msgspec.to_builtins(finish)
        return chunk

    def loop_chunk(self, loop: LoopWarning, *, index: int = 0) -> dict[str, Any]:
        """The event of an answer that goes round in a loop."""
        return {**self.chunk({} if self.chat else "", index=index), "suiron": msgspec.to_builtins(loop)}

    def usage_chunk(self, finishes: Sequence[AnswerFinish], answers: int = 1) -> dict[str, Any]:
        """The event with token counts; see `token_usage`."""
        return {**self.chunk({} if self.chat else ""), "choices": [], "usage": token_usage(finishes, answers)}

    def choice(
        self,
        reasoning: str,
        text: str,
        finish: AnswerFinish,
        *,
        index: int = 0,
        log_probabilities: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """One of the answers to a request without `stream`."""
        choice: dict[str, Any] = {
            "index": index,
            "finish_reason": finish_reason(finish),
            "logprobs": log_probabilities,
        }
        if self.chat:
            choice["message"] = {"role": "assistant", "content": text, "reasoning_content": reasoning or None}
        else:
            choice["text"] = text
        return choice

    def whole(
        self, choices: Sequence[dict[str, Any]], finishes: Sequence[AnswerFinish], answers: int = 1
    ) -> dict[str, Any]:
        """The response to a request without `stream`, of choices and their finishes, at least one. answers: as for
        `token_usage`. `suiron` is that of the first."""
        return {
            **self._head,
            "object": "chat.completion" if self.chat else "text_completion",
            "choices": list(choices),
            "usage": token_usage(finishes, answers),
            "suiron": msgspec.to_builtins(finishes[0]),
        }
