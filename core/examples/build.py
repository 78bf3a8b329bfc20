"""The pass over a source that makes a training set of it. Knows nothing of models or trainers.

`ExampleMaker` gives the verdict on each row. This module reads the rows, puts held-out rows aside, stores the ids, runs
the checks and hashes the trained tokens. Two batches are tokenised while others wait. Keeps a few numbers per row in
memory.
"""

from __future__ import annotations

import hashlib
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Protocol

from core.base.errors import DataError, RunError
from core.base.row import FIELDS, Row
from core.base.row_tally import RowTally
from core.examples.context_notes import ContextCounts
from core.examples.counts import TemplateCounts, flag_counts_words
from core.examples.encoded_store import EncodedStore, hash_text, key_salt
from core.examples.example import ExampleMaker, Examples, RowEncoder, StartedExamples, Verdict, joined_text
from core.examples.example_checks import CheckReport, ExampleChecker
from core.examples.run_mixture import bound_mixture
from core.examples.stored_encoder import StoredEncoder, identity_numbers
from core.examples.template_notes import template_notes
from core.examples.trained_rows import TrainedRows
from core.examples.training_set import TrainingSet
from core.runs.spec import RunSpec
from core.templates.chat_template import ChatTemplate
from core.tokens.loss_mask import is_weighted, loss_labels, slot_weights, token_weights
from core.tokens.segments import EOS
from core.tokens.tokenizer import TextTokenizer

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from core.tokens.encode_spans import Int32Array

    Array = np.ndarray[Any, np.dtype[Any]]

__all__ = ["TrainingSet", "TrainingSetBuilder", "TrainingSource", "build_training_set", "examine_training_set"]

_BATCH = 1024  # rows encoded together
_BATCHES_AHEAD = 3  # batches that wait for the tokenizer
_EXAMPLES = 10  # row indices given as examples in facts


class TrainingSource(Protocol):
    """The part of an open data set that this room uses."""

    columns: tuple[str, ...]
    """Which of the six columns the source has."""

    def record_batches(self) -> Iterator[pa.RecordBatch]:
        """All rows: the six columns as strings, and `row`, the row's index."""


def build_training_set(
    source: TrainingSource,
    spec: RunSpec,
    tokenizer: TextTokenizer,
    progress: Callable[[int], None] = lambda rows: None,
    store: EncodedStore | None = None,
    day: str = "",
) -> TrainingSet:
    """The rows of `source` that the run trains on, encoded and checked: those whose sysflag is `data.train_flag`.

    Rows are left out, and listed in the facts, where they cannot be encoded, where no template of the mixture fits
    them, where their template refuses their context, and where they have more than `prompt.max_seq_length` tokens and
    the run does not cut such rows. `progress` is called with the number of rows done. day: the date that chat templates
    write as today's, as `2026-11-28`; empty for the present day. Raises RunError where no row is left, and where a
    check fails.
    """
    training_set, report, builder = examine_training_set(source, spec, tokenizer, progress, store, day)
    if faults := report.faults():
        more = f" (and {len(faults) - 1} more: see `python -m core prompts check`)" if len(faults) > 1 else ""
        only_leaks = report.leaks and len(faults) == 1
        do = "Change the template or prompt.too_long"
        if only_leaks:
            do = "Take those rows out of one of the two, or change their sysflag"
        raise RunError(f"training does not start: {faults[0]}{more}", spec.data.source, do)
    if training_set is None:
        raise builder.no_rows_error()
    return training_set


def examine_training_set(
    source: TrainingSource,
    spec: RunSpec,
    tokenizer: TextTokenizer,
    progress: Callable[[int], None] = lambda rows: None,
    store: EncodedStore | None = None,
    day: str = "",
) -> tuple[TrainingSet | None, CheckReport, TrainingSetBuilder]:
    """`build_training_set`, but returns the checks' report instead of raising an error. The set is None where no row is
    left."""
    builder = TrainingSetBuilder(source, spec, tokenizer, EncodedStore(tokenizer) if store is None else store, day)
    training_set = builder.run(source, progress)
    return training_set, builder.checker.report, builder


