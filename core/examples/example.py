"""Makes training examples of rows: draws a template for each row, encodes it, truncates it and gives a verdict.

`ExampleMaker` does this for a batch of rows, vectorised where numpy can. Building a training set, the preview of a row,
lengths and the search for the next problem all call it, so that every screen shows exactly what is trained.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import msgspec

from core.base.errors import DataError
from core.base.row import Row
from core.examples.draw_template import DrawableTemplate, Mixture
from core.runs.spec import PromptSection
from core.templates.chat_template import ChatTemplate
from core.templates.template import Template
from core.tokens.encode import EncodedBatch, encode_batch
from core.tokens.loss_mask import slot_weights
from core.tokens.segments import EOS, OPENING, REASONING, SLOT_COUNT, Segment
from core.tokens.truncation import cut_end, cut_reasoning

if TYPE_CHECKING:
    import numpy as np

    from core.tokens.encode_spans import Int32Array
    from core.tokens.tokenizer import TextTokenizer

    Array = np.ndarray[Any, np.dtype[Any]]

AnyTemplate = Template | ChatTemplate


class SegmentTemplate(DrawableTemplate, Protocol):
    """The part of a template that an example uses."""

    @property
    def drop_empty_input(self) -> bool: ...

    def segments(self, row: Row, drop_empty_input: bool = False) -> list[Segment]: ...


ExampleTemplate = TypeVar("ExampleTemplate", bound=SegmentTemplate, covariant=True)


class Verdict(IntEnum):
    """What training does with a row. The first two are trained, the others left out."""

    TRAINED = 0
    CUT = 1
    """Too long, and truncated by the run's setting."""
    NO_TEMPLATE = 2
    """Without reasoning, where every template of the mixture needs one."""
    UNREADABLE = 3
    """The tokenizer cannot encode it, or its template does not take its context."""
    TOO_LONG = 4
    """Too long, and either the run drops such rows or there is too little to cut."""
    NOTHING_TRAINED = 5
    """Truncated to a length at which no trained token is left."""

    @property
    def is_kept(self) -> bool:
        return self <= Verdict.CUT


class EncodedRows(msgspec.Struct, frozen=True):
    """Rows as token ids, before truncation."""

    ids: Any
    """Token ids of all rows, one row after the other, int32; a row that cannot be encoded has none."""
    ends: Any
    """End of each section in tokens from the row's start, int32, shape (rows, 6); the last is the row's length."""
    present: Any
    """The sections that the row's template has, as bits, uint8, shape (rows,)."""
    errors: dict[int, DataError]
    """By position in the batch, why a row cannot be encoded."""
    store_keys: Any = None
    """Keys of the rows in the store of encoded rows, uint64, shape (rows, 2); None where there is no store."""


class Examples(msgspec.Struct):
    """The training examples of a batch of rows. Every array has an entry for each row, in the order of `rows`."""

    rows: Sequence[Row]
    """All rows of the batch, also those that are left out."""
    identities: Sequence[str]
    """Each row's identity, 32 hex digits."""
    template_indices: Any
    """Index of the row's template in the mixture, -1 for none, int16, shape (rows,)."""
    verdicts: Any
    """A `Verdict` for each row, uint8, shape (rows,)."""
    ids: Any
    """Token ids of all rows after truncation, one row after the other, int32. Rows that are left out are included where
    they can be encoded."""
    starts: Any
    """Where each row's ids start in `ids`, with the end of the last, int64, shape (rows + 1,)."""
    ends: Any
    """End of each section in tokens from the row's start, after truncation, int32, shape (rows, 6)."""
    present: Any
    """The sections that the row's template has, as bits, uint8, shape (rows,)."""
    full_lengths: Any
    """Tokens of each row before truncation, int32, shape (rows,)."""
    errors: dict[int, DataError]
    """By position in the batch, why a row cannot be encoded."""
    store_keys: Any = None
    """Keys of the rows, before truncation, in the store of encoded rows, uint64, shape (rows, 2); None where there is
    no store."""

    @property
    def kept(self) -> Array:
        """Which rows are trained, bool, shape (rows,)."""
        kept: Array = self.verdicts <= Verdict.CUT
        return kept

    def kept_ids(self) -> Int32Array:
        """The ids of the rows that are trained, one row after the other, int32."""
        import numpy as np

        kept = self.kept
        ids: Int32Array = self.ids if kept.all() else self.ids[np.repeat(kept, self.ends[:, EOS])]
        return ids

    def row_ids(self, position: int) -> Int32Array:
        """The ids of the row at this position of the batch, int32, not copied."""
        ids: Int32Array = self.ids[self.starts[position] : self.starts[position + 1]]
        return ids

    def with_verdict(self, verdict: Verdict) -> list[int]:
        """The indices, in their source, of the rows with this verdict."""
        import numpy as np

        return [self.rows[position].index for position in np.nonzero(self.verdicts == verdict)[0].tolist()]


