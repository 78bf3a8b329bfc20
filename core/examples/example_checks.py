"""Checks that every training example must pass, made on the token ids themselves, a batch at a time.

- A trained reasoning occurs once in the decoded text, within its own span. It may occur again only where another cell
  of the row contains it too, or where it is so short that the template's own words may contain it.
- The last token is the end of sequence and is trained. Only truncation at the end may break this; such rows are counted
  elsewhere.
- At least one token is trained.
- No held-out row is in the training text: neither the row itself, nor its text as the run would train it.

Knows ids, spans and rows; knows neither templates nor where rows come from.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntFlag
from typing import TYPE_CHECKING, Any

import msgspec

from core.base.row import Row
from core.examples.example import trained_tokens
from core.tokens.segments import EOS, MARKER, OPENING, REASONING, RESPONSE
from core.tokens.truncation import ELLIPSIS

if TYPE_CHECKING:
    import numpy as np

    from core.tokens.encode_spans import Int32Array
    from core.tokens.tokenizer import TextTokenizer

    Array = np.ndarray[Any, np.dtype[Any]]

EXAMPLES_KEPT = 20  # row indices kept as examples of a fault
_EXAMPLES_SHOWN = 5
_SHORT = 64  # bytes of a reasoning that may also be words of the template


class ExampleFault(IntFlag):
    """A fault that a check finds in a row."""

    REASONING_MISSING = 1
    REASONING_REPEATED = 2
    REASONING_CHANGED = 4
    """The tokenizer itself changes the reasoning, because it cannot represent it. Does not forbid training."""
    NO_END = 8
    NOTHING_TRAINED = 16


class RowTally(msgspec.Struct):
    """How many rows have a fault, and the first of them."""

    count: int = 0
    """Rows."""
    rows: list[int] = []
    """Indices of the first rows in their source, at most `EXAMPLES_KEPT`."""

    def add(self, row_index: int) -> None:
        self.count += 1
        if len(self.rows) < EXAMPLES_KEPT:
            self.rows.append(row_index)

    def words(self) -> str:
        """`12 (0, 4, 5, 9, 11, …)`."""
        first_rows = ", ".join(map(str, self.rows[:_EXAMPLES_SHOWN]))
        return f"{self.count:,} ({first_rows}{', …' if self.count > _EXAMPLES_SHOWN else ''})"


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
    leaks: int = 0
    """Held-out rows that are in the training text."""
    leaked: list[HeldOutLeak] = []
    """The first of these, at most `EXAMPLES_KEPT`."""

    def add_fault(self, fault: ExampleFault, row_index: int) -> None:
        tallies = {
            ExampleFault.REASONING_MISSING: self.reasoning_missing,
            ExampleFault.REASONING_REPEATED: self.reasoning_repeated,
            ExampleFault.REASONING_CHANGED: self.reasoning_changed,
            ExampleFault.NO_END: self.no_end,
            ExampleFault.NOTHING_TRAINED: self.nothing_trained,
        }
        tallies[fault].add(row_index)

    def faults(self) -> list[str]:
        """The faults that forbid training, a sentence each."""
        faults = []
        for tally, words in (
            (self.reasoning_missing, "rows lose their reasoning in the trained text"),
            (self.reasoning_repeated, "rows have their reasoning more than once in the trained text"),
            (self.no_end, "rows do not end with a trained end of sequence"),
            (self.nothing_trained, "rows have no trained token"),
        ):
            if tally.count:
                faults.append(f"{tally.count:,} {words}: {tally.words()}")
        if self.leaks:
            first_leaks = ", ".join(f"{leak.held_out} as {leak.trained}" for leak in self.leaked[:_EXAMPLES_SHOWN])
            more = ", …" if self.leaks > _EXAMPLES_SHOWN else ""
            faults.append(f"{self.leaks:,} held-out rows are in the training text: {first_leaks}{more}")
        return faults


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


class ExampleChecker:
    """One pass over the rows of a training set; `report` grows with every `check`. weights: of the six sections."""

    def __init__(self, tokenizer: TextTokenizer, weights: tuple[float, ...]) -> None:
        self.report = CheckReport()
        self._tokenizer, self._weights = tokenizer, weights
        self._bytes = JoinedTokenBytes(tokenizer) if tokenizer.token_bytes.byte_level else None

    def check(self, rows: Sequence[Row], ids: Int32Array, ends: Array, present: Array, cut: Array) -> Array:
        """The faults of each row as `ExampleFault` bits, uint8, shape (rows,).

        ids: of all rows, one row after the other; ends: shape (rows, 6); present: sections as bits; cut: rows that were
        truncated.
        """
        import numpy as np

        faults = np.zeros(len(rows), np.uint8)
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
        has_reasoning = (present >> REASONING & 1).astype(bool) & ~end_cut_off
        self._check_reasonings(rows, ids, starts, ends, np.nonzero(has_reasoning)[0].tolist(), cut, faults)
        self.report.rows += len(rows)
        for position in np.nonzero(faults)[0].tolist():
            for fault in ExampleFault(int(faults[position])):
                self.report.add_fault(fault, rows[position].index)
        return faults

    def _check_reasonings(
        self,
        rows: Sequence[Row],
        ids: Int32Array,
        starts: Array,
        ends: Array,
        positions: Sequence[int],
        cut: Array,
        faults: Array,
    ) -> None:
        """Adds to `faults` what is wrong with the reasonings of the rows at `positions`."""
        data, offsets = self._bytes.of_ids(ids) if self._bytes is not None else (b"", None)
        for position in positions:
            row, first = rows[position], int(starts[position])
            if not row.has_reasoning:
                continue
            self.report.reasonings += 1
            begin, end = first + int(ends[position, OPENING]), first + int(ends[position, REASONING])
            row_end = first + int(ends[position, EOS])
            # a token across the end of the span counts to the next section, but may hold the last of the reasoning
            after = max(end, min(end + 1, first + int(ends[position, MARKER])))
            if offsets is not None:
                whole, inside = data[offsets[first] : offsets[row_end]], data[offsets[begin] : offsets[after]]
            else:
                whole = self._tokenizer.decode(ids[first:row_end].tolist()).encode()
                inside = self._tokenizer.decode(ids[begin:after].tolist()).encode()
            faults[position] |= int(self._reasoning_fault(row, whole, inside, bool(cut[position])))

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
            for position in leaked[:EXAMPLES_KEPT]
        ]


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
