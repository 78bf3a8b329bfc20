"""`data edit SOURCE`: the edits of the Data room, in the same journal beside the data. The source is never written."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import msgspec

from core.base.command_output import CommandOutput
from core.base.errors import DataError, UsageError
from core.base.plural import counted
from core.cli.data import options
from core.data.editing.bulk_edits import SPLIT_SEED
from core.data.editing.editor import EditStep, RowEditor, open_editor

_DO = (
    "Name one of --set, --delete, --duplicate, --add, --undo, --redo, --log, "
    "--fill, --split-share, --extract-reasoning, --drop"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    options.add_source(parser)
    single = parser.add_argument_group("one row")
    single.add_argument(
        "--row", type=int, help="the row, by its index from 0; with --add, the row after which the new one goes"
    )
    single.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="COLUMN=VALUE",
        dest="texts",
        help="set a column; can be repeated",
    )
    single.add_argument("--delete", action="store_true", help="delete the row")
    single.add_argument("--duplicate", action="store_true", help="insert a copy after it")
    single.add_argument("--add", metavar="JSON", help='a new row, as in: {"instruction": "...", "output": "..."}')
    many = parser.add_argument_group("all rows that pass the filters, or --all")
    options.add_filters(many)  # type: ignore[arg-type]  # a group takes arguments as a parser does
    many.add_argument("--all", action="store_true", help="every row; needed where no filter is given")
    many.add_argument("--fill", metavar="COLUMN=VALUE", help="set a column")
    many.add_argument(
        "--split-share",
        type=float,
        metavar="SHARE",
        help="set sysflag to test for this share of the rows, to train for the others",
    )
    many.add_argument(
        "--seed", type=int, default=SPLIT_SEED, help="seed of the split; the same seed picks the same rows in any order"
    )
    many.add_argument(
        "--extract-reasoning", action="store_true", help="move the text inside <think> from output to reasoning"
    )
    many.add_argument("--drop", action="store_true", help="delete the rows")
    past = parser.add_argument_group("history")
    past.add_argument("--undo", action="store_true", help="undo the last edit")
    past.add_argument("--redo", action="store_true", help="redo the last undone edit")
    past.add_argument("--log", action="store_true", help="list the edits, oldest first")


def run(arguments: argparse.Namespace, output: CommandOutput) -> int:
    requested = [(name, work) for name, work in _WORK.items() if _is_set(getattr(arguments, name))]
    if len(requested) != 1:
        raise UsageError("no edit given" if not requested else "more than one edit given", "data edit", _DO)
    name, work = requested[0]
    if name in ("texts", "delete", "duplicate") and arguments.row is None:
        raise UsageError("no row given", "data edit", "Name it with --row N")
    with open_editor(options.open_source(arguments, output)) as editor:
        work(editor, arguments, output)
        if not editor.beside:
            output.note(f"The edits are kept in {editor.where}, because the data's own folder cannot be written.")
    return 0


def _is_set(value: Any) -> bool:
    return value is not None and value is not False and value != []


def _rows(editor: RowEditor, arguments: argparse.Namespace) -> Any:
    if not options.has_filters(arguments) and not arguments.all:
        raise UsageError("this would change every row", "data edit", "Give a filter, or --all to change every row")
    return editor.dataset.select(options.row_filters(arguments)).indices


def _set(editor: RowEditor, arguments: argparse.Namespace, output: CommandOutput) -> None:
    changed = editor.change(arguments.row, dict(map(options.parse_assignment, arguments.texts)))
    words = f"row {arguments.row} changed" if changed else f"row {arguments.row} has that text already"
    _print_edit(output, words, int(changed), arguments.row)


def _delete(editor: RowEditor, arguments: argparse.Namespace, output: CommandOutput) -> None:
    _print_edit(
        output, f"row {arguments.row} deleted; --undo brings it back", editor.delete([arguments.row]), arguments.row
    )


def _duplicate(editor: RowEditor, arguments: argparse.Namespace, output: CommandOutput) -> None:
    index = editor.duplicate(arguments.row)
    _print_edit(output, f"row {arguments.row} duplicated as {index}", 1, index)


def _add(editor: RowEditor, arguments: argparse.Namespace, output: CommandOutput) -> None:
    try:
        texts = msgspec.json.decode(arguments.add, type=dict[str, str])
    except (msgspec.DecodeError, UnicodeError) as error:
        raise UsageError(
            f"the row is not a JSON object of texts ({error})",
            "data edit --add",
            'As in: {"instruction": "...", "output": "..."}',
        ) from error
    index = editor.add(texts, arguments.row)
    _print_edit(output, f"row {index} added", 1, index)


def _fill(editor: RowEditor, arguments: argparse.Namespace, output: CommandOutput) -> None:
    column, value = options.parse_assignment(arguments.fill)
    count = editor.fill(_rows(editor, arguments), column, value)
    _print_edit(output, f"{column} set in {counted(count, 'row')}", count)


def _split(editor: RowEditor, arguments: argparse.Namespace, output: CommandOutput) -> None:
    test, train = editor.split(_rows(editor, arguments), arguments.split_share, arguments.seed)
    output.record(
        {"done": f"sysflag is now test in {counted(test, 'row')}, train in {train:,}", "test": test, "train": train}
    )
    output.text(f"sysflag is now test in {counted(test, 'row')}, train in {train:,}")


def _extract(editor: RowEditor, arguments: argparse.Namespace, output: CommandOutput) -> None:
    count = editor.extract_reasoning(_rows(editor, arguments))
    _print_edit(output, f"reasoning of {counted(count, 'row')} moved into its column", count)


def _drop(editor: RowEditor, arguments: argparse.Namespace, output: CommandOutput) -> None:
    count = editor.delete(_rows(editor, arguments))
    _print_edit(output, f"{counted(count, 'row')} deleted; --undo brings them back", count)


def _undo(editor: RowEditor, arguments: argparse.Namespace, output: CommandOutput) -> None:
    _print_step(editor.undo(), "undone", "there is nothing to undo", output)


def _redo(editor: RowEditor, arguments: argparse.Namespace, output: CommandOutput) -> None:
    _print_step(editor.redo(), "redone", "there is nothing to redo", output)


def _print_step(step: EditStep | None, word: str, nothing: str, output: CommandOutput) -> None:
    if step is None:
        raise DataError(nothing, "data edit", "`--log` lists the edits")
    _print_edit(output, f"{word}: {step.words}", None, step.index)


def _log(editor: RowEditor, arguments: argparse.Namespace, output: CommandOutput) -> None:
    import time

    for step in editor.log():
        output.record(step)
        output.text(f"{time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(step.when))}\t{step.words}")
    output.note(f"{counted(editor.undoable, 'edit')}, {editor.redoable} undone; kept in {editor.where}")


def _print_edit(output: CommandOutput, words: str, rows: int | None, index: int | None = None) -> None:
    facts = {"done": words, "rows": rows, "index": index}
    output.record({name: value for name, value in facts.items() if value is not None})
    output.text(words)


_WORK: dict[str, Callable[[RowEditor, argparse.Namespace, CommandOutput], None]] = {
    "texts": _set,
    "delete": _delete,
    "duplicate": _duplicate,
    "add": _add,
    "fill": _fill,
    "split_share": _split,
    "extract_reasoning": _extract,
    "drop": _drop,
    "undo": _undo,
    "redo": _redo,
    "log": _log,
}
