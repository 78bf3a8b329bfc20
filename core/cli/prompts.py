"""`prompts list`, `prompts show SOURCE --row N`, `prompts check SPEC.toml`: the exact training text before a run."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from core.base.command_output import CommandOutput
from core.base.errors import DataError, RunError, SuironError, UsageError, error_record
from core.base.plural import counted
from core.base.row import Row
from core.base.row_tally import RowTally
from core.base.safe_text import safe_line
from core.data.column_names_file import parse_names
from core.data.problems import problem_words, unread_words
from core.data.source_record import source_record
from core.examples.example import AnyTemplate, Verdict, drops_empty_input, joined_text
from core.examples.preview import RowPreview, RowPreviewer
from core.examples.run_mixture import bound_mixture
from core.examples.run_rows import data_facts, open_rows
from core.examples.template_notes import template_notes
from core.runs.prompt_texts import TOO_LONG_CHOICES
from core.runs.spec import DataSection, ModelSection, PromptSection, RunSpec, check_run_spec, load_run_spec
from core.session import load_session
from core.templates.bind_chat_template import bind_chat_template
from core.templates.by_name import get_template, list_templates, template_folders
from core.templates.template import Template
from core.tokens.encode import EncodedRow, encode_prompt, encoded_row
from core.tokens.loss_mask import IGNORED_LABEL, is_weighted
from core.tokens.segments import Segment
from core.tokens.tokenizer import TextTokenizer

if TYPE_CHECKING:
    from core.data.dataset import DataSet
    from core.examples.build import TrainingSetBuilder

_MOST_REASONS = 12
END_WARNING = (
    "the end of these rows is cut off: they lose their end of sequence and the part of their answer that does not fit,"
    " and teach a model to think without ever answering or ending; `cut_reasoning` keeps both"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    tasks = parser.add_subparsers(dest="task", required=True, metavar="TASK")
    listing = tasks.add_parser(
        "list", help="every template file: built in, your own, beside a data set; and what is wrong with bad ones"
    )
    listing.add_argument("--beside", default="", metavar="SOURCE", help="also the templates beside this data set")
    show = tasks.add_parser(
        "show", help="one row in one template: the exact text, tokens, sections, labels, and what a model is asked with"
    )
    _add_show_arguments(show)
    check_run_spec = tasks.add_parser(
        "check", help="what training checks before it starts: counts, lengths, checks of every row, the hash"
    )
    check_run_spec.add_argument("spec", type=Path, help="a run's specification")
    for task in (listing, show, check_run_spec):
        task.add_argument(
            "--json", action="store_true", default=argparse.SUPPRESS, help="JSON lines on standard output"
        )


def _add_show_arguments(show: argparse.ArgumentParser) -> None:
    show.add_argument("source", help="as for `data`")
    show.add_argument("--split", default="", help="split of a hub data set or saved directory")
    names = "the columns of a CSV or TSV file that has no header"
    show.add_argument("--names", default="", metavar="A,B", help=names)
    show.add_argument("--row", type=int, default=0, help="the row's index, from 0")
    show.add_argument(
        "--spec", type=Path, metavar="SPEC.toml", help="as this run would train it; the other options override it"
    )
    template = "a name that `prompts list` shows (default: the one the run draws, or alpaca-reasoning)"
    show.add_argument("--template", default="", help=template)
    model = "whose tokens: a folder, hub name or `demo` (default: the run's model, or only the text)"
    show.add_argument("--model", default="", help=model)
    show.add_argument("--loss-on", choices=("completion", "all", "response"), help="what is trained")
    drop = "leave out the heading of an empty input, or keep it (default: the template's setting)"
    show.add_argument("--drop-empty-input", action=argparse.BooleanOptionalAction, help=drop)
    show.add_argument(
        "--max-length", type=int, metavar="N", dest="max_seq_length", help="tokens a row may have (default 2048)"
    )
    show.add_argument("--too-long", choices=TOO_LONG_CHOICES, help="what happens to a longer row (default drop)")


def run(arguments: argparse.Namespace, output: CommandOutput) -> int:
    return {"list": _list, "show": _show, "check": _check}[arguments.task](arguments, output)


# -- list --


def _list(arguments: argparse.Namespace, output: CommandOutput) -> int:
    for listed in list_templates(template_folders(arguments.beside)):
        template, error = listed.template, listed.error
        record: dict[str, Any] = {"name": listed.name, "origin": listed.origin, "path": str(listed.path)}
        if template is not None:
            record["words"] = template.words
            record["reasoning"] = template.has_reasoning
            record["drop_empty_input"] = template.drop_empty_input
            record["languages"] = list(template.versions)
            record["chat"] = template.chat
            languages = f" ({', '.join(template.versions)})" if len(template.versions) > 1 else ""
            output.text(f"{listed.name:28} {listed.origin:15} {safe_line(template.words, 100)}{languages}")
        elif error is not None:
            record["error"] = error_record(error)
            output.text(f"{safe_line(listed.name, 28):28} {listed.origin:15} cannot be used")
            output.note(str(error))
        output.record(record)
    return 0


# -- show --


def _show(arguments: argparse.Namespace, output: CommandOutput) -> int:
    spec = _spec_to_show(arguments)
    data = open_rows(spec.data)
    row = _row_to_show(arguments, data)
    if data.not_used_words:
        output.note(f"{data.name}: {safe_line(data.not_used_words, 500)}.")
    requested: Template | None = None
    if arguments.template or not arguments.spec:
        requested = get_template(arguments.template or "alpaca-reasoning", template_folders(spec.data.source))
    model = spec.model.name
    if not model and requested is not None and requested.chat is not None:
        model = load_session().model
    tokenizer = _load_tokenizer(model, output, spec.model.trust_remote_code) if model else None
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
        encoded = _encoded_row(preview, text, is_weighted(spec.prompt.loss_on))
        tokens = _token_records(encoded, tokenizer)
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
        _print_tokens(encoded, tokens, output)
    for name, prompt in record["prompts"].items():
        output.text(f"\n-- asked {name.replace('_', ' ')} --\n{prompt}")
    if preview.outcome != "trained":
        output.note(f"This row is {preview.outcome}: {preview.why}.")
    for warning in preview.warnings:
        output.note(f"Warning: {warning}.")
    for note in notes:
        output.note(f"Note: {note}.")
    output.record(record)
    return 0


def _print_tokens(encoded: EncodedRow, tokens: list[dict[str, Any]], output: CommandOutput) -> None:
    output.text("\n  index      id  section    trained  text")
    for index, token in enumerate(tokens):
        trained = "yes" if token["learnt"] else "-"
        output.text(f"{index:7} {token['id']:7}  {token['section']:9}  {trained:7}  {_visible(token['text'])}")
    counts = ", ".join(f"{span.kind} {span.end - span.start}" for span in encoded.spans)
    trained_tokens = sum(label != IGNORED_LABEL for label in encoded.labels)
    output.text(f"\n{len(encoded.ids)} tokens ({counts}), {trained_tokens} trained")


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


def _encoded_row(preview: RowPreview, text: str, weighted: bool) -> EncodedRow:
    """The preview as an encoded row."""
    import numpy as np

    ids, ends = np.array(preview.ids, np.int32), np.array(preview.ends, np.int32)
    return encoded_row(ids, ends, preview.present, text, preview.weights, weighted)


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


def _token_records(encoded: EncodedRow, tokenizer: TextTokenizer) -> list[dict[str, Any]]:
    sections = [span.kind for span in encoded.spans for _ in range(span.start, span.end)]
    return [
        {"id": id, "text": tokenizer.token_text(id), "section": section, "learnt": label != IGNORED_LABEL}
        for id, label, section in zip(encoded.ids, encoded.labels, sections, strict=True)
    ]


# -- check --


def _check(arguments: argparse.Namespace, output: CommandOutput) -> int:
    from core.examples.build import examine_training_set

    spec = load_run_spec(arguments.spec)
    data = open_rows(spec.data)
    tokenizer = _load_tokenizer(spec.model.name, output, spec.model.trust_remote_code)
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
            "left_out": _left_out_record(builder, about["left_out"]["reasons"]),
            "rows_encoded_now": training_set.store.encoded,
        }
    )
    tokens = f"{training_set.tokens:,} a pass, {training_set.trained_tokens:,} of them trained"
    verdict = "FAULTS" if faults else "no fault in these" if data.problem_count else "no fault"
    if data.problem_count:
        output.text(f"CANNOT BE READ: {_unreadable_words(data)}")
    output.text(f"{data.name}: {len(data):,} rows, {len(training_set):,} to train on")
    output.text(f"mixture   {builder.template_counts(training_set.template_indices).words()}")
    output.text(f"tokens    {tokens}; the longest row has {training_set.longest:,}")
    _print_left_out(builder, output)
    output.text(f"checked   {report.rows:,} rows, {report.reasonings:,} with a trained reasoning: {verdict}")
    output.text(f"hash      {training_set.hash}")
    if data.not_used_words:
        output.note(f"Note: {safe_line(data.not_used_words, 500)}.")
    for warning in warnings:
        output.note(f"Warning: {warning}.")
    for note in notes:
        output.note(f"Note: {note}.")
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


def _left_out_record(builder: TrainingSetBuilder, marked: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Rows that are not trained, by reason. marked: those that the source marks as not to be learnt, numbered as in the
    source; the others by their index."""
    reasons = {reason: {**tally, "numbered": "in the source, from 1"} for reason, tally in marked.items()}
    tallies = {
        "too long": builder.tallies[Verdict.TOO_LONG],
        "no template for them": builder.tallies[Verdict.NO_TEMPLATE],
        "no token of them is trained": builder.tallies[Verdict.NOTHING_TRAINED],
        **_by_reason(builder.unreadable),
    }
    for reason, tally in tallies.items():
        if tally.count:
            reasons[reason] = {"count": tally.count, "rows": tally.rows, "numbered": "by index, from 0"}
    return {"count": sum(tally["count"] for tally in reasons.values()), "reasons": reasons}


