"""The ways to give a chat template an answer with a reasoning, tried with stand-ins until the reasoning stands exactly
once. Knows chat templates and families of markers; knows no rows and no tokenizer."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, Literal

import msgspec

from core.base.chat_history import Message
from core.base.errors import UsageError
from core.splitter.marker_spellings import Markers
from core.splitter.splitter import StartSection
from core.templates.chat_template_source import ChatTemplateSource
from core.templates.context_prompt import REASONING_FIELDS, PromptWay
from core.templates.response_marks import (
    opened_response,
    opener_after_empty_thought,
    plain_markers,
    response_after_thought,
)
from core.templates.thinking_switches import Switches, thinking_switches
from core.templates.thought_marks import (
    ThoughtMarks,
    closing_after,
    empty_marks,
    families_in,
    markers_for,
    marks_around,
    open_thought,
    usual_marks,
)
from core.templates.trimming import NOT_TRIMMED, Trimming, found_trimming, padded
from core.templates.turn_ends import TurnEnds

QUESTION, REASONING, ANSWER = "qSuironAsk7f3q", "qSuironThought5c9q", "qSuironAnswer2e8q"
ReasoningPlace = Literal["field", "think", "none"]
"""The place of the reasoning in a chat template. field: where it writes a message's reasoning (in a field such as
`reasoning_content`, or as a part of the content), with its own markers. think: between the markers that the model
knows, `<think>\\n...\\n</think>\\n\\n` mostly, in the assistant's text, even for chat templates that drop this from a
message (as they do in earlier turns); where the generation prompt opens the thought, the reasoning continues it. none:
the reasoning is left out."""
_SPELT_PART = re.compile(r"""['"]text['"]\s*:""")
_MakeAnswer = Callable[[str, str], Message]  # the assistant's message, of a reasoning and an answer


class BoundTexts(msgspec.Struct, frozen=True):
    """The texts that a chat template adds around a row, with stand-ins for the row's texts."""

    prompt: str
    """The text up to where the model writes, with the stand-in of the question."""
    opening: str
    """The model's text before its reasoning; before its answer where there is no reasoning."""
    closing: str
    """The model's text between reasoning and answer."""
    tail: str
    """The model's text after the answer, before the end of sequence."""
    place: ReasoningPlace
    """The place of the reasoning."""
    markers: Markers
    """The markers with which a splitter reads an answer."""
    start: StartSection
    """The section in which the model begins to write."""
    way: PromptWay
    """How the prompt is made of a rendering."""
    question_trim: Trimming = NOT_TRIMMED
    """The white space that is taken from the question."""
    reasoning_trim: Trimming = NOT_TRIMMED
    """The white space that is taken from the reasoning."""
    answer_trim: Trimming = NOT_TRIMMED
    """The white space that is taken from the answer."""


class ChatRenderer:
    """Renders a question and an answer in stand-ins."""

    def __init__(self, source: ChatTemplateSource, ends: TurnEnds) -> None:
        self.source, self.ends = source, ends

    def prompt(self, switches: Switches, question: str = QUESTION) -> str:
        """The generation prompt. Raises UsageError where the chat template refuses it."""
        return self.source.render([{"role": "user", "content": question}], generate=True, **dict(switches))

    def whole(self, switches: Switches, answer: Message, question: str = QUESTION) -> str | None:
        """The question with a complete answer; None where the chat template refuses the answer."""
        messages = [{"role": "user", "content": question}, answer]
        try:
            return self.source.render(messages, generate=False, **dict(switches))
        except UsageError:
            return None

    def rewrites(self, switches: Switches) -> bool:
        """Whether the generation prompt has another text inside a question than the question has."""
        question = f"{QUESTION}\n\n a  \"b\"\r\n'c' & <d>\t\\n # {ANSWER}"
        return question not in self.prompt(switches, question)

    def plain_turn(self, switches: Switches) -> tuple[str, str, str] | None:
        """For an answer without reasoning: the generation prompt, and the texts before and after the answer; None where
        the chat template drops, repeats or reorders the texts."""
        prompt = self.prompt(switches)
        whole = self.whole(switches, plain_answer("", ANSWER))
        if whole is None or prompt.count(QUESTION) != 1 or not _in_order(whole, QUESTION, ANSWER):
            return None
        before, _, after = whole.partition(ANSWER)
        return prompt, before, after