class TrainingSetBuilder:
    """The pass over the source, and what it counts."""

    def __init__(
        self, source: TrainingSource, spec: RunSpec, tokenizer: TextTokenizer, store: EncodedStore, day: str = ""
    ) -> None:
        self.spec, self.tokenizer, self.store = spec, tokenizer, store
        self.trained_rows = TrainedRows.of_source(spec.data.train_flag, source.columns)
        self.mixture = bound_mixture(spec.prompt, spec.data.source, tokenizer, day)
        self.encoder = RowEncoder(self.mixture.templates, spec.prompt, tokenizer)
        self.weights = slot_weights(spec.prompt.loss_on)
        self.checker = ExampleChecker(tokenizer, self.weights)
        self.tallies = {verdict: RowTally() for verdict in Verdict}
        self.unreadable: list[tuple[int, str]] = []  # row index, and why
        self.context = ContextCounts()
        self.without_reasoning = self.done = 0
        self.other_flags: Counter[str] = Counter()  # rows that are not trained, by sysflag
        self._cut_salt = key_salt("cut", spec.prompt.too_long, spec.prompt.max_seq_length)
        self._hash = TrainingHash(self.weights, is_weighted(spec.prompt.loss_on))
        # of the trained rows: row indices, template indices, store keys, ends, identities
        self._trained: list[tuple[Array, ...]] = []
        # of the held-out rows: row indices, identities, hashes of their text in each template
        self._held_out: list[tuple[Array, ...]] = []

    def run(self, source: TrainingSource, progress: Callable[[int], None]) -> TrainingSet | None:
        """The training set; None where no row is left."""
        waiting: deque[StartedExamples] = deque()
        with ThreadPoolExecutor(2, thread_name_prefix="encode") as pool:
            stored = StoredEncoder(self.encoder, self.store, pool)
            maker = ExampleMaker(self.mixture, self.spec.prompt, self.tokenizer, stored)

            def finish_next() -> None:
                self._take_examples(maker.finish(waiting.popleft()))
                progress(self.done)

            try:
                for rows in _row_batches(source):
                    trained, held_out = self.trained_rows.part(rows)
                    if held_out:
                        self.other_flags.update(row.sysflag for row in held_out)
                        self._put_aside(held_out)
                    if trained:
                        waiting.append(maker.start(trained))
                    while len(waiting) > _BATCHES_AHEAD:
                        finish_next()
                while waiting:
                    finish_next()
            finally:
                pool.shutdown(wait=True, cancel_futures=True)
        return self._training_set()

    def _take_examples(self, examples: Examples) -> None:
        """Counts the verdicts; checks, hashes and records the rows that are trained."""
        import numpy as np

        self.done += len(examples.rows)
        for verdict in (Verdict.CUT, Verdict.NO_TEMPLATE, Verdict.TOO_LONG, Verdict.NOTHING_TRAINED):
            for row_index in examples.with_verdict(verdict):
                self.tallies[verdict].add(row_index)
        for position, error in sorted(examples.errors.items()):
            self.unreadable.append((examples.rows[position].index, error.what))
        cut = examples.verdicts == Verdict.CUT
        self._store_cut_rows(examples, np.nonzero(cut)[0].tolist())
        kept = np.nonzero(examples.kept)[0]
        if not len(kept):
            return
        rows = [examples.rows[position] for position in kept.tolist()]
        ids, ends = examples.kept_ids(), examples.ends[kept]
        self.without_reasoning += sum(not row.has_reasoning for row in rows)
        for row, index in zip(rows, examples.template_indices[kept].tolist(), strict=True):
            if row.has_context:
                self.context.add(row, self.mixture.templates[index])
        self.checker.check(rows, ids, ends, examples.present[kept], cut[kept])
        self._hash.add(ids, ends)
        row_indices = np.array([row.index for row in rows], np.int64)
        identities = identity_numbers(examples.identities)[kept]
        self._trained.append(
            (row_indices, examples.template_indices[kept], examples.store_keys[kept], ends, identities)
        )

    def _store_cut_rows(self, examples: Examples, positions: Sequence[int]) -> None:
        """Gives truncated rows their own keys, and adds those to the store that it does not have yet."""
        import numpy as np

        for position in positions:
            row, index = examples.rows[position], int(examples.template_indices[position])
            only_row = slice(position, position + 1)
            examples.store_keys[position] ^= self._cut_salt
            key = examples.store_keys[only_row]
            if self.store.find(key)[0] >= 0:
                continue
            text = np.array([hash_text(joined_text(self.encoder.segments(row, index)))], np.uint64)
            ids, ends, present = examples.row_ids(position), examples.ends[only_row], examples.present[only_row]
            self.store.put(key, text, ids, ends, present)
            self.store.encoded -= 1  # the row itself was counted

    def _put_aside(self, rows: Sequence[Row]) -> None:
        """Records the identities of held-out rows, and the hashes of their training texts in every template."""
        import numpy as np

        row_indices = np.array([row.index for row in rows], np.int64)
        every_template = range(len(self.mixture.templates))
        texts = [[self._text_hash(row, index) for index in every_template] for row in rows]
        identities = identity_numbers([row.identity() for row in rows])
        self._held_out.append((row_indices, identities, np.array(texts, np.uint64)))

    def _text_hash(self, row: Row, template_index: int) -> int:
        """The hash of the row's training text; of its identity where the template does not take its context."""
        try:
            return hash_text(joined_text(self.encoder.segments(row, template_index)))
        except DataError:
            return hash_text(row.identity())

    # -- result --

    def _training_set(self) -> TrainingSet | None:
        self.store.flush()
        self.store.close()
        if not self._trained:
            return None
        row_indices, template_indices, keys, ends, identities = _joined_columns(self._trained)
        positions = self.store.find(keys)
        if (positions < 0).any():
            what = "an encoded row is missing from the store it was put into"
            raise RunError(what, str(self.store.folder), "Start the run again")
        if self._held_out:
            texts = self.store.gather("text", positions)[:, None]
            self.checker.compare_held_out((row_indices, identities, texts), _joined_columns(self._held_out))
        return TrainingSet(
            self.store,
            self.weights,
            is_weighted(self.spec.prompt.loss_on),
            row_indices,
            positions,
            ends,
            template_indices,
            self._hash.hexdigest(),
            self._facts(self.template_counts(template_indices)),
        )

    def template_counts(self, template_indices: Array) -> TemplateCounts:
        """How the trained rows are spread over the templates. template_indices: of the training set."""
        by_name = {
            template.name: int((template_indices == index).sum())
            for index, template in enumerate(self.mixture.templates)
        }
        return TemplateCounts(by_name, self.without_reasoning, self.tallies[Verdict.NO_TEMPLATE].count)

    def _facts(self, counts: TemplateCounts) -> dict[str, object]:
        templates, report, tallies = self.mixture.templates, self.checker.report, self.tallies
        too_long, cut = self.spec.prompt.too_long, tallies[Verdict.CUT].count
        with_reasoning = sum(counts.rows[template.name] for template in templates if template.has_reasoning)
        without_reasoning_slot = [
            template.name
            for template in templates
            if isinstance(template, ChatTemplate) and template.leaves_out_reasoning
        ]
        return {
            "rows_left_out_too_long": tallies[Verdict.TOO_LONG].count,
            "rows_too_long": tallies[Verdict.TOO_LONG].rows[:_EXAMPLES],
            "rows_cut_reasoning": cut if too_long == "cut_reasoning" else 0,
            "rows_cut_end": cut if too_long == "cut_end" else 0,
            "rows_left_out_nothing_learnt": tallies[Verdict.NOTHING_TRAINED].count,
            "rows_left_out_unreadable": len(self.unreadable),
            "rows_unreadable": [{"row": index, "why": why} for index, why in self.unreadable[:_EXAMPLES]],
            "rows_left_out_no_template": counts.left_out,
            "rows_empty_reasoning": counts.without_reasoning,
            "rows_vanilla": counts.total - with_reasoning - counts.without_reasoning,
            "rows_reasoning": with_reasoning,
            "rows_by_template": counts.rows,
            "templates": {template.name: template.content_hash() for template in templates},
            "templates_without_place_for_reasoning": without_reasoning_slot,
            "templates_notes": [note for template in templates for note in template_notes(template)],
            "chat_template_date": next(
                (template.day for template in templates if isinstance(template, ChatTemplate) and template.day), ""
            ),
            "rows_with_context": self.context.rows,
            "rows_context_in_input": self.context.in_input.count,
            "rows_context_dropped": {lost: tally.count for lost, tally in self.context.dropped.items()},
            "rows_prompt_differs": report.prompt_differs.count,
            "rows_answer_changed_by_tokenizer": report.response_changed.count,
            "rows_checked": report.rows,
            "rows_with_trained_reasoning": report.reasonings,
            "rows_reasoning_changed_by_tokenizer": report.reasoning_changed.count,
            "last_token_is_eos": not (report.no_end.count or (too_long == "cut_end" and cut)),
        }

    def no_rows_error(self) -> RunError:
        """Why no row is left to train on, and what to change."""
        source, limit, tallies = self.spec.data.source, self.spec.prompt.max_seq_length, self.tallies
        none_left = "no row is left to train on"
        if count := tallies[Verdict.TOO_LONG].count:
            what = f"{none_left}: {count} are longer than {limit} tokens"
            return RunError(what, source, "Raise prompt.max_seq_length")
        if self.unreadable:
            index, why = self.unreadable[0]
            what = f"{none_left}: {len(self.unreadable)} cannot be encoded, the first (row {index}) because {why}"
            return RunError(what, source, "Fix these rows")
        if count := tallies[Verdict.NO_TEMPLATE].count:
            what = f"{none_left}: {count} have no reasoning, and every template of the mixture needs one"
            return RunError(what, source, "Add a template without reasoning to prompt.mixture, such as alpaca")
        if tallies[Verdict.NOTHING_TRAINED].count:
            what = f"{none_left}: at {limit} tokens, none of them has a token to train"
            return RunError(what, source, "Raise prompt.max_seq_length")
        if flag := self.trained_rows.flag:
            what = f"no row has the sysflag {flag!r}; {flag_counts_words(self.other_flags)}"
            do = "Change data.train_flag, or leave it empty to train on all rows"
            if likely := next((other for other in self.other_flags if other.strip().lower() == flag.lower()), ""):
                do = f"Set data.train_flag to {likely!r}, or leave it empty to train on all rows"
            return RunError(what, source, do)
        return RunError("there are no rows to train on", source, "Name a source with rows")


