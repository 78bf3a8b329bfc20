"""One row as training takes it, to be looked at: its text and its tokens by section, what is learnt of it, what the
length policy does to it, and what is the matter with it. And the prompts that inference would feed for the same row.

Encoded, cut and checked by the very functions that prepare a training set. Knows one row and one template; knows
nothing of runs, files or screens.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import msgspec

from core.base.errors import DataError
from core.base.row import TEXTS, Row
from core.examples.checks import Checker, Report, learnt
from core.splitter.splitter import Splitter
from core.templates.chat_template import ChatTemplate
from core.templates.template import Template
from core.tokens.encode import encode_batch, encode_prompt
from core.tokens.loss_mask import Loss, slot_weights
from core.tokens.segments import EOS, OPENING, REASONING, Segment, slots_of
from core.tokens.truncation import TooLong, cut_end, cut_reasoning

if TYPE_CHECKING:
    from core.tokens.spans import Ints
    from core.tokens.tokenizer import TextTokenizer

AnyTemplate = Template | ChatTemplate
Fate = Literal["trained", "cut", "left out"]


class Policy(msgspec.Struct, frozen=True):
    """What of a run decides how a row is encoded; named as in its specification. drop_empty_input None: as the template
    says."""

    loss_on: Loss = "completion"
    too_long: TooLong = "drop"
    max_seq_length: int = 2048
    drop_empty_input: bool | None = None

    def drops(self, template: AnyTemplate) -> bool:
        return template.drop_empty_input if self.drop_empty_input is None else self.drop_empty_input


class Preview(msgspec.Struct, frozen=True):
    """texts: (slot, text) in order, what is trained (of a row that is left out: what would be); its end of sequence is
    not among them.

    ids: tokens with the beginning and the end of sequence, empty without a tokenizer; ends: the end of each of the six
    slots (see `policy`) in them. present: the slots that the template has, as bits. weights: of the six slots.
    tokens_before: of the whole row, before a cut. why: what a fate other than `trained` comes from, in words. warnings:
    sentences, the worst first. fits: training takes the row as it is, and every check passes.
    """

    texts: list[tuple[int, str]]
    present: int
    weights: tuple[float, ...]
    ids: list[int] = []
    ends: tuple[int, ...] = ()
    fate: Fate = "trained"
    why: str = ""
    tokens_before: int = 0
    warnings: list[str] = []
    fits: bool = True

    def counts(self) -> list[tuple[int, int]]:
        """(tokens, trained tokens) of each slot."""
        sizes = [end - start for start, end in zip((0, *self.ends), self.ends, strict=False)]
        return [(size, size if weight else 0) for size, weight in zip(sizes, self.weights, strict=True)]


class Ask(msgspec.Struct, frozen=True):
    """A prompt that inference feeds. words: what it asks for; template: its name; text: whole; tokens: how many, None
    without a tokenizer.

    why: why there is none, then the rest is empty.
    """

    words: str
    template: str = ""
    text: str = ""
    tokens: int | None = None
    why: str = ""


class Examiner:
    """Previews for one tokenizer; None for the text alone. Keeps what a check needs to be made once. One thread at a
    time."""

    def __init__(self, tokenizer: TextTokenizer | None) -> None:
        self.tokenizer = tokenizer
        self._checkers: dict[tuple[float, ...], Checker] = {}

    def preview(self, row: Row, template: AnyTemplate, policy: Policy) -> Preview:
        """template: bound to the tokenizer's model, where it is a chat form. Raises UsageError for a template that has
        no text without a model, and for weights that are none."""
        return self.previews([row], template, policy)[0]

    def previews(self, rows: Sequence[Row], template: AnyTemplate, policy: Policy) -> list[Preview]:
        """Many rows at once, on all cores."""
        weights = slot_weights(policy.loss_on)
        segments = [template.segments(row, policy.drops(template)) for row in rows]
        if self.tokenizer is None:
            return [
                self._text_alone(row, template, of_row, weights) for row, of_row in zip(rows, segments, strict=True)
            ]
        batch = encode_batch(segments, self.tokenizer, [row.index for row in rows])
        made = []
        for place, (row, of_row) in enumerate(zip(rows, segments, strict=True)):
            if place in batch.errors:
                made.append(self._unreadable(row, template, of_row, weights, batch.errors[place]))
            else:
                ids = batch.ids[batch.starts[place] : batch.starts[place + 1]]
                made.append(self._encoded(row, template, of_row, ids, batch.ends[place], self.tokenizer, policy))
        return made

    def suspects(self, rows: Sequence[Row], template: AnyTemplate, policy: Policy) -> list[bool]:
        """For each row whether its preview would not fit, or have a warning that is the row's own; much faster than the
        previews."""
        segments = [template.segments(row, policy.drops(template)) for row in rows]
        found = [bool(row_warnings(row, template, of_row)) for row, of_row in zip(rows, segments, strict=True)]
        if self.tokenizer is None:
            return found
        batch = encode_batch(segments, self.tokenizer, [row.index for row in rows])
        lengths = batch.ends[:, EOS]
        found = [
            one or bool(length > policy.max_seq_length) or place in batch.errors
            for place, (one, length) in enumerate(zip(found, lengths, strict=True))
        ]
        left = [place for place, one in enumerate(found) if not one]
        if left:
            import numpy as np

            ids = np.concatenate([batch.ids[batch.starts[place] : batch.starts[place + 1]] for place in left])
            checker = self._checker(slot_weights(policy.loss_on), self.tokenizer)
            checker.check(
                [rows[place] for place in left], ids, batch.ends[left], batch.present[left], np.zeros(len(left), bool)
            )
            report = checker.report
            for kind in (
                report.reasoning_missing,
                report.reasoning_again,
                report.reasoning_changed,
                report.no_end,
                report.nothing_learnt,
            ):
                many = kind.count > len(kind.rows)  # only the first of them are named
                for place in left:
                    found[place] |= many or rows[place].index in kind.rows
        return found

    def _checker(self, weights: tuple[float, ...], tokenizer: TextTokenizer) -> Checker:
        """With an empty report."""
        if weights not in self._checkers:
            self._checkers[weights] = Checker(tokenizer, weights)
        self._checkers[weights].report = Report()
        return self._checkers[weights]

    def _text_alone(
        self, row: Row, template: AnyTemplate, segments: list[Segment], weights: tuple[float, ...]
    ) -> Preview:
        layout = slots_of(tuple(one.kind for one in segments))
        texts = [(slot, one.text) for slot, one in zip(layout.slots, segments, strict=True)]
        return Preview(texts, layout.present, weights, warnings=row_warnings(row, template, segments))

    def _unreadable(
        self, row: Row, template: AnyTemplate, segments: list[Segment], weights: tuple[float, ...], error: DataError
    ) -> Preview:
        plain = self._text_alone(row, template, segments, weights)
        return msgspec.structs.replace(plain, fate="left out", why=error.what, fits=False)

    def _encoded(
        self,
        row: Row,
        template: AnyTemplate,
        segments: list[Segment],
        ids: Ints,
        ends: Ints,
        tokenizer: TextTokenizer,
        policy: Policy,
    ) -> Preview:
        weights = slot_weights(policy.loss_on)
        layout = slots_of(tuple(one.kind for one in segments))
        texts = [(slot, one.text) for slot, one in zip(layout.slots, segments, strict=True)]
        fate: Fate = "trained"
        why, whole, whole_ends, limit = "", ids, ends, policy.max_seq_length
        if len(ids) > limit:
            shorter = None
            if policy.too_long == "cut_end":
                shorter = cut_end(ids, ends, limit)
            elif policy.too_long == "cut_reasoning" and ends[REASONING] > ends[OPENING]:
                shorter = cut_reasoning(ids, ends, limit, tokenizer)
            fate, why = _length_words(len(ids), limit, policy.too_long, shorter is not None)
            if shorter is not None:
                ids, ends = shorter
                kept = {
                    slot
                    for slot in layout.slots
                    if (slot != REASONING if policy.too_long == "cut_reasoning" else ends[slot] == whole_ends[slot])
                }
                texts = _texts_of(ids, ends, texts, kept, tokenizer)
        if fate != "left out" and not learnt(ends[None, :], weights)[0]:
            fate, why = "left out", "no token of it is learnt" + (f"; {why}" if why else "")
        faults = (
            self._faults(row, ids, ends, layout.present, weights, fate == "cut", tokenizer)
            if fate != "left out"
            else []
        )
        warnings = [*faults, *row_warnings(row, template, segments)]
        asked = encode_prompt([one for one in segments if one.kind == "prompt"], tokenizer)
        if whole[: len(asked)].tolist() != asked:
            warnings.append(
                "a token reaches over the end of the prompt: the first one trained is not the one that inference asks for"
            )
        fits = fate == "trained" and not faults
        return Preview(
            texts, layout.present, weights, ids.tolist(), tuple(ends.tolist()), fate, why, len(whole), warnings, fits
        )

    def _faults(
        self,
        row: Row,
        ids: Ints,
        ends: Ints,
        present: int,
        weights: tuple[float, ...],
        cut: bool,
        tokenizer: TextTokenizer,
    ) -> list[str]:
        import numpy as np

        checker = self._checker(weights, tokenizer)
        checker.check([row], ids, ends[None, :], np.array([present], np.uint8), np.array([cut]))
        report = checker.report
        return [
            words
            for found, words in (
                (report.reasoning_missing, "its reasoning is not in the trained text as the row says it"),
                (report.reasoning_again, "its reasoning stands in the trained text more than once"),
                (report.no_end, "it does not end with a trained end of sequence"),
                (report.nothing_learnt, "no token of it is learnt"),
                (report.reasoning_changed, "the tokenizer changes its reasoning: not every character of it comes back"),
            )
            if found.count
        ]

    def asks(self, row: Row, templates: Sequence[AnyTemplate], policy: Policy) -> list[Ask]:
        """The three prompts of a row: for an answer with its reasoning still to be written, for one without, and for
        the answer to the row's own reasoning. Each with the first of `templates` that has such a prompt."""
        reasons = next((one for one in templates if one.has_reasoning), None)
        plain = next((one for one in templates if not one.has_reasoning), None)
        given = (row.instruction, row.input)
        asks: list[Ask] = []
        for words, template, missing in (
            ("with the reasoning to be written", reasons, "no template here has a reasoning"),
            ("without reasoning", plain, "no template here is without a reasoning"),
            ("the answer, to this row's reasoning", reasons, "no template here has a reasoning"),
        ):
            if template is None:
                asks.append(Ask(words, why=missing))
                continue
            drop = policy.drops(template)
            answers = len(asks) == 2
            made = (
                template.answer_segments(*given, row.reasoning, drop, row.syslang)
                if answers
                else template.prompt_segments(*given, drop, row.syslang)
            )
            try:
                tokens = len(encode_prompt(made, self.tokenizer)) if self.tokenizer is not None else None
            except DataError as error:
                asks.append(Ask(words, template.name, why=error.what))
            else:
                asks.append(Ask(words, template.name, "".join(one.text for one in made), tokens))
        return asks