def plain_answer(_: str, answer: str) -> Message:
    """The assistant's message of an answer alone."""
    return {"role": "assistant", "content": answer}


def texts_with_reasoning(renderer: ChatRenderer, place: Literal["auto", "field", "think"]) -> BoundTexts | None:
    """The texts of the first way in which the reasoning stands exactly once; None where there is no such way. Raises
    UsageError where the chat template does not even take a question."""
    program, names = renderer.source.template, renderer.source.variables()
    renderer.prompt(())  # the template's own words where it refuses a question
    if place in ("auto", "field"):
        with_other_prompt: BoundTexts | None = None
        for switches in thinking_switches(names):
            for make_answer in _answer_makers(program):
                texts = _by_message(renderer, switches, make_answer)
                if texts is not None and texts.way.answer is None:
                    return texts
                with_other_prompt = with_other_prompt or texts
        if with_other_prompt is not None:
            return with_other_prompt
        for switches in thinking_switches(names):
            if (texts := _beside_calls(renderer, switches)) is not None:
                return texts
    if place in ("auto", "think"):
        for switches in thinking_switches(names):
            if (texts := _in_text(renderer, switches, forced=place == "think")) is not None:
                return texts
    return None


def _answer_makers(program: str) -> Iterator[_MakeAnswer]:
    """The messages with a reasoning that the program may take."""

    def with_field(field: str) -> _MakeAnswer:
        return lambda reasoning, answer: {"role": "assistant", "content": answer, field: reasoning}

    def with_parts(wrapped: bool) -> _MakeAnswer:
        def make(reasoning: str, answer: str) -> Message:
            thinking: Any = [{"type": "text", "text": reasoning}] if wrapped else reasoning
            parts = [{"type": "thinking", "thinking": thinking}, {"type": "text", "text": answer}]
            return {"role": "assistant", "content": parts}

        return make

    for field in REASONING_FIELDS:
        if field in program:
            yield with_field(field)
    if "thinking" in program:
        yield with_parts(False)
        yield with_parts(True)


def _in_order(text: str, *stand_ins: str) -> bool:
    """Whether each stand-in is in `text` once, in this order."""
    offsets = [text.find(stand_in) for stand_in in stand_ins]
    return all(text.count(stand_in) == 1 for stand_in in stand_ins) and offsets == sorted(offsets)


def _prompt_of(renderer: ChatRenderer, switches: Switches) -> str | None:
    """The generation prompt; None where the chat template refuses these switches, or the question is not in it once."""
    try:
        prompt = renderer.prompt(switches)
    except UsageError:
        return None
    return prompt if prompt.count(QUESTION) == 1 else None


def _by_message(
    renderer: ChatRenderer, switches: Switches, make_answer: _MakeAnswer, place: ReasoningPlace = "field"
) -> BoundTexts | None:
    """The texts where the chat template itself writes the reasoning of a last message."""
    prompt = _prompt_of(renderer, switches)
    whole = renderer.whole(switches, make_answer(REASONING, ANSWER))
    if prompt is None or whole is None or not _in_order(whole, QUESTION, REASONING, ANSWER):
        return None
    before, _, rest = whole.partition(REASONING)
    closing, _, after = rest.partition(ANSWER)
    if _SPELT_PART.search(closing):
        return None  # the parts of the content were written as Python or JSON spell them
    kept = before.startswith(prompt)
    if not kept and (place == "think" or "<think>" in renderer.source.template):
        return None  # a thought in the text continues the generation prompt, which is better
    way = PromptWay(switches) if kept else PromptWay(switches, make_answer(REASONING, ANSWER), REASONING)
    begin = prompt if kept else before
    opening = before.removeprefix(begin)
    if place == "think":
        opening, closing = response_after_thought(opening, closing)
    if _opens_twice(begin, opening):
        return None
    texts = _texts(renderer, way, begin, opening, closing, after, place)
    return None if texts is None else _with_trims(texts, renderer, make_answer)