class TrainingHash:
    """The hash of all trained tokens. It does not depend on how rows are grouped into batches."""

    def __init__(self, weights: tuple[float, ...], weighted: bool) -> None:
        self._weights, self._weighted = weights, weighted
        self._lengths, self._ids, self._labels, self._token_weights = (
            hashlib.blake2b(digest_size=16) for _ in range(4)
        )

    def add(self, ids: Int32Array, ends: Array) -> None:
        """ids: of some rows, one row after the other, int32; ends: shape (rows, 6)."""
        import numpy as np

        labels = loss_labels(ids, ends, self._weights)
        self._lengths.update(np.ascontiguousarray(ends[:, EOS].astype("<i8")).data)
        self._ids.update(np.ascontiguousarray(ids.astype("<i4", copy=False)).data)
        self._labels.update(np.ascontiguousarray(labels.astype("<i4", copy=False)).data)
        if self._weighted:
            self._token_weights.update(token_weights(ends, self._weights).astype("<f4").data)

    def hexdigest(self) -> str:
        """32 hex digits."""
        parts = (self._lengths, self._ids, self._labels, self._token_weights)
        return hashlib.blake2b(b"".join(part.digest() for part in parts), digest_size=16).hexdigest()


def _row_batches(source: TrainingSource) -> Iterator[list[Row]]:
    """All rows in batches of the size that is encoded at once. Reads columns, which is three times as fast as rows."""
    for batch in source.record_batches():
        for first in range(0, batch.num_rows, _BATCH):
            part = batch.slice(first, _BATCH)
            columns = (part.column(name).to_pylist() for name in (*FIELDS, "row"))
            yield [Row(*values) for values in zip(*columns, strict=True)]


def _joined_columns(batches: Sequence[tuple[Array, ...]]) -> tuple[Array, ...]:
    import numpy as np

    return tuple(np.concatenate(list(column)) for column in zip(*batches, strict=True))
