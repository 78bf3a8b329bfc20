"""The OpenAI API's words: what requests may say, and the shapes of answers, chunks and errors. Knows nothing of models
or sockets.

Suiron's own additions stand under the key `suiron` of a request and of the last chunk, where other clients and servers
do not look.
"""

from __future__ import annotations

import time
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from core.base.errors import EngineError, SuironError, UsageError
from core.engine.protocol import Finish, Piece

BODY_LIMIT = 4 * 1024 * 1024  # bytes of a request; a prompt of that size is far beyond any context

_Count = Annotated[int, msgspec.Meta(ge=1)]
_Temperature = Annotated[float, msgspec.Meta(ge=0.0, le=2.0)]
_TopP = Annotated[float, msgspec.Meta(gt=0.0, le=1.0)]
_Seed = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
_Id = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]


class TextPart(msgspec.Struct, frozen=True):
    """A part of a message's content; only text is understood."""

    type: Literal["text"]
    text: str


class Message(msgspec.Struct, frozen=True):
    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[TextPart]

    @property
    def text(self) -> str:
        return self.content if isinstance(self.content, str) else "".join(part.text for part in self.content)


class Extension(msgspec.Struct, frozen=True, kw_only=True):
    """`suiron` in a request. template: a name of core.templates.template; the one user message is then its instruction
    and `input` its input, and `language` (as a row's syslang) chooses its version; it may be one of Suiron's or the
    user's own, lie beside the data set `data`, or be kept with the run whose adapter is loaded. tuned: with the
    adapter, or the base model beneath it (default: what `model` names). id: what /suiron/stop will call this answer.
    holds: the model and the adapter's folder that the asker had loaded; where another asker has loaded others since,
    the request is refused."""

    input: str = ""
    language: str = ""
    template: str | None = None
    data: str = ""
    tuned: bool | None = None
    drop_empty_input: bool = False
    id: _Id | None = None
    holds: tuple[str, str] | None = None


class _Request(msgspec.Struct, frozen=True, kw_only=True):
    """What both kinds of request share. Fields that would change the answer and are not understood are refused, not
    ignored."""

    model: str = ""
    stream: bool = False
    stream_options: dict[str, Any] | None = None
    max_tokens: _Count | None = None
    temperature: _Temperature | None = 1.0
    top_p: _TopP | None = 1.0
    seed: _Seed | None = None
    n: int | None = 1
    stop: str | list[str] | None = None
    logprobs: bool | int | None = None
    frequency_penalty: float | None = 0.0
    presence_penalty: float | None = 0.0
    logit_bias: dict[str, float] | None = None
    suiron: Extension = Extension()

    @property
    def include_usage(self) -> bool:
        return bool((self.stream_options or {}).get("include_usage"))

    def foreign(self) -> list[str]:
        """The names of fields that ask for something this server does not do."""
        asked = (
            ("n", self.n not in (None, 1)),
            ("stop", bool(self.stop)),
            ("logprobs", bool(self.logprobs)),
            ("frequency_penalty", bool(self.frequency_penalty)),
            ("presence_penalty", bool(self.presence_penalty)),
            ("logit_bias", bool(self.logit_bias)),
        )
        return [name for name, given in asked if given]


class ChatRequest(_Request, frozen=True, kw_only=True):
    messages: Annotated[list[Message], msgspec.Meta(min_length=1)]
    max_completion_tokens: _Count | None = None
    tools: list[Any] | None = None
    response_format: dict[str, Any] | None = None

    def foreign(self) -> list[str]:
        names = _Request.foreign(self)
        if self.tools:
            names.append("tools")
        if self.response_format and self.response_format.get("type") != "text":
            names.append("response_format")
        return names


class CompletionRequest(_Request, frozen=True, kw_only=True):
    prompt: str | Annotated[list[str], msgspec.Meta(min_length=1, max_length=1)]
    echo: bool = False

    @property
    def text(self) -> str:
        return self.prompt if isinstance(self.prompt, str) else self.prompt[0]

    def foreign(self) -> list[str]:
        return [*_Request.foreign(self), *(["echo"] if self.echo else [])]


AnyRequest = TypeVar("AnyRequest", bound=_Request)


class Refused(Exception):
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
        shown: dict[str, Any] = {"message": self.message, "type": self.kind, "param": None, "code": self.code}
        if self.error is not None:
            shown["suiron"] = [self.error.what, self.error.where, self.error.do]
        return {"error": shown}


def refusal(error: SuironError) -> Refused:
    """The answer to a request that met `error`: the asker's own mistakes are 400, all others 503 (another request may
    succeed)."""
    if isinstance(error, UsageError):
        return Refused(400, str(error), error=error)
    return Refused(
        503, str(error), "server_error", "model_not_ready" if isinstance(error, EngineError) else "model_failed", error
    )


def parse(body: bytes, kind: type[AnyRequest]) -> AnyRequest:
    """The request in `body`. Raises Refused naming the field that is wrong."""
    request = decode(body, kind)
    foreign = request.foreign()
    if foreign:
        raise Refused(
            400, f"This server does not understand {', '.join(foreign)}: leave it out.", code="unsupported_parameter"
        )
    return request


_Any = TypeVar("_Any")


def decode(body: bytes, kind: type[_Any]) -> _Any:
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise Refused(400, f"The request is not right: {error}.") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refused(400, f"The body is not JSON: {error}.") from error


# -- what goes back --

_REASONS = {"end": "stop", "length": "length", "stopped": "stop", "runaway": "stop"}


def finish_reason(finish: Finish) -> str:
    return _REASONS[finish.reason]


def usage(finish: Finish) -> dict[str, int]:
    return {
        "prompt_tokens": finish.prompt_tokens,
        "completion_tokens": finish.tokens,
        "total_tokens": finish.prompt_tokens + finish.tokens,
    }


def delta(piece: Piece) -> dict[str, str]:
    return {"reasoning_content" if piece.section == "reasoning" else "content": piece.text}


class Shape:
    """The envelopes of one answer: what every chunk and the whole share."""

    def __init__(self, answer_id: str, model: str, *, chat: bool) -> None:
        self._head = {"id": answer_id, "created": int(time.time()), "model": model}
        self._chat = chat

    def chunk(self, part: dict[str, Any] | str, finish: Finish | None = None) -> dict[str, Any]:
        """One server-sent event. part: the delta of a chat, or the text of a completion."""
        reason = finish_reason(finish) if finish is not None else None
        choice: dict[str, Any] = {
            "index": 0,
            "delta" if self._chat else "text": part,
            "finish_reason": reason,
            "logprobs": None,
        }
        made = {
            **self._head,
            "object": "chat.completion.chunk" if self._chat else "text_completion",
            "choices": [choice],
        }
        if finish is not None:
            made["suiron"] = msgspec.to_builtins(finish)
        return made

    def usage_chunk(self, finish: Finish) -> dict[str, Any]:
        return {**self.chunk({} if self._chat else ""), "choices": [], "usage": usage(finish)}

    def whole(self, reasoning: str, text: str, finish: Finish) -> dict[str, Any]:
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
            "usage": usage(finish),
            "suiron": msgspec.to_builtins(finish),
        }