class StartsEncoding(Protocol):
    """Where an `ExampleMaker` gets token ids from: a `RowEncoder`, or a store of encoded rows."""

    def start(
        self, rows: Sequence[Row], template_indices: Array, identities: Sequence[str]
    ) -> Callable[[], EncodedRows]:
        """Begins to encode rows that all have a template; the returned function waits for the result."""


class StartedExamples(msgspec.Struct):
    """A batch that is being encoded; `ExampleMaker.finish` waits for it."""

    rows: Sequence[Row]
    """All rows of the batch."""
    identities: Sequence[str]
    """Each row's identity."""
    template_indices: Any
    """Index of each row's template, -1 for none, int16, shape (rows,)."""
    encoded: Callable[[], EncodedRows]
    """Waits for the ids of the rows that have a template."""


class RowEncoder(Generic[ExampleTemplate]):
    """Rows as segments of their template, and as token ids."""

    def __init__(
        self, templates: Sequence[ExampleTemplate], prompt: PromptSection, tokenizer: TextTokenizer | None
    ) -> None:
        self.templates, self.tokenizer = templates, tokenizer
        self.drops_empty_input = [drops_empty_input(prompt, template) for template in templates]

    def segments(self, row: Row, template_index: int) -> list[Segment]:
        """The row's training text without its end of sequence, as segments. Raises DataError where the template does
        not take the row's context."""
        return self.templates[template_index].segments(row, self.drops_empty_input[template_index])

    def encode(self, rows: Sequence[Row], template_indices: Sequence[int]) -> tuple[EncodedRows, list[list[Segment]]]:
        """The ids of rows, and the segments that were encoded; none of a row that its template does not take."""
        if self.tokenizer is None:
            raise ValueError("rows cannot be encoded without a tokenizer")
        segments: list[list[Segment]] = []
        refused: dict[int, DataError] = {}
        for position, (row, index) in enumerate(zip(rows, template_indices, strict=True)):
            try:
                segments.append(self.segments(row, index))
            except DataError as error:
                refused[position] = error
                segments.append([])
        if not refused:
            batch = encode_batch(segments, self.tokenizer, [row.index for row in rows])
            return EncodedRows(batch.ids, batch.ends, batch.present, batch.errors), segments
        taken = [position for position in range(len(rows)) if position not in refused]
        batch = encode_batch(
            [segments[position] for position in taken], self.tokenizer, [rows[position].index for position in taken]
        )
        return _with_refused(batch, taken, refused), segments

    def start(self, rows: Sequence[Row], template_indices: Array, _: Sequence[str]) -> Callable[[], EncodedRows]:
        return lambda: self.encode(rows, template_indices.tolist())[0]


