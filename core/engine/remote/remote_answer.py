"""Reads a server's answer, chunk by chunk: its text in sections, and how it ended."""

from __future__ import annotations

import re
import time
from typing import Annotated, Any

import msgspec

from core.base.errors import EngineError
from core.base.safe_text import safe_line
from core.engine.protocol import AnswerFinish, AnswerPiece, FinishReason
from core.splitter.splitter import AnswerEnding, Splitter

TEXT_LIMIT = 4_000_000
"""Characters of an answer; no context has room for as many."""
_Count = Annotated[int, msgspec.Meta(ge=0, le=2**31)]
_CLOSING_LINE = re.compile(r"^[ \t]*</think>[ \t\r]*$", re.MULTILINE)
_REASONS: dict[str, FinishReason] = {"stop": "end", "length": "length", "eos": "end", "stop_sequence": "stop_string"}


class _Text(msgspec.Struct, frozen=True):
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None


class _Choice(msgspec.Struct, frozen=True):
    delta: _Text | None = None
    message: _Text | None = None
    text: str | None = None
    finish_reason: str | None = None
    stop_reason: int | str | None = None


class _Details(msgspec.Struct, frozen=True):
    cached_tokens: _Count | None = 0


class _Usage(msgspec.Struct, frozen=True):
    prompt_tokens: _Count | None = 0
    completion_tokens: _Count | None = 0
    prompt_tokens_details: _Details | None = None


class _Chunk(msgspec.Struct, frozen=True):
    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    error: Any = None
    model: str | None = None


class RemoteAnswer:
    """One answer. Its text is foreign."""

    def __init__(self, splitter: Splitter, host: str, model: str, notes: tuple[str, ...]) -> None:
        self._splitter, self._host, self._model = splitter, host, model
        self._notes = list(notes)
        self._begun = time.perf_counter()
        self._first = self._last = 0.0  # seconds from the beginning
        self._chunks = self._characters = 0
        self._usage = _Usage()
        self._has_reasoning_field = self._has_response = False
        self._said: list[str] = []  # the text that the server has not sorted itself
        self.reason: FinishReason | None = None
        """Why it ended; None while it may go on."""
        self._is_done = False
        self.filtered = False
        """Whether the server's filter has ended it."""

    @property
    def has_text(self) -> bool:
        """Whether any text has come."""
        return self._chunks > 0

    @property
    def is_over(self) -> bool:
        """Whether nothing more of it is wanted."""
        return self._is_done or self.reason == "runaway"

    @property
    def closes_unopened_reasoning(self) -> bool:
        """Whether a closing tag came that no opening one belongs to: the prompt of this server ends in the opening
        tag."""
        text = "".join(self._said)
        closing = _CLOSING_LINE.search(text)
        return closing is not None and "<think>" not in text[: closing.start()] and not self._has_reasoning_field

    def read(self, event: bytes) -> tuple[list[AnswerPiece], bytes | None]:
        """The new text in an event, and the event itself where it is an error. Raises EngineError where it cannot be
        read, or the answer is longer than any."""
        if event.strip() == b"[DONE]":
            self.reason, self._is_done = self.reason or "end", True
            return [], None
        try:
            chunk = msgspec.json.decode(event, type=_Chunk)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise EngineError(
                "the server sent an event that cannot be read", self._host, "The text so far is kept; ask again"
            ) from error
        if chunk.error:
            return [], event
        if chunk.usage is not None:
            self._usage = chunk.usage
        if chunk.model and not chunk.model.startswith(self._model) and self._model not in chunk.model:
            self._note(f"the server says that {safe_line(chunk.model, 80)} answers")
        pieces: list[AnswerPiece] = []
        for choice in (chunk.choices or [])[:1]:
            self._read_choice(choice, pieces)
        return pieces, None

    def close(self) -> list[AnswerPiece]:
        """The answer is over: the text that was held back."""
        return [AnswerPiece(part.section, part.text) for part in self._splitter.close()]

    def finish(self, reason: FinishReason | None = None) -> AnswerFinish:
        """How it ended. reason: where the client ended it. Times are measured here; tokens are the server's count, or
        that of its events where it tells none."""
        tokens = self._usage.completion_tokens or self._chunks
        prompt = self._usage.prompt_tokens or 0
        details = self._usage.prompt_tokens_details
        cached = min(prompt, (details.cached_tokens or 0) if details is not None else 0)
        span = self._last - self._first
        return AnswerFinish(
            reason=reason or self.reason or "end",
            ending=self._ending,
            prompt_tokens=prompt,
            tokens=tokens,
            prefill_seconds=self._first,
            first_token_seconds=self._first,
            total_seconds=time.perf_counter() - self._begun,
            tokens_per_second=(tokens - 1) / span if tokens > 1 and span > 0 else 0.0,
            path=f"at {safe_line(self._host, 60)}",
            path_why="; ".join(self._notes),
            reused_tokens=cached,
        )

    @property
    def _ending(self) -> AnswerEnding:
        if self._has_reasoning_field:
            return "complete" if self._has_response else "in_reasoning"
        return self._splitter.ending

    def _read_choice(self, choice: _Choice, pieces: list[AnswerPiece]) -> None:
        text = choice.delta or choice.message or _Text()
        thought = text.reasoning_content or text.reasoning or ""
        said = text.content or choice.text or ""
        if thought or said:
            self._last = time.perf_counter() - self._begun
            self._first = self._first or self._last
            self._chunks += 1
            self._characters += len(thought) + len(said)
        if self._characters > TEXT_LIMIT:
            raise EngineError(
                "the server sends more than any answer has", self._host, "The text so far is kept; ask another server"
            )
        if thought:
            self._has_reasoning_field = True
            pieces.append(AnswerPiece("reasoning", thought))
        if said:
            pieces += self._response(said)
        if self._splitter.ran_away and self.reason is None:
            self.reason = "runaway"
        if choice.finish_reason is not None and self.reason is None:
            self.reason = _REASONS.get(choice.finish_reason, "end")
            self.filtered = choice.finish_reason == "content_filter"
            if self.reason == "end" and isinstance(choice.stop_reason, str) and choice.stop_reason:
                self.reason = "stop_string"

    def _response(self, said: str) -> list[AnswerPiece]:
        if self._has_reasoning_field:  # the server has sorted it itself
            if not self._has_response:
                said = said.lstrip("\r\n")
            self._has_response = self._has_response or bool(said.strip())
            return [AnswerPiece("response", said)] if said else []
        self._said.append(said)
        return [AnswerPiece(part.section, part.text) for part in self._splitter.feed(said)]

    def _note(self, words: str) -> None:
        if words not in self._notes:
            self._notes.append(words)
