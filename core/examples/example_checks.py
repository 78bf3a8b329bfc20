"""Checks that every training example must pass, made on the token ids themselves, a batch at a time.

- A trained reasoning occurs once in the decoded text, within its own span. It may occur again only where another cell
  of the row contains it too, or where it is so short that the template's own words may contain it.
- The last token is the end of sequence and is trained. Only truncation at the end may break this; such rows are counted
  elsewhere.
- At least one token is trained.
- No thought is opened twice, and no answer is trained inside an opened thought.
- The ids of the inference prompt are the first ids of the row; a row where they are not is counted, and trained.
- No held-out row is in the training text: neither the row itself, nor its text as the run would train it.

Knows ids, spans and rows; knows neither templates nor where rows come from.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntFlag
from typing import TYPE_CHECKING, Any

import msgspec

from core.base.row import Row
from core.base.row_tally import ROWS_KEPT, RowTally
from core.examples.example import trained_tokens
from core.splitter.marker_families import THINKING_PAIRS
from core.tokens.segments import EOS, MARKER, OPENING, PROMPT_DIFFERS, REASONING, RESPONSE
from core.tokens.truncation import ELLIPSIS

if TYPE_CHECKING:
    import numpy as np

    from core.tokens.encode_spans import Int32Array
    from core.tokens.tokenizer import TextTokenizer

    Array = np.ndarray[Any, np.dtype[Any]]

_EXAMPLES_SHOWN = 5
_OPENERS = tuple(opener.encode() for opener, _ in THINKING_PAIRS)
_CLOSERS = tuple(closer.encode() for _, closer in THINKING_PAIRS)
_OPENER_TOKENS = 48  # tokens before a section in which the openers of a thought are looked for
_SHORT = 64  # bytes of a reasoning that may also be words of the template


class ExampleFault(IntFlag):
    """A fault that a check finds in a row."""

    REASONING_MISSING = 1
    REASONING_REPEATED = 2
    REASONING_CHANGED = 4
    """The tokenizer itself changes the reasoning, because it cannot represent it. Does not forbid training."""
    NO_END = 8
    NOTHING_TRAINED = 16
    PROMPT_DIFFERS = 32
    """Inference asks with other ids than the row begins with. Does not forbid training."""
    RESPONSE_CHANGED = 64
    """The tokenizer itself changes the answer. Does not forbid training."""
    OPENED_TWICE = 128
    """A thought is opened where one is open, or follows an empty one."""
    IN_OPEN_THOUGHT = 256
    """A row without reasoning has its answer inside an opened thought."""


class HeldOutLeak(msgspec.Struct, frozen=True):
    """A held-out row that is in the training text."""

    held_out: int
    """Index of the held-out row in its source."""
    trained: int
    """Index of a trained row with the same text."""
    whole: bool
    """Whether the two rows are equal, not only the text that is trained of them."""


_JSON_NAMES = {"reasoning_repeated": "reasoning_again", "nothing_trained": "nothing_learnt"}  # `prompts check --json`


class CheckReport(msgspec.Struct, rename=_JSON_NAMES):
    """The results of the checks on a training set."""

    rows: int = 0
    """Rows that were checked."""
    reasonings: int = 0
    """Checked rows that are trained with their reasoning."""
    reasoning_missing: RowTally = msgspec.field(default_factory=RowTally)
    """Rows whose reasoning is not in the trained text."""
    reasoning_repeated: RowTally = msgspec.field(default_factory=RowTally)
    """Rows whose reasoning is in the trained text more than once."""
    reasoning_changed: RowTally = msgspec.field(default_factory=RowTally)
    """Rows whose reasoning the tokenizer cannot represent as written."""
    no_end: RowTally = msgspec.field(default_factory=RowTally)
    """Rows that do not end with a trained end of sequence."""
    nothing_trained: RowTally = msgspec.field(default_factory=RowTally)
    """Rows without a trained token."""
    prompt_differs: RowTally = msgspec.field(default_factory=RowTally)
    """Rows whose first ids are not those of their inference prompt."""
    response_changed: RowTally = msgspec.field(default_factory=RowTally)
    """Rows whose answer the tokenizer cannot represent as written."""
    opened_twice: RowTally = msgspec.field(default_factory=RowTally)
    """Rows in which a thought is opened twice."""
    in_open_thought: RowTally = msgspec.field(default_factory=RowTally)
    """Rows without reasoning whose answer is inside an opened thought."""
    leaks: int = 0
    """Held-out rows that are in the training text."""
    leaked: list[HeldOutLeak] = []
    """The first of these, at most `ROWS_KEPT`."""

    def add_fault(self, fault: ExampleFault, row_index: int) -> None:
        tallies = {
            ExampleFault.REASONING_MISSING: self.reasoning_missing,
            ExampleFault.REASONING_REPEATED: self.reasoning_repeated,
            ExampleFault.REASONING_CHANGED: self.reasoning_changed,
            ExampleFault.NO_END: self.no_end,
            ExampleFault.NOTHING_TRAINED: self.nothing_trained,
            ExampleFault.PROMPT_DIFFERS: self.prompt_differs,
            ExampleFault.RESPONSE_CHANGED: self.response_changed,
            ExampleFault.OPENED_TWICE: self.opened_twice,
            ExampleFault.IN_OPEN_THOUGHT: self.in_open_thought,
        }
        tallies[fault].add(row_index)

    def faults(self) -> list[str]:
        """The faults that forbid training, a sentence each."""
        faults = []
        for tally, words in (
            (self.reasoning_missing, "the reasoning is missing in the trained text"),
            (self.reasoning_repeated, "the reasoning is more than once in the trained text"),
            (self.no_end, "the last trained token is not the end of sequence"),
            (self.nothing_trained, "no token is trained"),
            (self.opened_twice, "a thought is opened twice"),
            (self.in_open_thought, "the answer is inside an opened thought"),
        ):
            if tally.count:
                faults.append(f"{words}: {tally.row_words()}")
        if self.leaks:
            first_leaks = ", ".join(f"{leak.held_out} as {leak.trained}" for leak in self.leaked[:_EXAMPLES_SHOWN])
            more = ", …" if self.leaks > _EXAMPLES_SHOWN else ""
            faults.append(f"held-out rows are in the training text: {self.leaks:,}, {first_leaks}{more}")
        return faults

    def warnings(self) -> list[str]:
        """What the checks found that does not forbid training, a sentence each."""
        warnings = []
        for tally, words in (
            (
                self.prompt_differs,
                "the prompt's last token merges with the first of the answer, so inference asks with other ids",
            ),
            (self.reasoning_changed, "the reasoning has characters that the tokenizer changes"),
            (self.response_changed, "the answer has characters that the tokenizer changes"),
        ):
            if tally.count:
                warnings.append(f"{words}: {tally.row_words()}")
        return warnings


class JoinedTokenBytes:
    """Decodes ids to bytes, many rows at once; for tokenizers where every token stands for fixed bytes."""

    def __init__(self, tokenizer: TextTokenizer) -> None:
        import numpy as np

        pieces = [tokenizer.token_bytes.data(id) or b"" for id in range(tokenizer.vocab_size)]
        self.lengths = np.fromiter(map(len, pieces), np.int64, len(pieces))
        self._starts = np.cumsum(self.lengths) - self.lengths
        self._bytes = np.frombuffer(b"".join(pieces), np.uint8)

    def of_ids(self, ids: Int32Array) -> tuple[bytes, Array]:
        """The bytes of all ids, joined, and where those of each id begin, with the end of the last."""
        import numpy as np

        lengths = self.lengths[ids]
        ends = np.cumsum(lengths)
        total = int(ends[-1]) if len(ends) else 0
        offsets = np.arange(total) + np.repeat(self._starts[ids] - (ends - lengths), lengths)
        return self._bytes[offsets].tobytes(), np.concatenate(([0], ends))


class _RowBytes:
    """The decoded bytes of a batch of rows, and of their sections."""

    def __init__(
        self, tokenizer: TextTokenizer, joined: JoinedTokenBytes | None, ids: Int32Array, starts: Array, ends: Array
    ) -> None:
        self._tokenizer, self._ids = tokenizer, ids
        self._offsets: Array | None
        # offsets stay an array: a batch has a hundred times as many tokens as places that are looked up
        self._data, self._offsets = joined.of_ids(ids) if joined is not None else (b"", None)
        self._starts, self._ends = starts.tolist(), ends.tolist()

    def whole(self, position: int) -> bytes:
        """The row's text."""
        return self._between(self._starts[position], self._starts[position] + self._ends[position][EOS])

    def reasoning(self, position: int) -> bytes:
        """Its reasoning; a token across the end of the section counts to the next one, but may hold the last of it."""
        first, ends = self._starts[position], self._ends[position]
        after = max(ends[REASONING], min(ends[REASONING] + 1, ends[MARKER]))
        return self._between(first + ends[OPENING], first + after)

    def answer(self, position: int) -> bytes:
        """Its answer, with the text of the template after it and the token before it, which may hold its first."""
        first, ends = self._starts[position], self._ends[position]
        return self._between(first + ends[MARKER], first + ends[RESPONSE])

    def before(self, position: int, slot: int) -> bytes:
        """The last of the text before the end of a slot, without white space at its end."""
        first, end = self._starts[position], self._ends[position][slot]
        return self._between(first + max(0, end - _OPENER_TOKENS), first + end).rstrip()

    def _between(self, begin: int, end: int) -> bytes:
        if self._offsets is not None:
            return self._data[self._offsets[begin] : self._offsets[end]]
        return self._tokenizer.decode(self._ids[begin:end].tolist()).encode()


