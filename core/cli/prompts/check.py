"""`prompts check SPEC.toml`: what training checks before it starts: counts, lengths, checks of every row, the hash."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.base.command_output import CommandOutput
from core.base.errors import DataError, RunError
from core.base.plural import counted
from core.base.safe_text import safe_line
from core.base.sentences import with_full_stop
from core.cli.prompts.left_out import left_out_record, print_left_out
from core.cli.prompts.tokenizer_of_model import load_tokenizer
from core.data.problems import problem_words, unread_words
from core.data.source_record import source_record
from core.examples.run_rows import data_facts, open_rows
from core.examples.template_notes import template_notes
from core.runs.spec import RunSpec, load_run_spec

if TYPE_CHECKING:
    from core.data.dataset import DataSet

END_WARNING = (
    "the end of these rows is cut off: they lose their end of sequence and the part of their answer that does not fit,"
    " and teach a model to think without ever answering or ending; `cut_reasoning` keeps both"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("spec", type=Path, help="a run's specification")


def run(arguments: argparse.Namespace, output: CommandOutput) -> int:
    from core.examples.build import examine_training_set

    spec = load_run_spec(arguments.spec)
    data = open_rows(spec.data)
    tokenizer = load_tokenizer(spec.model.name, output, spec.model.trust_remote_code)
    training_set, report, builder = examine_training_set(
        data, spec, tokenizer, lambda rows: output.progress(f"{rows:,} of {len(data):,} rows")
    )
    output.progress_done()
    if training_set is None:
        raise builder.no_rows_error()
    facts, faults = training_set.facts(), report.faults()
    warnings = [*_spec_warnings(facts, spec), *report.warnings(), *builder.context.warnings()]
    notes = [note for template in builder.mixture.templates for note in template_notes(template)]
    about = source_record(data)
    output.record(
        {
            **data_facts(data),
            **facts,
            "checks": report,
            "faults": faults,
            "warnings": warnings,
            "notes": notes,
            "context": builder.context,
            **{name: about[name] for name in ("not_used", "problems")},
            "left_out": left_out_record(builder, about["left_out"]["reasons"]),
            "rows_encoded_now": training_set.store.encoded,
        }
    )
    tokens = f"{training_set.tokens:,} a pass, {training_set.trained_tokens:,} of them trained"
    verdict = "FAULTS" if faults else "no fault in these" if data.problem_count else "no fault"
    if data.problem_count:
        output.text(f"CANNOT BE READ: {_unreadable_words(data)}")
    output.text(f"{data.name}: {counted(len(data), 'row')}, {len(training_set):,} to train on")
    output.text(f"mixture   {builder.template_counts(training_set.template_indices).words()}")
    output.text(f"tokens    {tokens}; the longest row has {training_set.longest:,}")
    print_left_out(builder, output)
    output.text(f"checked   {counted(report.rows, 'row')}, {report.reasonings:,} with a trained reasoning: {verdict}")
    output.text(f"hash      {training_set.hash}")
    if data.not_used_words:
        output.note(with_full_stop(f"Note: {safe_line(data.not_used_words, 500)}"))
    for warning in warnings:
        output.note(with_full_stop(f"Warning: {warning}"))
    for note in notes:
        output.note(with_full_stop(f"Note: {note}"))
    if faults:
        what = "training would not start: " + "; ".join(faults)
        raise RunError(what, str(arguments.spec), "Fix those rows, or the template, and check again")
    if data.problem_count:
        do = "Fix them, or take them out; `python -m core data show --problems` lists them"
        raise DataError(_unreadable_words(data), spec.data.source, do)
    return 0


def _unreadable_words(data: DataSet) -> str:
    """How much of the source cannot be read, and why."""
    why = safe_line(problem_words(data.problem_kinds), 500)
    return f"{unread_words(data.problem_kinds)} cannot be read, beside {counted(len(data), 'row')} that can: {why}"


def _spec_warnings(facts: dict[str, Any], spec: RunSpec) -> list[str]:
    """Effects of the run that its user may not expect, a sentence each."""
    warnings = []
    if facts["rows_cut_end"]:
        warnings.append(f"{counted(facts['rows_cut_end'], 'row')}: {END_WARNING}")
    if names := facts["templates_without_place_for_reasoning"]:
        warnings.append(f"the model's chat template has no place for the reasoning: {', '.join(names)} leaves it out")
    if spec.prompt.loss_on == "all":
        warnings.append("the prompt is trained too, because loss_on is all")
    return warnings
