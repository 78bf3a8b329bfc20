"""Renders a conversation with the model's own chat template, and finds the markers of its answers.

`core.templates` renders it, like the rows in training. Knows conversations; knows nothing of decoding.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from core.base.chat_history import Message
from core.base.errors import UsageError
from core.splitter.splitter import THINK, Markers, StartSection
from core.templates.bind_chat_template import bind_source
from core.templates.chat_template_source import ChatTemplateSource, read_chat_template
from core.templates.message_outline import MessageRenderer
from core.templates.template import ChatTemplateSettings
from core.tokens.special_tokens import PartText
from core.tokens.tokenizer import TextTokenizer


class ConversationTemplate:
    """A model's chat template for complete conversations. Messages are objects with `role` and `content`."""

    def __init__(self, source: ChatTemplateSource) -> None:
        self._source = source
        self._renderer = MessageRenderer(self._render, special=())

    def _render(self, messages: Sequence[Message], tools: Sequence[Any] | None) -> str:
        return self._source.render(messages, generate=True, tools=tools)

    def render(self, messages: Sequence[Message]) -> str:
        """The conversation up to where the assistant begins to write. Raises UsageError with the chat template's own
        message where it refuses the conversation."""
        return self._render(messages, None)

    def parts(self, messages: Sequence[Message]) -> list[PartText]:
        """`render` in parts, with the messages as plain text: a special token that a message spells stays letters.

        Where the chat template changes a message in other ways than trimming or quoting it (it removes an earlier
        reasoning), its text cannot be distinguished from the template's. Then a special token that a message spells
        becomes that token, as in other servers of this API.
        """
        return list(self._renderer.rendered(messages).parts)

    def prompt(self, messages: Sequence[Message], tokenizer: TextTokenizer) -> tuple[list[int], Markers, StartSection]:
        """The ids of the prompt (with the beginning of sequence where the chat template writes it), and the markers and
        first section of the answer."""
        parts, markers = self.parts(messages), self.markers(tokenizer)
        [encoded] = tokenizer.encode_parts([parts])
        end = "".join(text for text, _ in parts).rstrip()
        return encoded.ids, markers, "reasoning" if end.endswith(markers.reasoning or ("\n",)) else "undecided"

    def markers(self, tokenizer: TextTokenizer) -> Markers:
        """The markers of the chat template around a reasoning; `<think>` where it has no reasoning, because models may
        write that anyway."""
        try:
            return bind_source(ChatTemplateSettings("auto"), self._source, tokenizer).markers
        except UsageError:  # it takes conversations, but no row
            return THINK


@lru_cache(maxsize=2)
def conversation_template(folder: str) -> ConversationTemplate | None:
    """The chat template of the model in `folder`, or None where it has none. Raises ModelError where one of its files
    cannot be read."""
    source = read_chat_template(folder)
    return None if source is None else ConversationTemplate(source)
