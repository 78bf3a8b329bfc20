"""Builds the prompt of a chat request: from its messages to the token ids that the model continues."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from core.base.errors import UsageError
from core.engine.conversation import conversation_template
from core.engine.openai_api import ChatRequest
from core.engine.protocol import ChatQuestion
from core.runs.tuned_models import run_chat_date, run_template_folder
from core.splitter.splitter import Markers, Splitter, StartSection
from core.templates.bind_chat_template import bind_chat_template
from core.templates.by_name import get_template, template_folders
from core.templates.chat_template import ChatTemplate
from core.tokens.encode import encode_prompt
from core.tokens.tokenizer import TextTokenizer

if TYPE_CHECKING:
    from core.models.loading import LoadedModel

_DEFAULT_TEMPLATE = ChatQuestion(instruction="").template


class ChatPrompt(NamedTuple):
    """What a chat request asks."""

    ids: list[int]
    """The token ids that the model continues."""
    markers: Markers
    """What separates the sections of the answer."""
    start: StartSection
    """The section in which it begins."""
    closing: tuple[int, ...]
    """The ids with which the template closes a reasoning before the response; empty where it has no reasoning."""

    def splitter(self) -> Splitter:
        """A splitter for one answer."""
        return Splitter(self.markers, self.start)


def chat_prompt(loaded: LoadedModel, request: ChatRequest, tuned: bool) -> ChatPrompt:
    """The prompt of a chat request.

    The prompt is made with the template that the request names, else with the model's own chat template. A single user
    message goes into the reasoning template where the model has no chat template, or where an adapter answers
    (`tuned`), because Suiron trained it on its own templates. Raises UsageError where there is no such prompt.
    """
    extension, messages = request.suiron, request.messages
    turns_only = request.template_tools is None and request.add_generation_prompt is not False
    lone = len(messages) == 1 and messages[0].role == "user" and turns_only
    name, own = extension.template, conversation_template(loaded.tokenizer.where)
    if name is None and lone and (own is None or (tuned and loaded.adapter is not None)):
        name = _DEFAULT_TEMPLATE
    if name is not None and not lone:
        raise UsageError(
            f"the template {name} takes one user message",
            "messages",
            "Send exactly one and no tools, or remove suiron.template",
        )
    if name is not None:
        kept = () if loaded.adapter is None else (run_template_folder(loaded.adapter),)
        day = "" if loaded.adapter is None else run_chat_date(loaded.adapter)
        named = get_template(name, (*template_folders(extension.data), *kept))
        template = bind_chat_template(named, loaded.tokenizer, day)
        segments = template.prompt_segments(
            messages[0].text, extension.input, extension.drop_empty_input, extension.language
        )
        if isinstance(template, ChatTemplate):
            closing = _closing_ids(template.closing, loaded.tokenizer) if template.has_reasoning else ()
        else:
            closing = _closing_ids(template.version(extension.language).response_marker, loaded.tokenizer)
        ids = encode_prompt(segments, loaded.tokenizer)
        return ChatPrompt(ids, template.markers, template.start, closing)
    if own is None:
        raise UsageError(
            "the model has no chat template of its own",
            "messages",
            "Send one user message, or name a template in suiron.template",
        )
    prompt = own.prompt(
        [message.row_form() for message in messages],
        loaded.tokenizer,
        request.template_tools,
        generate=request.add_generation_prompt is not False,
        continues=request.continue_final_message,
    )
    closing = _closing_ids(prompt.closing, loaded.tokenizer)
    return ChatPrompt(prompt.ids, prompt.markers, prompt.start, closing)


def _closing_ids(text: str, tokenizer: TextTokenizer) -> tuple[int, ...]:
    [encoded] = tokenizer.encode_parts([[(text, True)]])
    return tuple(encoded.ids)
