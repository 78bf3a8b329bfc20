"""Builds the prompt of a chat request: from its messages to the token ids that the model continues."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.base.errors import UsageError
from core.engine.conversation import conversation_template
from core.engine.openai_api import ChatRequest
from core.engine.protocol import ChatQuestion
from core.runs.tuned_models import run_chat_date, run_template_folder
from core.splitter.splitter import Splitter
from core.templates.bind_chat_template import bind_chat_template
from core.templates.by_name import get_template, template_folders
from core.tokens.encode import encode_prompt

if TYPE_CHECKING:
    from core.models.loading import LoadedModel

_DEFAULT_TEMPLATE = ChatQuestion(instruction="").template


def chat_prompt(loaded: LoadedModel, request: ChatRequest, tuned: bool) -> tuple[list[int], Splitter]:
    """The token ids that the model continues, and a splitter that knows in which section the answer begins.

    The prompt is made with the template that the request names, else with the model's own chat template. A single user
    message goes into the reasoning template where the model has no chat template, or where an adapter answers
    (`tuned`), because Suiron trained it on its own templates. Raises UsageError where there is no such prompt.
    """
    extension, messages = request.suiron, request.messages
    lone = len(messages) == 1 and messages[0].role == "user"
    name, own = extension.template, conversation_template(loaded.tokenizer.where)
    if name is None and lone and (own is None or (tuned and loaded.adapter is not None)):
        name = _DEFAULT_TEMPLATE
    if name is not None and not lone:
        raise UsageError(
            f"the template {name} takes one user message",
            "messages",
            "Send exactly one, or remove suiron.template",
        )
    if name is not None:
        kept = () if loaded.adapter is None else (run_template_folder(loaded.adapter),)
        day = "" if loaded.adapter is None else run_chat_date(loaded.adapter)
        named = get_template(name, (*template_folders(extension.data), *kept))
        template = bind_chat_template(named, loaded.tokenizer, day)
        segments = template.prompt_segments(
            messages[0].text, extension.input, extension.drop_empty_input, extension.language
        )
        return encode_prompt(segments, loaded.tokenizer), Splitter(template.markers, template.start)
    if own is None:
        raise UsageError(
            "the model has no chat template of its own",
            "messages",
            "Send one user message, or name a template in suiron.template",
        )
    said = [{"role": message.role, "content": message.text} for message in messages]
    ids, markers, start = own.prompt(said, loaded.tokenizer)
    return ids, Splitter(markers, start)