class ExampleChecker:
    """One pass over the rows of a training set; `report` grows with every `check`. weights: of the six sections."""

    def __init__(self, tokenizer: TextTokenizer, weights: tuple[float, ...]) -> None:
        self.report = CheckReport()
        self._tokenizer, self._weights = tokenizer, weights
        self._bytes = JoinedTokenBytes(tokenizer) if tokenizer.token_bytes.byte_level else None

    def check(self, rows: Sequence[Row], ids: Int32Array, ends: Array, present: Array, cut: Array) -> Array:
        """The faults of each row as `ExampleFault` bits, uint16, shape (rows,).

        ids: of all rows, one row after the other; ends: shape (rows, 6); present: sections as bits; cut: rows that were
        truncated.
        """
        import numpy as np

        faults = np.zeros(len(rows), np.uint16)
        if not len(rows):
            return faults
        starts = np.concatenate(([0], np.cumsum(ends[:, EOS], dtype=np.int64)))
        ends_in_eos = (
            (ids[starts[1:] - 1] == self._tokenizer.eos_id)
            & (ends[:, EOS] - ends[:, RESPONSE] == 1)
            & (self._weights[EOS] > 0)
        )
        end_cut_off = cut & (ends[:, EOS] == ends[:, RESPONSE])  # as the run asks for
        faults[~(ends_in_eos | end_cut_off)] |= int(ExampleFault.NO_END)
        faults[trained_tokens(ends, self._weights) == 0] |= int(ExampleFault.NOTHING_TRAINED)
        faults[(present & PROMPT_DIFFERS).astype(bool)] |= int(ExampleFault.PROMPT_DIFFERS)
        has_reasoning = (present >> REASONING & 1).astype(bool) & ~end_cut_off
        texts = _RowBytes(self._tokenizer, self._bytes, ids, starts, ends)
        self._check_reasonings(rows, texts, np.nonzero(has_reasoning)[0].tolist(), cut, faults)
        self._check_answers(rows, texts, has_reasoning.tolist(), end_cut_off.tolist(), faults)
        self.report.rows += len(rows)
        for position in np.nonzero(faults)[0].tolist():
            for fault in ExampleFault(int(faults[position])):
                self.report.add_fault(fault, rows[position].index)
        return faults

    def _check_reasonings(
        self, rows: Sequence[Row], texts: _RowBytes, positions: Sequence[int], cut: Array, faults: Array
    ) -> None:
        """Adds to `faults` what is wrong with the reasonings of the rows at `positions`."""
        for position in positions:
            row = rows[position]
            if not row.has_reasoning:
                continue
            self.report.reasonings += 1
            whole, inside = texts.whole(position), texts.reasoning(position)
            faults[position] |= int(self._reasoning_fault(row, whole, inside, bool(cut[position])))

    def _check_answers(
        self,
        rows: Sequence[Row],
        texts: _RowBytes,
        has_reasoning: Sequence[bool],
        end_cut_off: Sequence[bool],
        faults: Array,
    ) -> None:
        """Adds to `faults` what is wrong with the answers, and with the thoughts that are opened before them."""
        for position, row in enumerate(rows):
            before = texts.before(position, OPENING if has_reasoning[position] else MARKER)
            if before.endswith(_OPENERS):
                if not has_reasoning[position]:
                    faults[position] |= int(ExampleFault.IN_OPEN_THOUGHT)
                elif _is_opened_twice(before):
                    faults[position] |= int(ExampleFault.OPENED_TWICE)
            if end_cut_off[position]:
                continue
            answer = row.output.strip()
            if answer.encode("utf-8", "replace") not in texts.answer(position):
                represented = self._tokenizer.decode(self._tokenizer.encode(answer)[0])
                if represented != answer:
                    faults[position] |= int(ExampleFault.RESPONSE_CHANGED)

    def _reasoning_fault(self, row: Row, whole: bytes, inside: bytes, cut: bool) -> int:
        """whole: the decoded ids of the row; inside: those of its reasoning. 0 where nothing is wrong."""
        reasoning = row.reasoning.encode()
        if cut:
            return 0 if _holds_both_ends(inside, reasoning) else ExampleFault.REASONING_MISSING
        times = whole.count(reasoning)
        if times == 1 and reasoning in inside:
            return 0
        plain = reasoning.strip()
        if times and plain in inside:
            others = (row.instruction, row.input, row.output)
            explained = sum(text.encode().count(reasoning) for text in others)
            return ExampleFault.REASONING_REPEATED if times > 1 + explained and len(reasoning) >= _SHORT else 0
        represented = self._tokenizer.decode(self._tokenizer.encode(row.reasoning)[0]).encode().strip()
        if represented and represented != plain and represented in inside:
            return ExampleFault.REASONING_CHANGED
        if plain in inside:
            return 0  # only the space around it went to another section
        return ExampleFault.REASONING_MISSING

    def compare_held_out(self, trained: Sequence[Array], held_out: Sequence[Array]) -> None:
        """Looks for held-out rows among the trained ones.

        Each as row indices, identities of shape (rows, 2) and hashes of training texts of shape (rows, texts): one text
        of a trained row, one for each template of a held-out row.
        """
        import numpy as np

        indices, identities, texts = trained
        held_indices, held_identities, held_texts = held_out
        if not len(held_indices) or not len(indices):
            return
        same_row = _first_positions(identities[:, 0], held_identities[:, 0])
        same_row = np.where((same_row >= 0) & (identities[same_row, 1] == held_identities[:, 1]), same_row, -1)
        same_text = same_row.copy()
        for column in range(held_texts.shape[1]):
            same_text = np.where(same_text >= 0, same_text, _first_positions(texts[:, 0], held_texts[:, column]))
        leaked = np.nonzero(same_text >= 0)[0]
        self.report.leaks += len(leaked)
        self.report.leaked += [
            HeldOutLeak(int(held_indices[position]), int(indices[same_text[position]]), bool(same_row[position] >= 0))
            for position in leaked[:ROWS_KEPT]
        ]


