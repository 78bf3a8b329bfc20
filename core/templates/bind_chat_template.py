"""Binds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import overload

import msgspec

from core.base.errors import UsageError
from core.splitter.splitter import THINK, Markers, Start
from core.templates.chat_template import ChatTemplate, Way
from core.templates.chat_template_source import ChatSource, read_chat
from core.templates.template import ChatForm, Template
from core.tokens.tokenizer import TextTokenizer

FIELDS = ("reasoning_content", "thinking", "reasoning")
_ASK, _THOUGHT, _ANSWER = "qSuironAsk7f3q", "qSuironThought5c9q", "qSuironAnswer2e8q"
_OPEN, _CLOSE = "<think>", "</think>"


@overload
def bind(template: ChatForm | ChatTemplate, tokenizer: TextTokenizer) -> ChatTemplate: ...
@overload
def bind(template: Template | ChatTemplate, tokenizer: TextTokenizer) -> Template | ChatTemplate: ...
def bind(template: Template | ChatForm | ChatTemplate, tokenizer: TextTokenizer) -> Template | ChatTemplate:
    """The chat form of `template` with the chat template in the tokenizer's folder; a template of text, or one that is
    bound, stays as it is.

    Raises UsageError where the model has no chat template, or it has no place for what a row says; ModelError where it
    cannot be read.
    """
    if isinstance(template, ChatForm):
        return bind_source(template, _source(tokenizer), tokenizer)
    if isinstance(template, ChatTemplate) or template.chat is None:
        return template
    bound = bind_source(template.chat, _source(tokenizer), tokenizer)
    return msgspec.structs.replace(
        bound, name=template.name, words=template.words, drop_empty_input=template.drop_empty_input
    )


def bind_source(form: ChatForm, source: ChatSource, tokenizer: TextTokenizer) -> ChatTemplate:
    """`bind` for a chat template that was read already."""
    ends = _Ends(tokenizer)
    for way in {"auto": ("field", "think", "none"), "field": ("field",), "think": ("think",), "none": ("none",)}[
        form.reasoning
    ]:
        found = (
            _with_field(source, ends)
            if way == "field"
            else _with_think(source, ends, form.reasoning == "think")
            if way == "think"
            else None
        )
        if found is not None:
            return found
    if form.reasoning not in ("auto", "none"):
        raise UsageError(
            "the model's chat template has no place for the reasoning",
            source.where,
            "Choose `reasoning: think`, or a template such as alpaca-reasoning",
        )
    return _without(source, ends, wanted=form.reasoning == "auto")


def _source(tokenizer: TextTokenizer) -> ChatSource:
    source = read_chat(tokenizer.where)
    if source is None:
        raise UsageError(
            "the model has no chat template of its own",
            tokenizer.where,
            "Choose another template, such as alpaca-reasoning",
        )
    return source


class _Rendered(msgspec.Struct, frozen=True):
    """What the template wrote around the stand-ins. begin: its generation prompt; it and `full`, the whole turn, hold
    the question once."""

    begin: str
    full: str

    @property
    def prefix_kept(self) -> bool:
        return self.full.startswith(self.begin)

    @property
    def after_answer(self) -> str:
        return self.full.partition(_ANSWER)[2]


def _render(source: ChatSource, answer: dict[str, str], wanted: tuple[str, ...], thinking: bool) -> _Rendered | None:
    """None where the template drops, repeats, reorders or changes one of the stand-ins in `wanted`."""
    ask = {"role": "user", "content": _ASK}
    how = {"enable_thinking": thinking, "thinking": thinking}  # the two names by which templates let one choose
    begin = source.render([ask], generate=True, **how)
    full = source.render([ask, {"role": "assistant", **answer}], generate=False, **how)
    places = [full.find(word) for word in wanted]
    once = all(full.count(word) == 1 for word in wanted) and begin.count(_ASK) == 1
    return _Rendered(begin, full) if once and places == sorted(places) else None


def _try(source: ChatSource, answer: dict[str, str]) -> _Rendered | None:
    """With a reasoning; a template may refuse such a message."""
    try:
        return _render(source, answer, (_ASK, _THOUGHT, _ANSWER), thinking=True)
    except UsageError:
        return None


def _with_field(source: ChatSource, ends: _Ends) -> ChatTemplate | None:
    for field in FIELDS:
        if field not in source.template:
            continue
        rendered = _try(source, {"content": _ANSWER, field: _THOUGHT})
        if rendered is not None and (made := _around_reasoning(rendered, source, ends, "field")) is not None:
            return made
    return None


def _with_think(source: ChatSource, ends: _Ends, forced: bool) -> ChatTemplate | None:
    """`forced`: also for a model whose template knows no `<think>`."""
    if not forced and _OPEN not in source.template and _CLOSE not in source.template:
        return None
    text = f"{_OPEN}\n{_THOUGHT}\n{_CLOSE}\n\n{_ANSWER}"
    rendered = _try(source, {"content": text})
    if (
        rendered is not None
        and rendered.prefix_kept
        and (made := _around_reasoning(rendered, source, ends, "think")) is not None
    ):
        return made
    plain = _render(source, {"content": _ANSWER}, (_ASK, _ANSWER), thinking=True)
    if plain is None:
        return None
    opened = plain.begin.rstrip().endswith(_OPEN)
    before, _, after = plain.begin.partition(_ASK)
    return ChatTemplate(
        name="",
        before=before,
        after=after,
        opening="" if opened else f"{_OPEN}\n",
        closing=f"\n{_CLOSE}\n\n",
        tail=ends.cut(plain.after_answer),
        way="think",
        markers=THINK,
        start="reasoning" if opened else "undecided",
        prefix_kept=True,
    )


def _around_reasoning(rendered: _Rendered, source: ChatSource, ends: _Ends, way: Way) -> ChatTemplate | None:
    """From a turn that holds both; None where nothing that a splitter could find stands between them."""
    before_thought, _, rest = rendered.full.partition(_THOUGHT)
    closing = rest.partition(_ANSWER)[0]
    kept = rendered.prefix_kept
    if not kept and _OPEN in source.template:
        return None  # `<think>` in the text goes on from the generation prompt, which is better
    begin = rendered.begin if kept else before_thought
    opening = before_thought.removeprefix(begin)
    markers = next(_marks(opening or begin, closing, source), None)
    if markers is None:
        return None
    before, _, after = begin.partition(_ASK)
    start: Start = "undecided" if opening.strip() else "reasoning"
    return ChatTemplate("", before, after, opening, closing, ends.cut(rendered.after_answer), way, markers, start, kept)


def _marks(opening: str, closing: str, source: ChatSource) -> Iterator[Markers]:
    """Markers that read such an answer, the most telling first: with what stands before an answer without reasoning as
    another spelling."""
    close = closing.strip()
    open_ = opening.strip().rpartition("\n")[2]
    if not close or "\n" in close:
        return
    if _CLOSE in close:
        open_, close = _OPEN, _CLOSE
    plain = _render(source, {"content": _ANSWER}, (_ASK, _ANSWER), thinking=True)
    direct = (
        plain.full.partition(_ANSWER)[0].removeprefix(plain.begin).strip()
        if plain is not None and plain.prefix_kept
        else ""
    )
    for opens in ((open_,), ()):
        for closes in ((close, direct), (close,)):
            try:
                yield Markers(tuple(filter(None, opens)), tuple(dict.fromkeys(filter(None, closes))), line_start=False)
            except UsageError:
                continue  # these cannot be told apart in a stream


def _without(source: ChatSource, ends: _Ends, *, wanted: bool) -> ChatTemplate:
    rendered = _render(source, {"content": _ANSWER}, (_ASK, _ANSWER), thinking=False)
    if rendered is None:
        what = "the model's chat template drops or changes what a row says"
        raise UsageError(what, source.where, "Choose a template of text, such as alpaca-reasoning")
    begin, kept = rendered.begin, True
    turn = rendered.full.partition(_ANSWER)[0]
    if begin.rstrip().endswith(_OPEN):  # a prompt that opens the reasoning cannot ask for an answer without one
        begin, kept = (turn, False) if not turn.rstrip().endswith(_OPEN) else (f"{begin}\n{_CLOSE}\n\n", True)
    opening = turn.removeprefix(begin) if turn.startswith(begin) else ""
    before, _, after = begin.partition(_ASK)
    direct = opening.strip()
    markers = (
        THINK
        if not direct or "\n" in direct or _OPEN in direct or _CLOSE in direct
        else Markers((), (direct,), line_start=False)
    )
    start: Start = "undecided" if direct else "response"
    return ChatTemplate(
        "",
        before,
        after,
        opening,
        "",
        ends.cut(rendered.after_answer),
        "none",
        markers,
        start,
        kept,
        leaves_out_reasoning=wanted,
    )


class _Ends:
    """How a model's turn ends."""

    def __init__(self, tokenizer: TextTokenizer) -> None:
        added = tokenizer.raw.get_added_tokens_decoder()
        self._eos = tokenizer.eos
        self._stops = {token.content for id, token in added.items() if id in tokenizer.stop_ids}
        self._special = [token.content for token in added.values() if token.special]

    def cut(self, text: str) -> str:
        """What belongs before the end of sequence, of what a template writes after the answer.

        Up to the end of sequence, if it writes it. Another token that ends the model's answers is kept; one that does
        not goes with all that follows, for the model would write it and not stop there, and so does the white space
        before nothing.
        """
        found = [
            (at, -len(token), token)
            for token in {self._eos, *self._stops, *self._special}
            if (at := text.find(token)) >= 0
        ]
        if not found:
            return text.rstrip()
        at, _, token = min(found)
        return text[: at + len(token)] if token in self._stops and token != self._eos else text[:at]
