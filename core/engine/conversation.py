"""A conversation in the model's own chat format, and how an answer to it is read.

The rendering is `core.templates.chat_template_source`'s, the same that rows are trained in. Knows conversations; knows
nothing of decoding.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from core.base.errors import UsageError
from core.splitter.splitter import THINK, Markers, Start
from core.templates.bind_chat_template import bind_source
from core.templates.chat_template_source import ChatSource, read_chat
from core.templates.template import ChatForm
from core.tokens.special_tokens import Run
from core.tokens.tokenizer import TextTokenizer

_STAND_IN = "qSuironSaid{}x5b1q"
_ANY_STAND_IN = re.compile(r"qSuironSaid(\d+)x5b1q")


class ChatFormat:
    """A model's chat template for whole conversations. Messages are objects with `role` and `content`."""

    def __init__(self, source: ChatSource) -> None:
        self._source = source

    def render(self, messages: Sequence[dict[str, str]]) -> str:
        """The conversation up to where the assistant begins to write. Raises UsageError with the template's own words
        where it refuses one."""
        return self._source.render(messages, generate=True)

    def runs(self, messages: Sequence[dict[str, str]]) -> list[Run]:
        """`render`, with what the messages say as text: a special token that one of them spells stays letters.

        Where the template does more to a message than to trim it (it takes an earlier reasoning out), what is whose
        cannot be told, and then a message that spells a special token is that token, as in other servers of this API.
        """
        whole = self.render(messages)
        contents = [message["content"] for message in messages]
        if any(_ANY_STAND_IN.search(content) for content in contents):
            return [(whole, True)]
        shape = self.render([dict(message, content=_STAND_IN.format(place)) for place, message in enumerate(messages)])
        for said in (contents, [content.strip() for content in contents]):
            parts = _ANY_STAND_IN.split(shape)  # what the template wrote, and between it the numbers of messages
            if any(int(part) >= len(said) for part in parts[1::2]):
                break
            runs = [(said[int(part)], False) if odd % 2 else (part, True) for odd, part in enumerate(parts)]
            if "".join(text for text, _ in runs) == whole:
                return runs
        return [(whole, True)]

    def prompt(self, messages: Sequence[dict[str, str]], tokenizer: TextTokenizer) -> tuple[list[int], Markers, Start]:
        """The ids to go on from, which hold the beginning of sequence where the template writes it, and how to split
        the answer."""
        runs, markers = self.runs(messages), self.markers(tokenizer)
        [encoded] = tokenizer.encode_parts([runs])
        end = "".join(text for text, _ in runs).rstrip()
        return encoded.ids, markers, "reasoning" if end.endswith(markers.reasoning or ("\n",)) else "undecided"

    def markers(self, tokenizer: TextTokenizer) -> Markers:
        """What the model's template puts around a reasoning; `<think>` where it knows none, since models write that all
        the same."""
        try:
            return bind_source(ChatForm("auto"), self._source, tokenizer).markers
        except UsageError:  # it takes conversations, but no row
            return THINK


@lru_cache(maxsize=2)
def chat_format(folder: str) -> ChatFormat | None:
    """The chat format of the model in `folder`, or None where it has none. Raises ModelError where a file of it cannot
    be read."""
    source = read_chat(folder)
    return None if source is None else ChatFormat(source)