class ExampleMaker(Generic[ExampleTemplate]):
    """Makes examples of rows, as one run would.

    prompt: the run's prompt settings; their `mixture` and `seed` are ignored. tokenizer: None where only segments are
    needed. stored: takes ids from a store instead of encoding every row.
    """

    def __init__(
        self,
        mixture: Mixture[ExampleTemplate],
        prompt: PromptSection,
        tokenizer: TextTokenizer | None,
        stored: StartsEncoding | None = None,
    ) -> None:
        self.mixture, self.prompt, self.tokenizer = mixture, prompt, tokenizer
        self.weights = slot_weights(prompt.loss_on)
        self.encoder = RowEncoder(mixture.templates, prompt, tokenizer)
        self._ids: StartsEncoding = self.encoder if stored is None else stored

    def make(self, rows: Sequence[Row], template_index: int | None = None) -> Examples:
        """The examples of `rows`. All get the template at `template_index`; without it, the mixture draws one for
        each."""
        return self.finish(self.start(rows, template_index))

    def start(self, rows: Sequence[Row], template_index: int | None = None) -> StartedExamples:
        """Draws templates and begins to encode the rows; for callers with several batches in progress."""
        import numpy as np

        identities = [row.identity() for row in rows]
        if template_index is None:
            drawn = [self.mixture.template_index(row, key) for row, key in zip(rows, identities, strict=True)]
            indices = np.array([-1 if index is None else index for index in drawn], np.int16)
        else:
            indices = np.full(len(rows), template_index, np.int16)
        if (indices >= 0).all():
            return StartedExamples(rows, identities, indices, self._ids.start(rows, indices, identities))
        positions = np.nonzero(indices >= 0)[0].tolist()
        encoded = self._ids.start(
            [rows[position] for position in positions],
            indices[positions],
            [identities[position] for position in positions],
        )
        return StartedExamples(rows, identities, indices, encoded)

    def finish(self, started: StartedExamples) -> Examples:
        """Waits for the ids, truncates rows that are too long and gives every row its verdict."""
        return self.judge(started, started.encoded())

    def judge(self, started: StartedExamples, encoded: EncodedRows) -> Examples:
        """Truncates the rows that are too long and gives every row its verdict. encoded: the rows of `started`."""
        import numpy as np

        count = len(started.rows)
        drawn = np.nonzero(started.template_indices >= 0)[0]
        verdicts = np.full(count, Verdict.NO_TEMPLATE, np.uint8)
        verdicts[drawn] = Verdict.TRAINED
        ends = np.zeros((count, SLOT_COUNT), np.int32)
        ends[drawn] = encoded.ends
        present = np.zeros(count, np.uint8)
        present[drawn] = encoded.present
        store_keys = None
        if encoded.store_keys is not None:
            store_keys = np.zeros((count, 2), np.uint64)
            store_keys[drawn] = encoded.store_keys
        errors = {int(drawn[position]): error for position, error in encoded.errors.items()}
        verdicts[list(errors)] = Verdict.UNREADABLE
        examples = Examples(
            started.rows,
            started.identities,
            started.template_indices,
            verdicts,
            encoded.ids,
            _starts(ends[:, EOS]),
            ends,
            present,
            ends[:, EOS].copy(),
            errors,
            store_keys,
        )
        if (examples.full_lengths > self.prompt.max_seq_length).any():
            self._truncate(examples)
        return examples

    def _truncate(self, examples: Examples) -> None:
        """Cuts the rows of `examples` that are too long, or marks them as left out."""
        import numpy as np

        pieces: list[Array] = []
        copied = 0  # ids that are in `pieces`, or were cut
        for position in np.nonzero(examples.full_lengths > self.prompt.max_seq_length)[0].tolist():
            cut = self._cut_row(examples.row_ids(position), examples.ends[position])
            if cut is None:
                examples.verdicts[position] = Verdict.TOO_LONG
                continue
            ids, examples.ends[position] = cut
            trains = trained_tokens(examples.ends[position : position + 1], self.weights)[0] > 0
            examples.verdicts[position] = Verdict.CUT if trains else Verdict.NOTHING_TRAINED
            pieces += [examples.ids[copied : examples.starts[position]], ids]
            copied = int(examples.starts[position + 1])
        if pieces:
            examples.ids = np.concatenate([*pieces, examples.ids[copied:]])
            examples.starts = _starts(examples.ends[:, EOS])

    def _cut_row(self, ids: Int32Array, ends: Int32Array) -> tuple[Int32Array, Int32Array] | None:
        """The row's ids and ends, cut to the run's length; None where it cannot be cut, or is to be dropped."""
        prompt = self.prompt
        if prompt.too_long == "cut_end":
            return cut_end(ids, ends, prompt.max_seq_length)
        if prompt.too_long == "cut_reasoning" and ends[REASONING] > ends[OPENING] and self.tokenizer is not None:
            return cut_reasoning(ids, ends, prompt.max_seq_length, self.tokenizer)
        return None


def _with_refused(batch: EncodedBatch, taken: Sequence[int], refused: dict[int, DataError]) -> EncodedRows:
    """A batch together with the rows that were not encoded. taken: the positions of the batch's rows among all."""
    import numpy as np

    count = len(taken) + len(refused)
    ends, present = np.zeros((count, SLOT_COUNT), np.int32), np.zeros(count, np.uint8)
    ends[taken], present[taken] = batch.ends, batch.present
    errors = {taken[position]: error for position, error in batch.errors.items()}
    return EncodedRows(batch.ids, ends, present, errors | refused)


def drops_empty_input(prompt: PromptSection, template: SegmentTemplate) -> bool:
    """Whether the heading of an empty input is left out: the run's setting, else the template's."""
    return template.drop_empty_input if prompt.drop_empty_input is None else prompt.drop_empty_input


def trained_tokens(ends: Array, weights: Sequence[float]) -> Array:
    """How many tokens of each row have a label. ends: shape (rows, 6); weights: of the six sections."""
    import numpy as np

    return np.diff(ends, prepend=0, axis=1) @ (np.asarray(weights) > 0).astype(np.int64)


def joined_text(segments: Sequence[Segment]) -> str:
    """The text of all segments, joined."""
    return "".join([segment.text for segment in segments])


def _starts(lengths: Array) -> Array:
    import numpy as np

    return np.concatenate(([0], np.cumsum(lengths, dtype=np.int64)))