def _print_left_out(builder: TrainingSetBuilder, output: CommandOutput) -> None:
    for verdict, words in (
        (Verdict.TOO_LONG, "too long, left out"),
        (Verdict.CUT, f"too long, {builder.spec.prompt.too_long}"),
        (Verdict.NO_TEMPLATE, "no template for them"),
    ):
        if builder.tallies[verdict].count:
            output.text(f"          {words}: {builder.tallies[verdict].words()}")
    for why, tally in _by_reason(builder.unreadable).items():
        output.text(f"          left out: {tally.words()}: {safe_line(why, 200)}")


def _by_reason(unreadable: Sequence[tuple[int, str]]) -> dict[str, RowTally]:
    """The rows that were left out, by the reason; as many reasons as fit on a screen, the others as one."""
    tallies: dict[str, RowTally] = {}
    for index, why in unreadable:
        key = why if why in tallies or len(tallies) < _MOST_REASONS else "other reasons"
        tallies.setdefault(key, RowTally()).add(index)
    return tallies


def _spec_warnings(facts: dict[str, Any], spec: RunSpec) -> list[str]:
    """Effects of the run that its user may not expect, a sentence each."""
    warnings = []
    if facts["rows_cut_end"]:
        warnings.append(f"{facts['rows_cut_end']:,} rows: {END_WARNING}")
    if names := facts["templates_without_place_for_reasoning"]:
        warnings.append(f"the model's chat template has no place for the reasoning: {', '.join(names)} leaves it out")
    if spec.prompt.loss_on == "all":
        warnings.append("the prompt is trained too, because loss_on is all")
    return warnings


def _load_tokenizer(model: str, output: CommandOutput, trust_remote_code: bool = False) -> TextTokenizer:
    folder = Path(model).expanduser()
    if not (folder / "tokenizer.json").is_file():
        from core.models.resolve import local_model_folder

        try:
            folder = local_model_folder(model, output.note, trust_remote_code=trust_remote_code)
        except SuironError as error:
            if folder.is_dir():
                do = "Name a model's folder, a hub name or `demo`"
                raise UsageError("the folder has no tokenizer.json", model, do) from error
            raise
    return TextTokenizer.from_folder(folder)


def _visible(text: str) -> str:
    """A token on one line, with symbols for its line ends and outer spaces."""
    inner = text.strip(" ")
    left = len(text) - len(text.lstrip(" "))
    right = len(text) - left - len(inner)
    return "·" * left + inner.replace("\r", "␍").replace("\n", "⏎").replace("\t", "⇥") + "·" * right
