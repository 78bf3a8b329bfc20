"""Renders a conversation with the model's own chat template, and finds the markers of its answers.

`core.templates` renders it, like the rows in training. Knows conversations; knows nothing of decoding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from core.base.chat_history import Message
from core.base.errors import UsageError
from core.splitter.splitter import THINK, Markers, Splitter, StartSection
from core.templates.bind_chat_template import bind_source
from core.templates.chat_template_source import ChatTemplateSource, read_chat_template
from core.templates.message_outline import MessageRenderer
from core.templates.template import ChatTemplateSettings
from core.tokens.special_tokens import PartText
from core.tokens.tokenizer import TextTokenizer

THINK_CLOSING = "\n</think>\n\n"
"""Closes a reasoning where the chat template says nothing of one."""


class ConversationPrompt(NamedTuple):
    """A conversation as the model is asked."""

    ids: list[int]
    """The ids that the model continues, with the beginning of sequence where the chat template writes it."""
    markers: Markers
    """The markers around the reasoning of the answer."""
    start: StartSection
    """The section in which the answer begins."""
    closing: str
    """The chat template's text between reasoning and response."""


class ConversationTemplate:
    """A model's chat template for complete conversations. Messages are objects as in `core.base.chat_history`."""

    def __init__(self, source: ChatTemplateSource) -> None:
        self._source = source
        self._asking = MessageRenderer(self._renderer(True), special=())
        self._whole = MessageRenderer(self._renderer(False), special=())

    def _renderer(self, generate: bool) -> Callable[[Sequence[Message], Sequence[Any] | None], str]:
        def render(messages: Sequence[Message], tools: Sequence[Any] | None) -> str:
            return self._source.render(messages, generate=generate, tools=tools)

        return render

    def render(self, messages: Sequence[Message]) -> str:
        """The conversation up to where the assistant begins to write. Raises UsageError with the chat template's own
        message where it refuses the conversation."""
        return self._renderer(True)(messages, None)

    def parts(
        self, messages: Sequence[Message], tools: Sequence[Any] | None = None, *, generate: bool = True
    ) -> list[PartText]:
        """`render` in parts, with the messages as plain text: a special token that a message spells stays letters.
        generate: whether the assistant is let begin.

        Where the chat template changes a message in other ways than trimming or quoting it (it removes an earlier
        reasoning), its text cannot be distinguished from the template's. Then a special token that a message spells
        becomes that token, as in other servers of this API.
        """
        return list((self._asking if generate else self._whole).rendered(messages, tools).parts)

    def continued_parts(self, messages: Sequence[Message], tools: Sequence[Any] | None = None) -> list[PartText]:
        """The conversation up to the end of its last message's text, which the answer continues: its content, or its
        reasoning where it has no content. Raises UsageError where the chat template does not write that text."""
        parts = self.parts(messages, tools, generate=False)
        last = messages[-1]
        text = last["content"] or last.get("reasoning_content", "")
        whole = "".join(part for part, _ in parts)
        for spelt in (text, text.strip()):
            end = whole.rfind(spelt) + len(spelt)
            if spelt and end >= len(spelt):
                return _up_to(parts, end)
        raise UsageError(
            "the model's chat template does not write the text of the last message, so it cannot be continued",
            self._source.where,
            "Send text that does not begin or end in a way that it removes, or use /v1/completions",
        )

    def prompt(
        self,
        messages: Sequence[Message],
        tokenizer: TextTokenizer,
        tools: Sequence[Any] | None = None,
        *,
        generate: bool = True,
        continues: bool = False,
    ) -> ConversationPrompt:
        """The prompt of a conversation. generate: whether the assistant is let begin a turn. continues: the answer goes
        on with the last message instead."""
        markers, closing = self._marks(tokenizer)
        if tools and not self._source.tool_template and "tools" not in self._source.variables():
            raise UsageError("the model's chat template does not write tools", self._source.where, "Send no tools")
        if continues:
            parts, start = self.continued_parts(messages, tools), _section_of(messages[-1], markers)
        else:
            parts = self.parts(messages, tools, generate=generate)
            end = "".join(text for text, _ in parts).rstrip()
            start = "reasoning" if end.endswith(markers.reasoning or ("\n",)) else "undecided"
        [encoded] = tokenizer.encode_parts([parts])
        return ConversationPrompt(encoded.ids, markers, start, closing)

    def markers(self, tokenizer: TextTokenizer) -> Markers:
        """The markers of the chat template around a reasoning; `<think>` where it has no reasoning, because models may
        write that anyway."""
        return self._marks(tokenizer)[0]

    def _marks(self, tokenizer: TextTokenizer) -> tuple[Markers, str]:
        """The markers, and the text between reasoning and response."""
        try:
            bound = bind_source(ChatTemplateSettings("auto"), self._source, tokenizer)
        except UsageError:  # it takes conversations, but no row
            return THINK, THINK_CLOSING
        return bound.markers, bound.closing if bound.has_reasoning else THINK_CLOSING


def _up_to(parts: Sequence[PartText], end: int) -> list[PartText]:
    """The first `end` characters of the parts."""
    kept: list[PartText] = []
    for text, special in parts:
        if end <= 0:
            break
        kept.append((text[:end], special))
        end -= len(text)
    return kept


def _section_of(message: Message, markers: Markers) -> StartSection:
    """The section in which a message that goes on ends."""
    if not message["content"]:
        return "reasoning"
    splitter = Splitter(markers, "undecided")
    splitter.feed(message["content"])
    return splitter.section


@lru_cache(maxsize=2)
def conversation_template(folder: str) -> ConversationTemplate | None:
    """The chat template of the model in `folder`, or None where it has none. Raises ModelError where one of its files
    cannot be read."""
    source = read_chat_template(folder)
    return None if source is None else ConversationTemplate(source)