def _is_opened_twice(before: bytes) -> bool:
    """Whether the opener at the end of `before` follows another one, or an empty thought."""
    earlier = before.removesuffix(next(one for one in _OPENERS if before.endswith(one))).rstrip()
    if earlier.endswith(_OPENERS):
        return True
    closer = next((one for one in _CLOSERS if earlier.endswith(one)), None)
    return closer is not None and earlier.removesuffix(closer).rstrip().endswith(_OPENERS)


def _holds_both_ends(inside: bytes, reasoning: bytes) -> bool:
    """Whether a reasoning whose middle was cut out begins like the row's, and continues after an ellipsis."""
    ellipsis = ELLIPSIS.encode()
    head, gap, tail = inside.partition(ellipsis)
    while gap and not (reasoning.startswith(head.lstrip()) or reasoning.lstrip().startswith(head.lstrip())):
        more, gap, tail = tail.partition(ellipsis)  # this ellipsis is part of the reasoning
        head = head + ellipsis + more
    return bool(gap)


def _first_positions(values: Array, targets: Array) -> Array:
    """The first position in `values` of each of `targets`, or -1."""
    import numpy as np

    order = np.argsort(values, kind="stable")
    nearest = np.minimum(np.searchsorted(values, targets, sorter=order), len(values) - 1)
    return np.where(values[order[nearest]] == targets, order[nearest], -1)
