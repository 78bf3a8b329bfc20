"""Messages of a chat request, and the form in which chat templates take them."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from core.base import chat_history


class TextContentPart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A part of a message's content; only text is supported."""

    type: Literal["text"]
    """The kind of part."""
    text: str
    """The text."""


class FunctionCall(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A function that an assistant called."""

    name: str
    """The function."""
    arguments: str | dict[str, Any] = "{}"
    """Its arguments: JSON text, as in OpenAI's API, or an object."""


class ToolCall(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A call in an assistant's message."""

    function: FunctionCall
    """The function and its arguments."""
    id: str = ""
    """The id to which a tool's message answers."""
    type: Literal["function"] = "function"
    """The kind of call."""
    index: int | None = None
    """The place in the list, which streamed answers have; changes nothing."""

    def row_form(self) -> chat_history.Message:
        """The call as chat templates take it: its arguments as an object where they are the JSON text of one."""
        arguments = self.function.arguments
        if isinstance(arguments, str):
            try:
                arguments = msgspec.json.decode(arguments, type=dict[str, Any])
            except msgspec.DecodeError:  # the model wrote no JSON; the template gets its words
                arguments = self.function.arguments
        call = {"type": self.type, "function": {"name": self.function.name, "arguments": arguments}}
        return {"id": self.id, **call} if self.id else call


class Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A message of a conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    """The author's role."""
    content: str | list[TextContentPart] | None = None
    """The text, or parts of it; only an assistant's message that has something else may be without."""
    reasoning_content: str | None = None
    """An assistant's reasoning."""
    reasoning: str | None = None
    """Another name of `reasoning_content`."""
    tool_calls: list[ToolCall] | None = None
    """An assistant's calls of tools."""
    tool_call_id: str | None = None
    """The call that a tool's message answers."""
    name: str | None = None
    """The author's name, or the tool's; templates may write it."""
    refusal: None = None
    """OpenAI's clients send it as null with an assistant's message."""
    annotations: list[Any] | None = None
    """OpenAI's clients send it as an empty list with an assistant's message."""

    def __post_init__(self) -> None:
        bare = self.role == "assistant" and (self.tool_calls or self.thought)
        if self.content is None and not bare:
            raise ValueError("`content` is missing")
        if self.role != "assistant" and (self.tool_calls or self.thought):
            raise ValueError("only an assistant's message has `reasoning_content` or `tool_calls`")
        if self.annotations:
            raise ValueError("`annotations` are not supported: leave them out")

    @property
    def text(self) -> str:
        """The content as one text."""
        if isinstance(self.content, list):
            return "".join(part.text for part in self.content)
        return self.content or ""

    @property
    def thought(self) -> str:
        """The reasoning; empty for none."""
        return self.reasoning_content or self.reasoning or ""

    def row_form(self) -> chat_history.Message:
        """The message as chat templates take it (see `core.base.chat_history`)."""
        message: chat_history.Message = {"role": self.role, "content": self.text}
        if self.thought:
            message["reasoning_content"] = self.thought
        if self.tool_calls:
            message["tool_calls"] = [call.row_form() for call in self.tool_calls]
        if self.tool_call_id is not None:
            message["tool_call_id"] = self.tool_call_id
        if self.name is not None:
            message["name"] = self.name
        return message
