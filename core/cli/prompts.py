"""`prompts list`, `prompts show SOURCE --row N` and `prompts check SPEC.toml`: what a model is shown, to the token,
before it is trained."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from core.base.command_output import Output
from core.base.errors import DataError, RunError, SuironError, UsageError
from core.base.row import Row
from core.base.safe_text import safe_line
from core.examples.preview import Examiner, Preview
from core.examples.run_mixture import bound_mixture, policy_of
from core.examples.run_rows import facts_of, open_rows
from core.runs.prompt_texts import TOO_LONGS
from core.runs.spec import DataSection, ModelSection, PromptSection, RunSpec, check, load_spec
from core.session import load_session
from core.templates.bind_chat_template import bind
from core.templates.by_name import beside, get_template, list_templates
from core.templates.chat_template import ChatTemplate
from core.templates.template import Template
from core.tokens.encode import EncodedRow, as_row, encode_prompt
from core.tokens.loss_mask import IGNORED, is_weighted
from core.tokens.segments import Segment
from core.tokens.tokenizer import TextTokenizer

END_WARNING = (
    "the end of these rows is cut off: they lose their end of sequence and as much of their answer as does not fit, and teach a model to go on"
    " thinking without ever answering or ending; `cut_reasoning` keeps both"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    tasks = parser.add_subparsers(dest="task", required=True, metavar="TASK")
    listing = tasks.add_parser(
        "list", help="every template file: built in, your own, beside a data set; bad ones with what is wrong in them"
    )
    listing.add_argument("--beside", default="", metavar="SOURCE", help="also those that lie beside this data set")
    show = tasks.add_parser(
        "show", help="one row in one template: the exact text, tokens, sections, labels, and what a model is asked with"
    )
    show.add_argument("source", help="as for `data`")
    show.add_argument("--split", default="", help="split of a hub data set or saved directory")
    show.add_argument("--row", type=int, default=0, help="the row's index, from 0")
    show.add_argument(
        "--spec", type=Path, metavar="SPEC.toml", help="as this run would train it; what else is given here wins"
    )
    show.add_argument(
        "--template",
        default="",
        help="a name that `prompts list` shows; without it the one the run draws, or alpaca-reasoning",
    )
    show.add_argument(
        "--model",
        default="",
        help="whose tokens: a folder, hub name or `demo`; without it the run's, or the text alone",
    )
    show.add_argument("--loss-on", choices=("completion", "all", "response"), help="what is learnt")
    drop = "leave out the heading of an empty input, or keep it (default: as the template says)"
    show.add_argument("--drop-empty-input", action=argparse.BooleanOptionalAction, help=drop)
    show.add_argument(
        "--max-length", type=int, metavar="N", dest="max_seq_length", help="tokens a row may have (default 2048)"
    )
    show.add_argument("--too-long", choices=TOO_LONGS, help="what happens to a longer row (default drop)")
    check = tasks.add_parser(
        "check",
        help="everything training would look at before it starts: counts, lengths, checks of every row, the hash",
    )
    check.add_argument("spec", type=Path, help="a run's specification")
    for task in (listing, show, check):
        task.add_argument(
            "--json", action="store_true", default=argparse.SUPPRESS, help="JSON lines on standard output"
        )


def run(arguments: argparse.Namespace, output: Output) -> int:
    return {"list": _list, "show": _show, "check": _check}[arguments.task](arguments, output)


def _list(arguments: argparse.Namespace, output: Output) -> int:
    for one in list_templates(beside(arguments.beside)):
        template, error = one.template, one.error
        said: dict[str, Any] = {"name": one.name, "origin": one.origin, "path": str(one.path)}
        if template is not None:
            said |= {
                "words": template.words,
                "reasoning": template.has_reasoning,
                "drop_empty_input": template.drop_empty_input,
            }
            said |= {"languages": list(template.versions), "chat": template.chat}
            languages = f" ({', '.join(template.versions)})" if len(template.versions) > 1 else ""
            output.text(f"{one.name:28} {one.origin:15} {safe_line(template.words, 100)}{languages}")
        elif error is not None:
            said["error"] = {"what": error.what, "where": error.where, "do": error.do}
            output.text(f"{safe_line(one.name, 28):28} {one.origin:15} cannot be used")
            output.note(str(error))
        output.record(said)
    return 0


def _show(arguments: argparse.Namespace, output: Output) -> int:
    spec = _shown_as(arguments)
    data = open_rows(spec.data)
    if not 0 <= arguments.row <= data.highest:
        raise DataError(f"there is no row {arguments.row}", data.name, f"Rows run from 0 to {data.highest}")
    try:
        row = data.row(arguments.row)
    except IndexError as error:
        raise DataError(f"row {arguments.row} was deleted", data.name, "`data edit --undo` brings it back") from error
    named = (
        get_template(arguments.template or "alpaca-reasoning", beside(spec.data.source))
        if arguments.template or not arguments.spec
        else None
    )
    model = spec.model.name or (load_session().model if named is not None and named.chat is not None else "")
    tokenizer = _tokenizer(model, output, spec.model.trust_remote_code) if model else None
    template = _template(named, row, spec, tokenizer)
    policy = policy_of(spec.prompt)
    preview = Examiner(tokenizer).preview(row, template, policy)
    prompts = _prompts(template, row, policy.drops(template))
    text = "".join(text for _, text in preview.texts)
    said: dict[str, Any] = {
        "row": row.index,
        "template": template.name,
        "text": text,
        "fate": preview.fate,
        "why": preview.why,
    }
    said |= {"warnings": preview.warnings, "prompts": {name: _joined(parts) for name, parts in prompts.items()}}
    output.text(text)
    if tokenizer is not None and preview.ids:
        encoded = _encoded(preview, text, is_weighted(policy.loss_on))
        tokens = _tokens(encoded, tokenizer)
        said |= {"model": model, "ids": encoded.ids, "labels": encoded.labels, "spans": encoded.spans, "tokens": tokens}
        said |= {"weights": encoded.weights, "tokens_before": preview.tokens_before}
        said["prompt_ids"] = {name: encode_prompt(parts, tokenizer) for name, parts in prompts.items()}
        output.text("\n  place      id  section    learnt  text")
        for place, token in enumerate(tokens):
            output.text(
                f"{place:7} {token['id']:7}  {token['section']:9}  {'yes' if token['learnt'] else '-':6}  {_visible(token['text'])}"
            )
        counts = ", ".join(f"{span.kind} {span.end - span.start}" for span in encoded.spans)
        output.text(
            f"\n{len(encoded.ids)} tokens ({counts}), {sum(label != IGNORED for label in encoded.labels)} learnt"
        )
    for name, asked in said["prompts"].items():
        output.text(f"\n-- asked {name.replace('_', ' ')} --\n{asked}")
    if preview.fate != "trained":
        output.note(f"This row is {preview.fate}: {preview.why}.")
    for warning in preview.warnings:
        output.note(f"Warning: {warning}.")
    output.record(said)
    return 0


def _shown_as(arguments: argparse.Namespace) -> RunSpec:
    """The run to show the row as, without a model where none is named. Raises RunError, UsageError."""
    if arguments.spec is not None:
        spec = load_spec(arguments.spec)
    else:
        spec = RunSpec(
            data=DataSection(source=arguments.source), model=ModelSection(name=arguments.model), prompt=PromptSection()
        )
    columns = spec.data.columns if arguments.source == spec.data.source else None  # they are of the run's own source
    data = DataSection(source=arguments.source, split=arguments.split, columns=columns)
    given = {key: getattr(arguments, key) for key in ("loss_on", "drop_empty_input", "max_seq_length", "too_long")}
    prompt = msgspec.structs.replace(spec.prompt, **{key: value for key, value in given.items() if value is not None})
    model = msgspec.structs.replace(spec.model, name=arguments.model or spec.model.name)
    spec = msgspec.structs.replace(spec, data=data, model=model, prompt=prompt)
    check(msgspec.structs.replace(spec, model=ModelSection(name=model.name or "none")))
    return spec


def _template(
    named: Template | None, row: Row, spec: RunSpec, tokenizer: TextTokenizer | None
) -> Template | ChatTemplate:
    """The one that was named, else the one that the run draws for the row."""
    if named is not None:
        return bind(named, tokenizer) if tokenizer is not None else named
    if tokenizer is None:
        raise UsageError("the run names no model", "--spec", "Name one with --model, or a template with --template")
    drawn = bound_mixture(spec.prompt.mixture, spec.prompt.seed, spec.data.source, tokenizer).choose(row)
    if drawn is None:
        what = (
            "the row has no reasoning, and every template of the run's mixture asks for one: it is left out of training"
        )
        raise UsageError(what, f"row {row.index}", "Name a template with --template")
    return drawn


def _encoded(preview: Preview, text: str, weighted: bool) -> EncodedRow:
    """The preview in the encoder's words."""
    import numpy as np

    return as_row(
        np.array(preview.ids, np.int32),
        np.array(preview.ends, np.int32),
        preview.present,
        text,
        preview.weights,
        weighted,
    )


