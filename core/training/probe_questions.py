"""Chooses the probe questions of a run and makes their prompts, as its mixture asks for reasoning. Trains nothing."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from core.base.errors import DataError
from core.base.row import Row
from core.examples.draw_template import Mixture
from core.examples.example import AnyTemplate, drops_empty_input
from core.examples.run_mixture import bound_mixture
from core.examples.trained_rows import TrainedRows, is_held_out
from core.runs.samples_file import ProbeQuestion, QuestionSource
from core.runs.spec import RunSpec
from core.tokens.prompt_ids import encode_prompt
from core.training.validation import is_kept_out

if TYPE_CHECKING:
    from core.data.dataset import DataSet
    from core.tokens.tokenizer import TextTokenizer

_ID_DIGITS = 16
_SPARE = 4  # rows that are drawn for each question, because some have no prompt


class Probe(msgspec.Struct, frozen=True):
    """A question and what the model is fed."""

    question: ProbeQuestion
    """What is asked."""
    ids: list[int]
    """The prompt's token ids."""
    splitter: Callable[[], Any]
    """Makes a splitter that sorts an answer into its sections."""


def choose_probes(spec: RunSpec, data: DataSet, tokenizer: TextTokenizer, day: str = "") -> list[Probe]:
    """The run's probe questions, the same in every process. day: see `bound_mixture`.

    Raises DataError where a row that is named does not exist, or no question can be asked at all.
    """
    template = probe_template(bound_mixture(spec.prompt, spec.data.source, tokenizer, day))
    maker = _ProbeMaker(spec, template, tokenizer)
    asked = spec.samples.questions
    if isinstance(asked, int):
        return _drawn(spec, data, maker, asked)
    return [maker.make(*_named(question, data)) for question in asked]


def probe_template(mixture: Mixture[AnyTemplate]) -> Any:
    """The template with reasoning that has the largest share of the mixture; where none has reasoning, the one with the
    largest share of all."""
    shares = mixture.shares()
    order = sorted(range(len(shares)), key=lambda index: -shares[index])
    with_reasoning = [index for index in order if mixture.templates[index].has_reasoning]
    return mixture.templates[(with_reasoning or order)[0]]


def _named(question: int | str, data: DataSet) -> tuple[Row, QuestionSource]:
    if isinstance(question, str):
        return Row(instruction=question), "chosen"
    try:
        return data.row(question), "chosen"
    except IndexError as error:
        what = f"samples.questions names row {question}, which does not exist"
        raise DataError(what, data.name, f"Rows run from 0 to {data.highest}") from error


def _drawn(spec: RunSpec, data: DataSet, maker: _ProbeMaker, count: int) -> list[Probe]:
    """`count` questions of the first source that has any."""
    for source, rows in _lowest_draws(spec, data, count * _SPARE).items():
        probes = list(_possible(rows, source, maker, count))
        if probes:
            return sorted(probes, key=lambda probe: probe.question.row)
    raise DataError(
        "no row can be asked as a probe question",
        spec.data.source,
        "Write questions of your own into samples.questions, or set samples.steps to 0",
    )


def _possible(rows: list[Row], source: QuestionSource, maker: _ProbeMaker, count: int) -> Iterator[Probe]:
    """The first `count` rows that have a prompt, equal questions once."""
    seen: set[tuple[int, ...]] = set()
    for row in rows:
        try:
            probe = maker.make(row, source)
        except DataError:
            continue  # a context or characters that the template cannot take, or too long: another row is asked
        if tuple(probe.ids) not in seen:
            seen.add(tuple(probe.ids))
            yield probe
        if len(seen) == count:
            return


def _lowest_draws(spec: RunSpec, data: DataSet, count: int) -> dict[QuestionSource, list[Row]]:
    """For each source, in the order in which they are taken, its `count` rows with the lowest draws, by their draw."""
    trained = TrainedRows.of_source(spec.data.train_flag, data.columns)
    heaps: dict[QuestionSource, list[tuple[int, int, Row]]] = {"kept out": [], "test": [], "trained on": []}
    for batch in data.batches():
        for row in batch:
            if not row.instruction.strip() and not row.input.strip():
                continue
            source = _source_of(row, spec, trained)
            heap = heaps[source] if source else None
            if heap is None:
                continue
            entry = (-_draw(row, spec.validation.seed), -row.index, row)
            if len(heap) < count:
                heapq.heappush(heap, entry)
            elif entry[:2] > heap[0][:2]:
                heapq.heapreplace(heap, entry)
    return {source: [entry[2] for entry in sorted(heap, reverse=True)] for source, heap in heaps.items()}


def _source_of(row: Row, spec: RunSpec, trained: TrainedRows) -> QuestionSource | None:
    """None for rows that are neither trained nor test rows."""
    if is_held_out(row.sysflag):
        return "test"
    if not trained.includes(row):
        return None
    return "kept out" if spec.validation.share and is_kept_out(row, spec.validation) else "trained on"


def _draw(row: Row, seed: int) -> int:
    digest = hashlib.blake2b(f"probe {seed} {row.identity()}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little")


class _ProbeMaker:
    """Makes probes with one template."""

    def __init__(self, spec: RunSpec, template: Any, tokenizer: TextTokenizer) -> None:
        self._spec, self._template, self._tokenizer = spec, template, tokenizer

    def make(self, row: Row, source: QuestionSource) -> Probe:
        """Raises DataError for a row that cannot be asked."""
        from core.splitter.splitter import Splitter

        template, most = self._template, self._spec.prompt.max_seq_length
        segments = template.row_prompt_segments(row, drops_empty_input(self._spec.prompt, template))
        ids = encode_prompt(segments, self._tokenizer)
        if len(ids) >= most:
            what = f"the question has {len(ids)} tokens, prompt.max_seq_length is {most}"
            where = f"row {row.index}" if row.index >= 0 else "samples.questions"
            raise DataError(what, where, "Ask a shorter one")
        start = template.start_after(segments)
        question = ProbeQuestion(
            id=row.identity()[:_ID_DIGITS],
            instruction=row.instruction,
            input=row.input,
            expected=row.output,
            row=row.index,
            source=source,
            template=template.name,
        )
        return Probe(question, ids, lambda: Splitter(template.markers, start))