def _texts_of(
    ids: Ints, ends: Ints, texts: list[tuple[int, str]], kept: set[int], tokenizer: TextTokenizer
) -> list[tuple[int, str]]:
    """The texts of a row that was cut: of the slots in `kept` their own, of the others what is left of their tokens."""
    bounds = [0, *ends.tolist()]
    slots = dict.fromkeys(slot for slot, _ in texts)
    own = {slot: "".join(text for one, text in texts if one == slot) for slot in slots}
    return [
        (slot, own[slot] if slot in kept else tokenizer.decode(ids[bounds[slot] : bounds[slot + 1]].tolist()))
        for slot in slots
    ]


def row_warnings(row: Row, template: AnyTemplate, segments: Sequence[Segment]) -> list[str]:
    """What is the matter with the row in this template, whatever the tokenizer: nothing of it keeps the row out of
    training."""
    found: list[str] = []
    blank = not row.reasoning or row.reasoning.isspace()
    if template.has_reasoning and blank:
        found.append("the row has no reasoning, so no mixture trains it with this template")
    if isinstance(template, ChatTemplate) and template.leaves_out_reasoning and not blank:
        found.append("the model's chat form has no place for the reasoning: it is left out")
    markers = template.markers
    for column in TEXTS[:2]:
        spelt = next((mark for mark in markers.all() if _counts(mark, getattr(row, column), markers.line_start)), None)
        if spelt is not None:
            found.append(f"the {column} holds the marker “{spelt}”")
    written = "".join(one.text for one in segments if one.kind != "prompt")
    inner = (row.reasoning if template.has_reasoning else "") + "\n" + row.output
    if any(mark in inner for mark in markers.all()):
        splitter = Splitter(markers, template.start)
        splitter.feed(written)
        splitter.close()
        wanted = row.reasoning.strip() if template.has_reasoning else ""
        if splitter.reasoning.strip() != wanted or splitter.response.strip() != row.output.strip():
            mark = next(mark for mark in markers.all() if mark in inner)
            where = "reasoning" if template.has_reasoning and mark in row.reasoning else "output"
            found.append(
                f"the {where} holds the marker “{mark}”: such an answer would not be read back as the row says it"
            )
    if not row.output.strip():
        found.append("the output is empty")
    return found


def _counts(mark: str, text: str, line_start: bool) -> bool:
    return (text.startswith(mark) or f"\n{mark}" in text) if line_start else mark in text


def _length_words(tokens: int, limit: int, too_long: TooLong, cut: bool) -> tuple[Fate, str]:
    over = f"{tokens:,} tokens are {tokens - limit:,} more than the run takes ({limit:,})"
    if cut and too_long == "cut_reasoning":
        return "cut", f"{over}: the middle of the reasoning is cut out, prompt, answer and end stay"
    if cut:
        return "cut", f"{over}: the end is cut off, which teaches the model not to end"
    if too_long == "cut_reasoning":
        return "left out", f"{over}, and there is too little reasoning to cut"
    return "left out", over
