"""Renders a conversation with the model's own chat template, and finds the markers of its answers.

`core.templates.chat_template_source` renders it, like the rows in training. Knows conversations; knows nothing of
decoding.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from core.base.errors import UsageError
from core.splitter.splitter import THINK, Markers, StartSection
from core.templates.bind_chat_template import bind_source
from core.templates.chat_template_source import ChatTemplateSource, read_chat_template
from core.templates.template import ChatTemplateSettings
from core.tokens.special_tokens import PartText
from core.tokens.tokenizer import TextTokenizer

_STAND_IN = "qSuironSaid{}x5b1q"
_ANY_STAND_IN = re.compile(r"qSuironSaid(\d+)x5b1q")


class ConversationTemplate:
    """A model's chat template for complete conversations. Messages are objects with `role` and `content`."""

    def __init__(self, source: ChatTemplateSource) -> None:
        self._source = source

    def render(self, messages: Sequence[dict[str, str]]) -> str:
        """The conversation up to where the assistant begins to write. Raises UsageError with the chat template's own
        message where it refuses the conversation."""
        return self._source.render(messages, generate=True)

    def parts(self, messages: Sequence[dict[str, str]]) -> list[PartText]:
        """`render` in parts, with the messages as plain text: a special token that a message spells stays letters.

        Where the chat template changes a message in other ways than trimming (it removes an earlier reasoning), its
        text cannot be distinguished from the template's. Then a special token that a message spells becomes that token,
        as in other servers of this API.
        """
        rendered = self.render(messages)
        contents = [message["content"] for message in messages]
        if any(_ANY_STAND_IN.search(content) for content in contents):
            return [(rendered, True)]
        outline = self.render(
            [dict(message, content=_STAND_IN.format(index)) for index, message in enumerate(messages)]
        )
        pieces = _ANY_STAND_IN.split(outline)  # texts of the template, with the numbers of messages between them
        template_texts = pieces[::2]
        numbers = [int(number) for number in pieces[1::2]]
        if any(number >= len(contents) for number in numbers):
            return [(rendered, True)]
        for texts in (contents, [content.strip() for content in contents]):
            parts: list[PartText] = [(template_texts[0], True)]
            for number, after in zip(numbers, template_texts[1:], strict=True):
                parts += [(texts[number], False), (after, True)]
            if "".join(text for text, _ in parts) == rendered:
                return parts
        return [(rendered, True)]

    def prompt(
        self, messages: Sequence[dict[str, str]], tokenizer: TextTokenizer
    ) -> tuple[list[int], Markers, StartSection]:
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
