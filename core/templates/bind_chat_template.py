"""Binds a template to a model: finds the text that the model's own chat template adds around a row.

The chat template renders stand-ins for question, reasoning and answer; each must appear once and unchanged. The text
around them becomes the text of a `ChatTemplate`. `answer_forms` knows the ways to give a chat template a reasoning.
Knows chat templates and tokenizers; knows nothing of encoding or models.
"""

from __future__ import annotations

from typing import overload

import msgspec

from core.base.errors import UsageError
from core.templates.answer_forms import (
    QUESTION,
    BoundTexts,
    ChatRenderer,
    texts_with_reasoning,
    texts_without_reasoning,
)
from core.templates.chat_template import ChatTemplate
from core.templates.chat_template_source import ChatTemplateSource, needs_tools, read_chat_template, today
from core.templates.context_prompt import ContextPrompts, PromptWay
from core.templates.template import ChatTemplateSettings, Template
from core.templates.thinking_switches import plain_switches, switch_words
from core.templates.turn_ends import TurnEnds
from core.tokens.tokenizer import TextTokenizer


@overload
def bind_chat_template(
    template: ChatTemplateSettings | ChatTemplate, tokenizer: TextTokenizer, day: str = ""
) -> ChatTemplate: ...
@overload
def bind_chat_template(
    template: Template | ChatTemplate, tokenizer: TextTokenizer, day: str = ""
) -> Template | ChatTemplate: ...
def bind_chat_template(
    template: Template | ChatTemplateSettings | ChatTemplate, tokenizer: TextTokenizer, day: str = ""
) -> Template | ChatTemplate:
    """The model's own chat template, from the tokenizer's folder, where `template` stands for one. A template of text,
    or one that is bound already, is returned unchanged. day: the date that the chat template writes as today's, as
    `2026-11-28`; empty for the present day.

    Raises UsageError where the model has no chat template, or it has no place for a row's texts; ModelError where it
    cannot be read.
    """
    if isinstance(template, ChatTemplateSettings):
        return bind_source(template, _read_source(tokenizer, day), tokenizer)
    if isinstance(template, ChatTemplate) or template.chat is None:
        return template
    bound = bind_source(template.chat, _read_source(tokenizer, day), tokenizer)
    return msgspec.structs.replace(
        bound, name=template.name, words=template.words, drop_empty_input=template.drop_empty_input
    )


def bind_source(settings: ChatTemplateSettings, source: ChatTemplateSource, tokenizer: TextTokenizer) -> ChatTemplate:
    """`bind_chat_template` for a chat template that has been read already."""
    source.variables()  # raises where the program cannot be read
    renderer = ChatRenderer(source, TurnEnds(tokenizer))
    place = settings.reasoning
    try:
        texts = texts_with_reasoning(renderer, place) if place != "none" else None
        if texts is None and place in ("field", "think"):
            raise UsageError(
                "the model's chat template has no place for the reasoning",
                source.where,
                "Choose `reasoning: think`, or a template such as alpaca-reasoning",
            )
        leaves_out = texts is None and place == "auto"
        texts = texts or _without_reasoning(renderer)
    except UsageError as error:
        if needs_tools(source):
            what = "the model's chat template works only for conversations with tools"
            raise UsageError(what, source.where, "Choose a template of text, such as alpaca-reasoning") from error
        raise
    special = {token.content for token in tokenizer.raw.get_added_tokens_decoder().values() if token.content.strip()}
    before, _, after = texts.prompt.partition(QUESTION)
    return ChatTemplate(
        name="",
        before=before,
        after=after,
        opening=texts.opening,
        closing=texts.closing,
        tail=texts.tail,
        reasoning_place=texts.place,
        markers=texts.markers,
        start=texts.start,
        prefix_kept=texts.way.answer is None and not texts.way.suffix,
        leaves_out_reasoning=leaves_out,
        question_trim=texts.question_trim,
        reasoning_trim=texts.reasoning_trim,
        answer_trim=texts.answer_trim,
        switches=switch_words(texts.way.switches, source.variables()),
        day=source.day if source.writes_date else "",
        rewrites_question=renderer.rewrites(texts.way.switches),
        context=ContextPrompts(source, texts.way, special),
    )


def _without_reasoning(renderer: ChatRenderer) -> BoundTexts:
    """The texts of plain rows, with the first switches under which the generation prompt opens no thought. Raises
    UsageError where the chat template does not take them."""
    source = renderer.source
    found: list[BoundTexts] = []
    refusal: UsageError | None = None
    for switches in plain_switches(source.variables(), source.template):
        try:
            texts = texts_without_reasoning(renderer, switches)
        except UsageError as error:
            refusal = refusal or error
            continue
        if texts is not None and texts.way == PromptWay(switches):
            return texts
        found += [] if texts is None else [texts]
    if found:
        return found[0]
    raise refusal or UsageError(
        "the model's chat template drops or changes a row's texts",
        source.where,
        "Choose a template of text, such as alpaca-reasoning",
    )


def _read_source(tokenizer: TextTokenizer, day: str) -> ChatTemplateSource:
    source = read_chat_template(tokenizer.where, day or today())
    if source is None:
        raise UsageError(
            "the model has no chat template of its own",
            tokenizer.where,
            "Choose another template, such as alpaca-reasoning",
        )
    return source