def _beside_calls(renderer: ChatRenderer, switches: Switches) -> BoundTexts | None:
    """The texts where the chat template writes a reasoning only beside tool calls: its marks are taken from there."""
    program = renderer.source.template
    if "tool_calls" not in program:
        return None
    prompt, plain = _prompt_of(renderer, switches), renderer.plain_turn(switches)
    if prompt is None or plain is None:
        return None
    empty_arguments: tuple[Any, ...] = ({}, "{}")
    for field in REASONING_FIELDS:
        for arguments in empty_arguments if field in program else ():
            call = {"id": "callqa1b2", "type": "function", "function": {"name": "qSuironCall", "arguments": arguments}}
            answer = {"role": "assistant", "content": ANSWER, field: REASONING, "tool_calls": [call]}
            whole = renderer.whole(switches, answer)
            if whole is None or not _in_order(whole, QUESTION, REASONING):
                continue
            before, _, after = whole.partition(REASONING)
            marks = marks_around(before.rpartition(QUESTION)[2], after, ANSWER)
            if marks is not None and (texts := _spliced(renderer, switches, plain, marks, "field")) is not None:
                return texts
    return None


def _in_text(renderer: ChatRenderer, switches: Switches, forced: bool) -> BoundTexts | None:
    """The texts with the reasoning between markers in the text of the answer. forced: also where the chat template
    knows no markers."""
    if _prompt_of(renderer, switches) is None or (plain := renderer.plain_turn(switches)) is None:
        return None
    prompt, before, _ = plain
    if opened_response(prompt) is not None and not forced:
        return None  # a thought does not stand inside a response
    program = renderer.source.template
    opened = open_thought(prompt.rpartition(QUESTION)[2])
    families = [opened] if opened is not None else families_in(program)
    empty = empty_marks(before.rpartition(QUESTION)[2])
    if opened is None and empty is not None:
        families.insert(0, empty[1].family)
    if not families and forced:
        families = families_in("<think>")
    for family in families:
        usual = usual_marks(family, program)
        texts: BoundTexts | None = None
        if opened is not None:
            closing = closing_after(prompt, before, opened) or usual.closing
            texts = _spliced(renderer, switches, plain, ThoughtMarks("", closing, opened), "think")
        elif empty is not None and empty[1].family is family:
            texts = _spliced(renderer, switches, plain, empty[1], "think")
        else:
            texts = _by_message(renderer, switches, _in_marks(usual), "think")
        if texts is None:
            texts = _spliced(renderer, switches, plain, usual, "think")
        if texts is not None:
            return texts
    return None


def _in_marks(marks: ThoughtMarks) -> _MakeAnswer:
    """The assistant's message with the reasoning between marks in its text."""
    return lambda reasoning, answer: plain_answer("", f"{marks.opening}{reasoning}{marks.closing}{answer}")


def _spliced(
    renderer: ChatRenderer,
    switches: Switches,
    plain: tuple[str, str, str],
    marks: ThoughtMarks,
    place: ReasoningPlace,
) -> BoundTexts | None:
    """The texts of an answer without reasoning, with a thought between `marks` before the answer."""
    prompt, before, after = plain
    opened = open_thought(prompt.rpartition(QUESTION)[2])
    opening, closing = marks.opening, marks.closing
    if opened is not None:
        opening = ""
    elif before.startswith(prompt):
        turn = before.removeprefix(prompt)
        empty = empty_marks(turn)
        rest = turn if empty is None else empty[0] + empty[1].closing.partition(_closer_in(empty[1]))[2]
        if rest.strip() and rest.strip() not in closing:
            closing += rest  # what opens the response
    return _with_trims_of_plain(_texts(renderer, PromptWay(switches), prompt, opening, closing, after, place), renderer)


def _closer_in(marks: ThoughtMarks) -> str:
    return next(closer for _, closer in marks.family.pairs if closer in marks.closing)


