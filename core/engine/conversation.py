"""A conversation in the model's own chat template, and how an answer to it is read.

`core.templates.chat_template_source` renders it, as it does for the rows in training. Knows conversations; knows
nothing of decoding.
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
    """A model's chat template for whole conversations. Messages are objects with `role` and `content`."""

    def __init__(self, source: ChatTemplateSource) -> None:
        self._source = source

    def render(self, messages: Sequence[dict[str, str]]) -> str:
        """The conversation up to where the assistant begins to write. Raises UsageError with the chat template's own
        words where it refuses one."""
        return self._source.render(messages, generate=True)

    def parts(self, messages: Sequence[dict[str, str]]) -> list[PartText]:
        """`render` in parts, with what the messages say as text: a special token that one of them spells stays letters.

        Where the chat template does more to a message than trim it (it removes an earlier reasoning), nobody can tell
        who wrote what, and then a message that spells a special token is that token, as in other servers of this API.
        """
        whole = self.render(messages)
        contents = [message["content"] for message in messages]
        if any(_ANY_STAND_IN.search(content) for content in contents):
            return [(whole, True)]
        outline = self.render(
            [dict(message, content=_STAND_IN.format(index)) for index, message in enumerate(messages)]
        )
        pieces = _ANY_STAND_IN.split(outline)  # what the template wrote, and between it the numbers of messages
        written, numbers = pieces[::2], [int(number) for number in pieces[1::2]]
        if any(number >= len(contents) for number in numbers):
            return [(whole, True)]
        for texts in (contents, [content.strip() for content in contents]):
            parts: list[PartText] = [(written[0], True)]
            for number, after in zip(numbers, written[1:], strict=True):
                parts += [(texts[number], False), (after, True)]
            if "".join(text for text, _ in parts) == whole:
                return parts
        return [(whole, True)]

    def prompt(
        self, messages: Sequence[dict[str, str]], tokenizer: TextTokenizer
    ) -> tuple[list[int], Markers, StartSection]:
        """The ids to continue, with the beginning of sequence where the chat template writes it, and how to split the
        answer."""
        parts, markers = self.parts(messages), self.markers(tokenizer)
        [encoded] = tokenizer.encode_parts([parts])
        end = "".join(text for text, _ in parts).rstrip()
        return encoded.ids, markers, "reasoning" if end.endswith(markers.reasoning or ("\n",)) else "undecided"

    def markers(self, tokenizer: TextTokenizer) -> Markers:
        """What the chat template puts around a reasoning; `<think>` where it has no reasoning, because models write
        that all the same."""
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
