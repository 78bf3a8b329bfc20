"""The OpenAI API: requests, and the JSON of answers, chunks and errors. Knows nothing of models or sockets.

Suiron's own additions are under the key `suiron` of a request and of the last chunk, which other clients and servers
ignore.
"""

from __future__ import annotations

import time
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from core.base.errors import EngineError, SuironError, UsageError
from core.engine.protocol import AnswerFinish, AnswerPiece

BODY_LIMIT = 4 * 1024 * 1024  # bytes of a request; a prompt of that size is far beyond any context

_Count = Annotated[int, msgspec.Meta(ge=0)]
_Temperature = Annotated[float, msgspec.Meta(ge=0.0, le=2.0)]
_TopP = Annotated[float, msgspec.Meta(gt=0.0, le=1.0)]
_Seed = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
_Id = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]


class TextContentPart(msgspec.Struct, frozen=True):
    """A part of a message's content; only text is supported."""

    type: Literal["text"]
    """The kind of part."""
    text: str
    """The text."""


class Message(msgspec.Struct, frozen=True):
    """A message of a conversation."""

    role: Literal["system", "developer", "user", "assistant"]
    """The author's role."""
    content: str | list[TextContentPart]
    """The text, or parts of it."""

    @property
    def text(self) -> str:
        """The content as one text."""
        return self.content if isinstance(self.content, str) else "".join(part.text for part in self.content)


class SuironExtension(msgspec.Struct, frozen=True, kw_only=True):
    """The key `suiron` of a request."""

    input: str = ""
    """The input of the row; the one user message is its instruction. Only with `template`."""
    language: str = ""
    """As a row's syslang; it chooses the version of the template."""
    template: str | None = None
    """The name of a template: one of Suiron's, the user's own, one beside the data set `data`, or one kept with the run
    of the loaded adapter. None: the model's own chat template."""
    data: str = ""
    """The data set beside which the template may be."""
    tuned: bool | None = None
    """Whether the adapter answers, or the base model. None: as in `model`."""
    drop_empty_input: bool = False
    """Whether the heading of an empty input is left out."""
    id: _Id | None = None
    """The id of this answer for /suiron/stop; None draws an id."""
    cold: bool = False
    """Answer on the plain path, without anything that an earlier answer has left: for whoever measures or compares."""
    client: str = ""
    """The name of whoever asks. A new prompt with `max_tokens` 0 ends an older one of the same client."""
    holds: tuple[str, str] | None = None
    """The model and the adapter's folder that the client has loaded. The request is refused where another client has
    loaded another model since."""


