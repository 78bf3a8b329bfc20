"""`prompts show SOURCE --row N`: one row in one template: the exact text, tokens, sections, labels, and what a model is
asked with."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from core.base.command_output import CommandOutput
from core.base.errors import DataError, UsageError
from core.base.row import Row
from core.base.safe_text import safe_line
from core.base.sentences import with_full_stop
from core.cli.prompts.tokenizer_of_model import load_tokenizer
from core.cli.prompts.tokens import preview_as_encoded, print_tokens, token_records
from core.data.column_names_file import parse_names
from core.data.source_record import source_record
from core.examples.example import AnyTemplate, drops_empty_input, joined_text
from core.examples.preview import RowPreviewer
from core.examples.run_mixture import bound_mixture
from core.examples.run_rows import open_rows
from core.examples.template_notes import template_notes
from core.runs.prompt_texts import TOO_LONG_CHOICES
from core.runs.spec import DataSection, ModelSection, PromptSection, RunSpec, check_run_spec, load_run_spec
from core.session import load_session
from core.templates.bind_chat_template import bind_chat_template
from core.templates.by_name import get_template, template_folders
from core.templates.template import Template
from core.tokens.encode import encode_prompt
from core.tokens.loss_mask import is_weighted
from core.tokens.segments import Segment
from core.tokens.tokenizer import TextTokenizer

if TYPE_CHECKING:
    from core.data.dataset import DataSet


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", help="as for `data`")
    parser.add_argument("--split", default="", help="split of a hub data set or saved directory")
    names = "the columns of a CSV or TSV file that has no header"
    parser.add_argument("--names", default="", metavar="A,B", help=names)
    parser.add_argument("--row", type=int, default=0, help="the row's index, from 0")
    parser.add_argument(
        "--spec", type=Path, metavar="SPEC.toml", help="as this run would train it; the other options override it"
    )
    template = "a name that `prompts list` shows (default: the one the run draws, or alpaca-reasoning)"
    parser.add_argument("--template", default="", help=template)
    model = "whose tokens: a folder, hub name or `demo` (default: the run's model, or only the text)"
    parser.add_argument("--model", default="", help=model)
    parser.add_argument("--loss-on", choices=("completion", "all", "response"), help="what is trained")
    drop = "leave out the heading of an empty input, or keep it (default: the template's setting)"
    parser.add_argument("--drop-empty-input", action=argparse.BooleanOptionalAction, help=drop)
    parser.add_argument(
        "--max-length", type=int, metavar="N", dest="max_seq_length", help="tokens a row may have (default 2048)"
    )
    parser.add_argument("--too-long", choices=TOO_LONG_CHOICES, help="what happens to a longer row (default drop)")


def run(arguments: argparse.Namespace, output: CommandOutput) -> int:
    spec = _spec_to_show(arguments)
    data = open_rows(spec.data)
    row = _row_to_show(arguments, data)
    if data.not_used_words:
        output.note(with_full_stop(f"{data.name}: {safe_line(data.not_used_words, 500)}"))
    requested: Template | None = None
    if arguments.template or not arguments.spec:
        requested = get_template(arguments.template or "alpaca-reasoning", template_folders(spec.data.source))
    model = spec.model.name
    if not model and requested is not None and requested.chat is not None:
        model = load_session().model
    tokenizer = load_tokenizer(model, output, spec.model.trust_remote_code) if model else None
    template = _template_to_show(requested, row, spec, tokenizer)
    preview = RowPreviewer(tokenizer).preview(row, template, spec.prompt)
    prompts = _inference_segments(template, row, drops_empty_input(spec.prompt, template))
    notes = template_notes(template)
    text = "".join(text for _, text in preview.texts)
    record: dict[str, Any] = {
        "row": row.index,
        "template": template.name,
        "text": text,
        "fate": preview.outcome,
        "why": preview.why,
        "warnings": preview.warnings,
        "notes": notes,
        "prompts": {name: joined_text(segments) for name, segments in prompts.items()},
        **{name: part for name, part in source_record(data).items() if name in ("not_used", "left_out", "problems")},
    }
    output.text(text)
    if tokenizer is not None and preview.ids:
        encoded = preview_as_encoded(preview, text, is_weighted(spec.prompt.loss_on))
        tokens = token_records(encoded, tokenizer)
        record |= {
            "model": model,
            "ids": encoded.ids,
            "labels": encoded.labels,
            "spans": encoded.spans,
            "tokens": tokens,
            "weights": encoded.weights,
            "tokens_before": preview.full_length,
            "prompt_ids": {name: encode_prompt(segments, tokenizer) for name, segments in prompts.items()},
        }
        print_tokens(encoded, tokens, output)
    for name, prompt in record["prompts"].items():
        output.text(f"\n-- asked {name.replace('_', ' ')} --\n{prompt}")
    if preview.outcome != "trained":
        output.note(with_full_stop(f"This row is {preview.outcome}: {preview.why}"))
    for warning in preview.warnings:
        output.note(with_full_stop(f"Warning: {warning}"))
    for note in notes:
        output.note(with_full_stop(f"Note: {note}"))
    output.record(record)
    return 0


def _spec_to_show(arguments: argparse.Namespace) -> RunSpec:
    """The run with which to show the row; its model may be empty. Raises RunError, UsageError."""
    if arguments.spec is not None:
        spec = load_run_spec(arguments.spec)
    else:
        spec = RunSpec(
            data=DataSection(source=arguments.source), model=ModelSection(name=arguments.model), prompt=PromptSection()
        )
    columns = spec.data.columns if arguments.source == spec.data.source else None  # they belong to the run's source
    names = parse_names(arguments.names) or (spec.data.names if arguments.source == spec.data.source else ())
    data = DataSection(source=arguments.source, split=arguments.split, columns=columns, names=names)
    options = {key: getattr(arguments, key) for key in ("loss_on", "drop_empty_input", "max_seq_length", "too_long")}
    overrides = {key: value for key, value in options.items() if value is not None}
    prompt = msgspec.structs.replace(spec.prompt, **overrides)
    model = msgspec.structs.replace(spec.model, name=arguments.model or spec.model.name)
    spec = msgspec.structs.replace(spec, data=data, model=model, prompt=prompt)
    check_run_spec(msgspec.structs.replace(spec, model=ModelSection(name=model.name or "none")))
    return spec


def _row_to_show(arguments: argparse.Namespace, data: DataSet) -> Row:
    """The row to show. Raises DataError where there is no such row."""
    if not 0 <= arguments.row <= data.highest:
        raise DataError(f"there is no row {arguments.row}", data.name, f"Rows run from 0 to {data.highest}")
    try:
        return data.row(arguments.row)
    except IndexError as error:
        raise DataError(f"row {arguments.row} was deleted", data.name, "`data edit --undo` brings it back") from error


def _template_to_show(
    requested: Template | None, row: Row, spec: RunSpec, tokenizer: TextTokenizer | None
) -> AnyTemplate:
    """The requested template, else the one that the run draws for the row. Raises UsageError."""
    if requested is not None:
        return bind_chat_template(requested, tokenizer) if tokenizer is not None else requested
    if tokenizer is None:
        raise UsageError("the run names no model", "--spec", "Name one with --model, or a template with --template")
    drawn = bound_mixture(spec.prompt, spec.data.source, tokenizer).template_for(row)
    if drawn is None:
        what = "the row has no reasoning, and every template of the run's mixture needs one: it is left out of training"
        raise UsageError(what, f"row {row.index}", "Name a template with --template")
    return drawn


def _inference_segments(template: AnyTemplate, row: Row, drop: bool) -> dict[str, Sequence[Segment]]:
    """The prompts of inference: up to where the model writes, with half of the reasoning, and with all of it. None
    where the template refuses the row."""
    try:
        prompts: dict[str, Sequence[Segment]] = {"without_more": template.row_prompt_segments(row, drop)}
        if template.has_reasoning:
            half = row.reasoning[: len(row.reasoning) // 2]
            prompts["with_a_reasoning_begun"] = template.row_continue_segments(row, half, drop)
            prompts["with_its_reasoning"] = template.row_answer_segments(row, drop)
    except DataError:  # the template refuses the row's context, which the preview says
        return {}
    return prompts
