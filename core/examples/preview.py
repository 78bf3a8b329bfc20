"""The preview of one row as training takes it: text and tokens by section, loss, truncation and warnings.

Made by the same `ExampleMaker` and `ExampleChecker` as a training set. Knows one row and one template; knows nothing of
runs, files or screens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from core.base.errors import DataError
from core.base.row import Row
from core.examples.context_notes import context_note
from core.examples.draw_template import Mixture
from core.examples.example import AnyTemplate, EncodedRows, ExampleMaker, Examples, Verdict
from core.examples.example_checks import ExampleChecker, ExampleFault
from core.examples.row_warnings import row_warnings
from core.runs.spec import PromptSection
from core.tokens.segments import REASONING, segment_slots
from core.tokens.truncation import TooLong

if TYPE_CHECKING:
    from core.tokens.encode_spans import Int32Array
    from core.tokens.tokenizer import TextTokenizer

Outcome = Literal["trained", "cut", "left out"]

_FAULT_WORDS = {
    ExampleFault.REASONING_MISSING: "its reasoning is not in the trained text as the row has it",
    ExampleFault.REASONING_REPEATED: "its reasoning is in the trained text more than once",
    ExampleFault.NO_END: "it does not end with a trained end of sequence",
    ExampleFault.NOTHING_TRAINED: "no token of it is trained",
    ExampleFault.OPENED_TWICE: "a thought is opened twice before its reasoning",
    ExampleFault.IN_OPEN_THOUGHT: "its answer is inside an opened thought",
    ExampleFault.REASONING_CHANGED: "the tokenizer changes its reasoning: not every character of it comes back",
    ExampleFault.RESPONSE_CHANGED: "the tokenizer changes its answer: not every character of it comes back",
    ExampleFault.PROMPT_DIFFERS: "a token reaches over the end of the prompt: training and inference differ in their "
    "first token",
}


class RowPreview(msgspec.Struct, frozen=True):
    """A row in one template, as a run trains it, or would train it where the row is left out."""

    texts: list[tuple[int, str]]
    """Section and text of each segment, in order, without the end of sequence."""
    present: int
    """The sections that the template has, as bits."""
    weights: tuple[float, ...]
    """How much a token of each of the six sections counts in the loss."""
    ids: list[int] = []
    """Token ids with beginning and end of sequence; empty without a tokenizer."""
    ends: tuple[int, ...] = ()
    """End of each of the six sections in `ids`."""
    outcome: Outcome = "trained"
    """What training does with the row."""
    why: str = ""
    """Why the outcome is not `trained`."""
    full_length: int = 0
    """Tokens of the row before truncation."""
    warnings: list[str] = []
    """Sentences without their full stop, the worst first."""
    fits: bool = True
    """Whether training takes the row as it is and every check passes."""

    def section_counts(self) -> list[tuple[int, int]]:
        """Tokens and trained tokens of each of the six sections; empty without a tokenizer."""
        sizes = [end - start for start, end in zip((0, *self.ends), self.ends, strict=False)]
        return [(size, size if weight else 0) for size, weight in zip(sizes, self.weights, strict=True)]


class RowPreviewer:
    """Makes previews with one tokenizer; without one (None), previews of the text only. Keeps a checker for each loss.
    For one thread at a time."""

    def __init__(self, tokenizer: TextTokenizer | None) -> None:
        self.tokenizer = tokenizer
        self._checkers: dict[tuple[float, ...], ExampleChecker] = {}

    def preview(self, row: Row, template: AnyTemplate, prompt: PromptSection) -> RowPreview:
        """The preview of `row`.

        template: bound to the tokenizer's model where it is a chat template. prompt: the run's; its mixture is ignored.
        Raises UsageError for a template that has no text without a model, and for invalid weights.
        """
        maker = ExampleMaker(Mixture([(template, 1.0)], prompt.seed), prompt, self.tokenizer)
        try:
            segments = maker.encoder.segments(row, 0)
        except DataError as error:
            return RowPreview([], 0, maker.weights, outcome="left out", why=error.what, fits=False)
        layout = segment_slots(tuple(segment.kind for segment in segments))
        texts = [(slot, segment.text) for slot, segment in zip(layout.slots, segments, strict=True)]
        warnings = row_warnings(row, template, segments)
        if note := context_note(row, template):
            warnings.append(note)
        text_only = RowPreview(texts, layout.present, maker.weights, warnings=warnings)
        if self.tokenizer is None:
            return text_only
        started = maker.start([row], 0)
        encoded = started.encoded()
        if encoded.errors:
            return msgspec.structs.replace(text_only, outcome="left out", why=encoded.errors[0].what, fits=False)
        return self._with_tokens(text_only, encoded, maker.judge(started, encoded), prompt, self.tokenizer)

    def _with_tokens(
        self,
        text_only: RowPreview,
        encoded: EncodedRows,
        examples: Examples,
        prompt: PromptSection,
        tokenizer: TextTokenizer,
    ) -> RowPreview:
        verdict = Verdict(int(examples.verdicts[0]))
        ids, ends = examples.row_ids(0), examples.ends[0]
        faults = self._fault_words(examples, text_only.weights, tokenizer) if verdict.is_kept else []
        warnings = [*faults, *text_only.warnings]
        outcome, why = _outcome(verdict, len(encoded.ids), prompt)
        return RowPreview(
            _texts_after_cut(text_only.texts, encoded.ends[0], ids, ends, prompt.too_long, tokenizer),
            text_only.present,
            text_only.weights,
            ids.tolist(),
            tuple(ends.tolist()),
            outcome,
            why,
            len(encoded.ids),
            warnings,
            fits=verdict == Verdict.TRAINED and not faults,
        )

    def _fault_words(self, examples: Examples, weights: tuple[float, ...], tokenizer: TextTokenizer) -> list[str]:
        if weights not in self._checkers:
            self._checkers[weights] = ExampleChecker(tokenizer, weights)
        cut = examples.verdicts == Verdict.CUT
        faults = self._checkers[weights].check(examples.rows, examples.ids, examples.ends, examples.present, cut)[0]
        return [words for fault, words in _FAULT_WORDS.items() if faults & fault]


def _outcome(verdict: Verdict, length: int, prompt: PromptSection) -> tuple[Outcome, str]:
    """What training does with the row, and why. length: tokens before truncation."""
    if verdict == Verdict.TRAINED:
        return "trained", ""
    limit = prompt.max_seq_length
    over = f"{length:,} tokens are {length - limit:,} more than the run takes ({limit:,})"
    if verdict == Verdict.TOO_LONG:
        if prompt.too_long == "cut_reasoning":
            over += ", and there is too little reasoning to cut"
        return "left out", over
    if prompt.too_long == "cut_reasoning":
        cut = f"{over}: the middle of the reasoning is cut out; prompt, answer and end stay"
    else:
        cut = f"{over}: the end is cut off, which teaches the model not to end"
    return ("cut", cut) if verdict == Verdict.CUT else ("left out", f"no token of it is trained; {cut}")


def _texts_after_cut(
    texts: list[tuple[int, str]],
    full_ends: Int32Array,
    ids: Int32Array,
    ends: Int32Array,
    too_long: TooLong,
    tokenizer: TextTokenizer,
) -> list[tuple[int, str]]:
    """Section and text of a row after truncation: complete sections keep their text, shortened ones are decoded.

    full_ends, ends: of the six sections, before and after truncation; ids: after truncation.
    """
    if full_ends[-1] == ends[-1]:
        return texts
    starts = [0, *ends.tolist()]
    shortened = []
    for slot in dict.fromkeys(slot for slot, _ in texts):
        is_complete = slot != REASONING if too_long == "cut_reasoning" else ends[slot] == full_ends[slot]
        if is_complete:
            shortened.append((slot, "".join(text for text_slot, text in texts if text_slot == slot)))
        else:
            shortened.append((slot, tokenizer.decode(ids[starts[slot] : starts[slot + 1]].tolist())))
    return shortened