def _prompts(template: Template | ChatTemplate, row: Row, drop: bool) -> dict[str, Sequence[Segment]]:
    """What inference feeds: up to where the model writes, with the first half of the reasoning, and with all of it."""
    given = (row.instruction, row.input)
    prompts: dict[str, Sequence[Segment]] = {"without_more": template.prompt_segments(*given, drop, row.syslang)}
    if template.has_reasoning:
        prompts["with_a_reasoning_begun"] = template.continue_segments(
            *given, row.reasoning[: len(row.reasoning) // 2], drop, row.syslang
        )
        prompts["with_its_reasoning"] = template.answer_segments(*given, row.reasoning, drop, row.syslang)
    return prompts


def _tokens(encoded: EncodedRow, tokenizer: TextTokenizer) -> list[dict[str, Any]]:
    sections = [span.kind for span in encoded.spans for _ in range(span.start, span.end)]
    return [
        {"id": id, "text": tokenizer.token_text(id), "section": section, "learnt": label != IGNORED}
        for id, label, section in zip(encoded.ids, encoded.labels, sections, strict=True)
    ]


def _check(arguments: argparse.Namespace, output: Output) -> int:
    from core.examples.prepare import examine

    spec = load_spec(arguments.spec)
    data = open_rows(spec.data)
    tokenizer = _tokenizer(spec.model.name, output, spec.model.trust_remote_code)
    prepared, report, work = examine(
        data, spec, tokenizer, lambda rows: output.progress(f"{rows:,} of {len(data):,} rows")
    )
    output.progress_done()
    if prepared is None:
        raise work.nothing_left()
    facts, faults, warnings = prepared.facts(), report.faults(), _warnings(prepared.facts(), spec)
    output.record(
        {
            **facts_of(data),
            **facts,
            "checks": report,
            "faults": faults,
            "warnings": warnings,
            "rows_encoded_now": prepared.store.encoded,
        }
    )
    output.text(f"{data.name}: {len(data):,} rows, {len(prepared):,} to train on")
    output.text(f"mixture   {work.realised(prepared.template).words()}")
    output.text(
        f"tokens    {prepared.tokens:,} a pass, {prepared.trained_tokens:,} of them learnt; the longest row has {prepared.longest:,}"
    )
    cut = f"too long, {spec.prompt.too_long}"
    for words, found in (
        ("too long, left out", work.too_long),
        (cut, work.cut),
        ("no template for them", work.not_drawn),
    ):
        if found.count:
            output.text(f"          {words}: {found.words()}")
    if work.unreadable:
        output.text(
            f"          cannot be encoded: {len(work.unreadable):,}, the first {work.unreadable[0][0]} because {work.unreadable[0][1]}"
        )
    output.text(
        f"checked   {report.rows:,} rows, {report.reasonings:,} with a reasoning that is learnt: {'no fault' if not faults else 'FAULTS'}"
    )
    output.text(f"hash      {prepared.hash}")
    for warning in warnings:
        output.note(f"Warning: {warning}.")
    if faults:
        raise RunError(
            "training would not start: " + "; ".join(faults),
            str(arguments.spec),
            "Mend those rows, or the template, and check again",
        )
    return 0


def _warnings(facts: dict[str, Any], spec: RunSpec) -> list[str]:
    found = []
    if facts["rows_cut_end"]:
        found.append(f"{facts['rows_cut_end']:,} rows: {END_WARNING}")
    if names := facts["templates_without_place_for_reasoning"]:
        found.append(f"the model's chat template has no place for the reasoning: {', '.join(names)} leaves it out")
    if facts["rows_reasoning_changed_by_tokenizer"]:
        found.append(
            f"{facts['rows_reasoning_changed_by_tokenizer']:,} reasonings hold characters that the tokenizer changes"
        )
    if spec.prompt.loss_on == "all":
        found.append("the prompt is learnt as well, as loss_on says")
    return found


def _tokenizer(model: str, output: Output, trust_remote_code: bool = False) -> TextTokenizer:
    folder = Path(model).expanduser()
    if not (folder / "tokenizer.json").is_file():
        from core.models.resolve import local_folder

        try:
            folder = local_folder(model, output.note, trust_remote_code=trust_remote_code)
        except SuironError as error:
            if folder.is_dir():
                raise UsageError(
                    "there is no tokenizer.json in it", model, "Name a model's folder, a hub name or `demo`"
                ) from error
            raise
    return TextTokenizer.from_folder(folder)


def _joined(segments: Sequence[Segment]) -> str:
    return "".join(one.text for one in segments)


def _visible(text: str) -> str:
    """A token on one line: its line ends and outer blanks as signs."""
    inner = text.strip(" ")
    left = len(text) - len(text.lstrip(" "))
    right = len(text) - left - len(inner)
    return "·" * left + inner.replace("\r", "␍").replace("\n", "⏎").replace("\t", "⇥") + "·" * right