def _texts(
    renderer: ChatRenderer, way: PromptWay, prompt: str, opening: str, closing: str, after: str, place: ReasoningPlace
) -> BoundTexts | None:
    """The texts with the markers of such answers; None where no splitter can read one."""
    start: StartSection = "undecided" if opening.strip() else "reasoning"
    plain = renderer.plain_turn(way.switches)
    direct = ""
    if plain is not None and plain[1].startswith(plain[0]):
        direct = plain[1].removeprefix(plain[0]).strip()
    tail = renderer.ends.cut(after)
    markers = markers_for(opening or prompt, closing, renderer.ends.shown(tail), start, direct)
    if markers is None:
        return None
    return BoundTexts(prompt, opening, closing, tail, place, markers, start, way)


def _opens_twice(begin: str, opening: str) -> bool:
    """Whether the model's text opens a thought again that the prompt opens, or after an empty one."""
    opened = open_thought(begin.rpartition(QUESTION)[2])
    return (opened is not None and open_thought(opening) is not None) or empty_marks(opening) is not None


# -- what is trimmed --


def _with_trims(texts: BoundTexts, renderer: ChatRenderer, make_answer: _MakeAnswer) -> BoundTexts:
    """`texts` with the white space that the chat template takes from the texts of such a message."""
    switches = texts.way.switches
    plain = renderer.whole(switches, make_answer(REASONING, ANSWER))
    question = renderer.whole(switches, make_answer(REASONING, ANSWER), padded(QUESTION))
    reasoning = renderer.whole(switches, make_answer(padded(REASONING), ANSWER))
    answer = renderer.whole(switches, make_answer(REASONING, padded(ANSWER)))
    return msgspec.structs.replace(
        texts,
        question_trim=_trimming(plain, question, QUESTION),
        reasoning_trim=_trimming(plain, reasoning, REASONING),
        answer_trim=_trimming(plain, answer, ANSWER),
    )


def _with_trims_of_plain(texts: BoundTexts | None, renderer: ChatRenderer) -> BoundTexts | None:
    """`texts` with the white space that the chat template takes from a question and an answer without reasoning."""
    if texts is None:
        return None
    switches = texts.way.switches
    plain = renderer.whole(switches, plain_answer("", ANSWER))
    question = renderer.whole(switches, plain_answer("", ANSWER), padded(QUESTION))
    answer = renderer.whole(switches, plain_answer("", padded(ANSWER)))
    return msgspec.structs.replace(
        texts,
        question_trim=_trimming(plain, question, QUESTION),
        answer_trim=_trimming(plain, answer, ANSWER),
    )


def _trimming(plain: str | None, with_pads: str | None, stand_in: str) -> Trimming:
    if plain is None or with_pads is None:
        return NOT_TRIMMED
    return found_trimming(plain, with_pads, stand_in)


def texts_without_reasoning(renderer: ChatRenderer, switches: Switches) -> BoundTexts | None:
    """The texts of an answer without reasoning; None where the chat template drops or changes a row's texts. A plain
    row is never trained inside an opened thought."""
    plain = renderer.plain_turn(switches)
    if plain is None:
        return None
    prompt, turn, after = plain
    way = PromptWay(switches)
    opened = open_thought(prompt.rpartition(QUESTION)[2])
    if opened is not None:  # a prompt that opens the reasoning cannot ask for an answer without one
        if open_thought(turn.rpartition(QUESTION)[2]) is None:
            way, prompt = PromptWay(switches, plain_answer("", ANSWER), ANSWER), turn
        else:
            closing = usual_marks(opened, renderer.source.template).closing
            way, prompt = PromptWay(switches, suffix=closing), prompt + closing
    if turn.startswith(prompt):
        opening = turn.removeprefix(prompt)
    else:
        opening = opener_after_empty_thought(*(text.rpartition(QUESTION)[2] for text in (prompt, turn)))
    tail = renderer.ends.cut(after)
    markers, start = plain_markers(opening, renderer.ends.shown(tail))
    texts = BoundTexts(prompt, opening, "", tail, "none", markers, start, way)
    return _with_trims_of_plain(texts, renderer)
