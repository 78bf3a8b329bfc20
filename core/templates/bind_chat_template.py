"""Binds a template to a model: finds the text that the model's own chat template adds around a row.

The chat template renders stand-ins for question, reasoning and answer; each must appear once and unchanged. The text
around them becomes the text of a `ChatTemplate`. Knows chat templates and tokenizers; knows nothing of encoding or
models.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import overload

import msgspec

from core.base.errors import UsageError
from core.splitter.splitter import THINK, Markers, StartSection
from core.templates.chat_template import ChatTemplate, ReasoningPlace
from core.templates.chat_template_source import ChatTemplateSource, read_chat_template
from core.templates.template import ChatTemplateSettings, Template
from core.tokens.tokenizer import TextTokenizer

# The names of a message's reasoning in chat templates; the first that a template mentions and writes is used.
_REASONING_FIELDS = ("reasoning_content", "thinking", "reasoning")
_QUESTION, _REASONING, _ANSWER = "qSuironAsk7f3q", "qSuironThought5c9q", "qSuironAnswer2e8q"
_OPEN, _CLOSE = "<think>", "</think>"


@overload
def bind_chat_template(template: ChatTemplateSettings | ChatTemplate, tokenizer: TextTokenizer) -> ChatTemplate: ...
@overload
def bind_chat_template(template: Template | ChatTemplate, tokenizer: TextTokenizer) -> Template | ChatTemplate: ...
def bind_chat_template(
    template: Template | ChatTemplateSettings | ChatTemplate, tokenizer: TextTokenizer
) -> Template | ChatTemplate:
    """The model's own chat template, from the tokenizer's folder, where `template` stands for one. A template of text,
    or one that is bound already, is returned unchanged.

    Raises UsageError where the model has no chat template, or it has no place for a row's texts; ModelError where it
    cannot be read.
    """
    if isinstance(template, ChatTemplateSettings):
        return bind_source(template, _read_source(tokenizer), tokenizer)
    if isinstance(template, ChatTemplate) or template.chat is None:
        return template
    bound = bind_source(template.chat, _read_source(tokenizer), tokenizer)
    return msgspec.structs.replace(
        bound, name=template.name, words=template.words, drop_empty_input=template.drop_empty_input
    )


def bind_source(settings: ChatTemplateSettings, source: ChatTemplateSource, tokenizer: TextTokenizer) -> ChatTemplate:
    """`bind_chat_template` for a chat template that has been read already."""
    ends = _TurnEnds(tokenizer)
    place = settings.reasoning
    bound: ChatTemplate | None = None
    if place in ("auto", "field"):
        bound = _with_field(source, ends)
    if bound is None and place in ("auto", "think"):
        bound = _with_think(source, ends, forced=place == "think")
    if bound is not None:
        return bound
    if place in ("field", "think"):
        raise UsageError(
            "the model's chat template has no place for the reasoning",
            source.where,
            "Choose `reasoning: think`, or a template such as alpaca-reasoning",
        )
    return _without_reasoning(source, ends, wanted=place == "auto")


def _read_source(tokenizer: TextTokenizer) -> ChatTemplateSource:
    source = read_chat_template(tokenizer.where)
    if source is None:
        raise UsageError(
            "the model has no chat template of its own",
            tokenizer.where,
            "Choose another template, such as alpaca-reasoning",
        )
    return source


class _Rendered(msgspec.Struct, frozen=True):
    """The texts that the chat template made of the stand-ins. Both contain the question once."""

    begin: str
    """The generation prompt."""
    full: str
    """The question and the complete answer."""

    @property
    def prefix_kept(self) -> bool:
        return self.full.startswith(self.begin)

    @property
    def after_answer(self) -> str:
        return self.full.partition(_ANSWER)[2]


def _render(
    source: ChatTemplateSource, answer: dict[str, str], stand_ins: tuple[str, ...], thinking: bool
) -> _Rendered | None:
    """None where the chat template drops, repeats, reorders or changes one of the stand-ins."""
    question = {"role": "user", "content": _QUESTION}
    options = {"enable_thinking": thinking, "thinking": thinking}  # chat templates use one of the two names
    begin = source.render([question], generate=True, **options)
    full = source.render([question, {"role": "assistant", **answer}], generate=False, **options)
    if begin.count(_QUESTION) != 1 or any(full.count(stand_in) != 1 for stand_in in stand_ins):
        return None
    offsets = [full.find(stand_in) for stand_in in stand_ins]
    return _Rendered(begin, full) if offsets == sorted(offsets) else None


def _render_plain(source: ChatTemplateSource, thinking: bool) -> _Rendered | None:
    """An answer without reasoning."""
    return _render(source, {"content": _ANSWER}, (_QUESTION, _ANSWER), thinking)


def _render_reasoning(source: ChatTemplateSource, answer: dict[str, str]) -> _Rendered | None:
    """An answer with a reasoning; a chat template may refuse such a message."""
    try:
        return _render(source, answer, (_QUESTION, _REASONING, _ANSWER), thinking=True)
    except UsageError:
        return None


def _with_field(source: ChatTemplateSource, ends: _TurnEnds) -> ChatTemplate | None:
    for field in _REASONING_FIELDS:
        if field not in source.template:
            continue
        rendered = _render_reasoning(source, {"content": _ANSWER, field: _REASONING})
        if rendered is None:
            continue
        bound = _around_reasoning(rendered, source, ends, "field")
        if bound is not None:
            return bound
    return None


def _with_think(source: ChatTemplateSource, ends: _TurnEnds, forced: bool) -> ChatTemplate | None:
    """forced: also for a model whose chat template does not mention `<think>`."""
    if not forced and _OPEN not in source.template and _CLOSE not in source.template:
        return None
    rendered = _render_reasoning(source, {"content": f"{_OPEN}\n{_REASONING}\n{_CLOSE}\n\n{_ANSWER}"})
    if rendered is not None and rendered.prefix_kept:
        bound = _around_reasoning(rendered, source, ends, "think")
        if bound is not None:
            return bound
    plain = _render_plain(source, thinking=True)
    if plain is None:
        return None
    opened = plain.begin.rstrip().endswith(_OPEN)
    before, _, after = plain.begin.partition(_QUESTION)
    return ChatTemplate(
        name="",
        before=before,
        after=after,
        opening="" if opened else f"{_OPEN}\n",
        closing=f"\n{_CLOSE}\n\n",
        tail=ends.cut(plain.after_answer),
        reasoning_place="think",
        markers=THINK,
        start="reasoning" if opened else "undecided",
        prefix_kept=True,
    )


def _around_reasoning(
    rendered: _Rendered, source: ChatTemplateSource, ends: _TurnEnds, reasoning_place: ReasoningPlace
) -> ChatTemplate | None:
    """The template from an answer with reasoning and response; None where there is no marker between them."""
    before_reasoning, _, rest = rendered.full.partition(_REASONING)
    closing = rest.partition(_ANSWER)[0]
    prefix_kept = rendered.prefix_kept
    if not prefix_kept and _OPEN in source.template:
        return None  # `<think>` in the text continues the generation prompt, which is better
    begin = rendered.begin if prefix_kept else before_reasoning
    opening = before_reasoning.removeprefix(begin)
    markers = next(_possible_markers(opening or begin, closing, source), None)
    if markers is None:
        return None
    before, _, after = begin.partition(_QUESTION)
    start: StartSection = "undecided" if opening.strip() else "reasoning"
    return ChatTemplate(
        name="",
        before=before,
        after=after,
        opening=opening,
        closing=closing,
        tail=ends.cut(rendered.after_answer),
        reasoning_place=reasoning_place,
        markers=markers,
        start=start,
        prefix_kept=prefix_kept,
    )


def _possible_markers(opening: str, closing: str, source: ChatTemplateSource) -> Iterator[Markers]:
    """Markers that can read such an answer, the most complete first: there, the text before an answer without reasoning
    is another spelling of the marker that closes the reasoning."""
    close_spelling = closing.strip()
    open_spelling = opening.strip().rpartition("\n")[2]
    if not close_spelling or "\n" in close_spelling:
        return
    if _CLOSE in close_spelling:
        open_spelling, close_spelling = _OPEN, _CLOSE
    plain = _render_plain(source, thinking=True)
    direct = ""
    if plain is not None and plain.prefix_kept:
        direct = plain.full.partition(_ANSWER)[0].removeprefix(plain.begin).strip()
    for opens in ((open_spelling,), ()):
        for closes in ((close_spelling, direct), (close_spelling,)):
            reasoning, response = tuple(filter(None, opens)), tuple(dict.fromkeys(filter(None, closes)))
            try:
                yield Markers(reasoning, response, line_start=False)
            except UsageError:
                continue  # these cannot be distinguished in a stream


def _without_reasoning(source: ChatTemplateSource, ends: _TurnEnds, *, wanted: bool) -> ChatTemplate:
    """wanted: whether the reasoning would be written if there were a place for it."""
    rendered = _render_plain(source, thinking=False)
    if rendered is None:
        raise UsageError(
            "the model's chat template drops or changes a row's texts",
            source.where,
            "Choose a template of text, such as alpaca-reasoning",
        )
    begin, prefix_kept = rendered.begin, True
    turn = rendered.full.partition(_ANSWER)[0]
    if begin.rstrip().endswith(_OPEN):  # a prompt that opens the reasoning cannot ask for an answer without one
        begin, prefix_kept = (turn, False) if not turn.rstrip().endswith(_OPEN) else (f"{begin}\n{_CLOSE}\n\n", True)
    opening = turn.removeprefix(begin) if turn.startswith(begin) else ""
    before, _, after = begin.partition(_QUESTION)
    direct = opening.strip()
    if not direct or "\n" in direct or _OPEN in direct or _CLOSE in direct:
        markers = THINK
    else:
        markers = Markers((), (direct,), line_start=False)
    return ChatTemplate(
        name="",
        before=before,
        after=after,
        opening=opening,
        closing="",
        tail=ends.cut(rendered.after_answer),
        reasoning_place="none",
        markers=markers,
        start="undecided" if direct else "response",
        prefix_kept=prefix_kept,
        leaves_out_reasoning=wanted,
    )


class _TurnEnds:
    """The tokens that end a model's turn."""

    def __init__(self, tokenizer: TextTokenizer) -> None:
        added = tokenizer.raw.get_added_tokens_decoder()
        self._eos = tokenizer.eos
        self._stops = {token.content for id, token in added.items() if id in tokenizer.stop_ids}
        self._special = {token.content for token in added.values() if token.special}

    def cut(self, text: str) -> str:
        """The part of `text`, which a chat template writes after the answer, that belongs before the end of sequence.

        The end of sequence and the text after it are removed. Another token that ends the model's answers is kept. A
        special token that does not is removed with all text after it, because the model would write it and not stop
        there. White space at the end is removed too.
        """
        tokens = {self._eos, *self._stops, *self._special}
        occurrences = [(offset, -len(token), token) for token in tokens if (offset := text.find(token)) >= 0]
        if not occurrences:
            return text.rstrip()
        offset, _, token = min(occurrences)
        if token in self._stops and token != self._eos:
            return text[: offset + len(token)]
        return text[:offset]
