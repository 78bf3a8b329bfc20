"""Chooses the questions that an export is asked, and makes their prompts as the run was trained."""

from __future__ import annotations

import heapq
from pathlib import Path
from typing import Any

import msgspec

from core.base.errors import DataError
from core.base.row import Row
from core.examples.draw_template import Mixture, draw_number
from core.examples.example import AnyTemplate, drops_empty_input
from core.examples.run_rows import open_rows
from core.examples.trained_rows import TrainedRows, is_held_out
from core.runs.spec import RunSpec
from core.runs.tuned_models import run_chat_date, run_template_folder
from core.templates.bind_chat_template import bind_chat_template
from core.templates.by_name import get_template, template_folders
from core.tokens.prompt_ids import encode_prompt
from core.tokens.tokenizer import TextTokenizer
from core.training.validation import is_kept_out


class Question(msgspec.Struct, frozen=True):
    """A row's question as a prompt."""

    row: int
    """The row's number in its source."""
    ids: list[int]
    """The prompt's token ids."""


class Questions(msgspec.Struct, frozen=True):
    """The questions of one export."""

    asked: tuple[Question, ...]
    """In the order of their rows."""
    source: str
    """Which rows they are, in words."""


def run_mixture(spec: RunSpec, adapter: Path, tokenizer: TextTokenizer) -> Mixture[AnyTemplate]:
    """The run's templates as they were trained, bound to the model. Raises UsageError, ModelError."""
    folders = (run_template_folder(adapter), *template_folders(spec.data.source))
    day = run_chat_date(adapter)
    parts = [
        (bind_chat_template(get_template(part.template, folders), tokenizer, day), part.weight)
        for part in spec.prompt.mixture
    ]
    return Mixture(parts, spec.prompt.seed)


def held_out_questions(spec: RunSpec, mixture: Mixture[AnyTemplate], tokenizer: TextTokenizer, count: int) -> Questions:
    """The prompts of `count` rows that the run did not train on: those of other flags, then those kept out for
    evaluation, drawn by the run's seed. Where there are none, trained rows. Raises DataError where the rows are
    gone."""
    data = open_rows(spec.data)
    trained = TrainedRows.of_source(spec.data.train_flag, data.columns)
    kinds: dict[str, list[tuple[float, int, Row]]] = {"held out": [], "kept out for evaluation": [], "trained on": []}
    for batch in data.batches():
        for row in batch:
            if not row.instruction and not row.input:
                continue
            if not trained.includes(row) or is_held_out(row.sysflag):
                kind = "held out"
            elif spec.validation.share and is_kept_out(row, spec.validation):
                kind = "kept out for evaluation"
            else:
                kind = "trained on"
            _keep(kinds[kind], (draw_number(row, spec.prompt.seed), -row.index, row), count)
    for kind, kept in kinds.items():
        chosen = sorted((row for _, _, row in kept), key=lambda row: row.index)
        questions = _prompts(chosen, spec, mixture, tokenizer)
        if questions:
            words = f"rows {kind}" if kind != "trained on" else "rows trained on, because none is held out"
            return Questions(tuple(questions), words)
    raise DataError("the run's rows have no question to ask", spec.data.source, "Export with --check 0")


def _keep(kept: list[tuple[float, int, Row]], entry: tuple[float, int, Row], count: int) -> None:
    """Keep the `count` entries with the highest draws."""
    if len(kept) < count:
        heapq.heappush(kept, entry)
    elif kept and entry[:2] > kept[0][:2]:
        heapq.heapreplace(kept, entry)


def _prompts(rows: list[Row], spec: RunSpec, mixture: Mixture[Any], tokenizer: TextTokenizer) -> list[Question]:
    """The rows' prompts; a row that no template takes has none."""
    questions = []
    for row in rows:
        template = mixture.template_for(row)
        if template is None:
            continue
        try:
            segments = template.row_prompt_segments(row, drops_empty_input(spec.prompt, template))
            ids = encode_prompt(segments, tokenizer)
        except DataError:
            continue  # a context or characters that its template cannot take: training left it out too
        if len(ids) < spec.prompt.max_seq_length:
            questions.append(Question(row.index, ids))
    return questions