class _Request(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of both kinds of request in OpenAI's API. Fields that would change the answer and are not supported
    are refused, not ignored."""

    model: str = ""
    """A name from /v1/models; empty: the loaded model."""
    stream: bool = False
    """Answer with server-sent events."""
    stream_options: dict[str, Any] | None = None
    """`include_usage` adds an event with token counts."""
    max_tokens: _Count | None = None
    """The most tokens of the answer; None: as many as the context has room for. 0: only feed the prompt, so that the
    next request with the same beginning starts at once."""
    temperature: _Temperature | None = 1.0
    """0 is greedy."""
    top_p: _TopP | None = 1.0
    """Probability mass of the tokens that are sampled from."""
    seed: _Seed | None = None
    """Makes sampling repeatable."""
    n: int | None = 1
    """Answers to one request; only 1 is supported."""
    stop: str | list[str] | None = None
    """Not supported."""
    logprobs: bool | int | None = None
    """Not supported."""
    frequency_penalty: float | None = 0.0
    """Not supported."""
    presence_penalty: float | None = 0.0
    """Not supported."""
    logit_bias: dict[str, float] | None = None
    """Not supported."""
    suiron: SuironExtension = SuironExtension()
    """Suiron's own additions."""

    @property
    def include_usage(self) -> bool:
        """Whether the stream ends with token counts."""
        return bool((self.stream_options or {}).get("include_usage"))

    def unsupported_fields(self) -> list[str]:
        """The names of fields that this server does not support."""
        fields = (
            ("n", self.n not in (None, 1)),
            ("stop", bool(self.stop)),
            ("logprobs", bool(self.logprobs)),
            ("frequency_penalty", bool(self.frequency_penalty)),
            ("presence_penalty", bool(self.presence_penalty)),
            ("logit_bias", bool(self.logit_bias)),
        )
        return [name for name, is_set in fields if is_set]


class ChatRequest(_Request, frozen=True, kw_only=True):
    """A request to /v1/chat/completions."""

    messages: Annotated[list[Message], msgspec.Meta(min_length=1)]
    """The conversation so far."""
    max_completion_tokens: _Count | None = None
    """The most tokens of the answer; takes precedence over `max_tokens`."""
    tools: list[Any] | None = None
    """Not supported."""
    response_format: dict[str, Any] | None = None
    """Only text is supported."""

    def unsupported_fields(self) -> list[str]:
        names = _Request.unsupported_fields(self)
        if self.tools:
            names.append("tools")
        if self.response_format and self.response_format.get("type") != "text":
            names.append("response_format")
        return names


class CompletionRequest(_Request, frozen=True, kw_only=True):
    """A request to /v1/completions."""

    prompt: str | Annotated[list[str], msgspec.Meta(min_length=1, max_length=1)]
    """The text to continue."""
    echo: bool = False
    """Not supported."""

    @property
    def text(self) -> str:
        """The prompt as one text."""
        return self.prompt if isinstance(self.prompt, str) else self.prompt[0]

    def unsupported_fields(self) -> list[str]:
        return [*_Request.unsupported_fields(self), *(["echo"] if self.echo else [])]


AnyRequest = TypeVar("AnyRequest", bound=_Request)


class RefusedRequest(Exception):
    """A request that is answered with `status` and an error body."""

    def __init__(
        self,
        status: int,
        message: str,
        kind: str = "invalid_request_error",
        code: str | None = None,
        error: SuironError | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.kind, self.code, self.error = status, message, kind, code, error

    def body(self) -> dict[str, Any]:
        """The error in the format of OpenAI's API."""
        described: dict[str, Any] = {"message": self.message, "type": self.kind, "param": None, "code": self.code}
        if self.error is not None:
            described["suiron"] = [self.error.what, self.error.where, self.error.do]
        return {"error": described}


def refusal_of(error: SuironError) -> RefusedRequest:
    """The reply to a request that fails with `error`: 400 for the client's own mistakes, else 503 (another request may
    succeed)."""
    if isinstance(error, UsageError):
        return RefusedRequest(400, str(error), error=error)
    code = "model_not_ready" if isinstance(error, EngineError) else "model_failed"
    return RefusedRequest(503, str(error), "server_error", code, error)


def parse_request(body: bytes, kind: type[AnyRequest]) -> AnyRequest:
    """The request in `body`. Raises RefusedRequest with the wrong field."""
    request = decode_body(body, kind)
    unsupported = request.unsupported_fields()
    if unsupported:
        raise RefusedRequest(
            400,
            f"This server does not support {', '.join(unsupported)}: leave it out.",
            code="unsupported_parameter",
        )
    return request


_Any = TypeVar("_Any")


def decode_body(body: bytes, kind: type[_Any]) -> _Any:
    """The JSON in `body` as `kind`. Raises RefusedRequest with the wrong field."""
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise RefusedRequest(400, f"The request is invalid: {error}.") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RefusedRequest(400, f"The body is not JSON: {error}.") from error


# -- responses --

_REASONS = {"end": "stop", "length": "length", "stopped": "stop", "runaway": "stop"}


def finish_reason(finish: AnswerFinish) -> str:
    """The reason why an answer ended, in OpenAI's words."""
    return _REASONS[finish.reason]


def token_usage(finish: AnswerFinish) -> dict[str, int]:
    """The token counts of an answer."""
    return {
        "prompt_tokens": finish.prompt_tokens,
        "completion_tokens": finish.tokens,
        "total_tokens": finish.prompt_tokens + finish.tokens,
    }


def chat_delta(piece: AnswerPiece) -> dict[str, str]:
    """New text of a chat's answer."""
    return {"reasoning_content" if piece.section == "reasoning" else "content": piece.text}


class ResponseShape:
    """The JSON around one answer, for every chunk and for the complete response."""

    def __init__(self, answer_id: str, model: str, *, chat: bool) -> None:
        self._head = {"id": answer_id, "created": int(time.time()), "model": model}
        self._chat = chat

    def chunk(self, part: dict[str, Any] | str, finish: AnswerFinish | None = None) -> dict[str, Any]:
        """One server-sent event. part: the delta of a chat, or the text of a completion."""
        reason = finish_reason(finish) if finish is not None else None
        choice: dict[str, Any] = {
            "index": 0,
            "delta" if self._chat else "text": part,
            "finish_reason": reason,
            "logprobs": None,
        }
        chunk = {
            **self._head,
            "object": "chat.completion.chunk" if self._chat else "text_completion",
            "choices": [choice],
        }
        if finish is not None:
            chunk["suiron"] = msgspec.to_builtins(finish)
        return chunk

    def usage_chunk(self, finish: AnswerFinish) -> dict[str, Any]:
        """The event with token counts."""
        return {**self.chunk({} if self._chat else ""), "choices": [], "usage": token_usage(finish)}

    def whole(self, reasoning: str, text: str, finish: AnswerFinish) -> dict[str, Any]:
        """The response to a request without `stream`."""
        choice: dict[str, Any] = {"index": 0, "finish_reason": finish_reason(finish), "logprobs": None}
        if self._chat:
            choice["message"] = {"role": "assistant", "content": text, "reasoning_content": reasoning or None}
        else:
            choice["text"] = text
        kind = "chat.completion" if self._chat else "text_completion"
        return {
            **self._head,
            "object": kind,
            "choices": [choice],
            "usage": token_usage(finish),
            "suiron": msgspec.to_builtins(finish),
        }
