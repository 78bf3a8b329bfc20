"""`data stats SOURCE`: rows per language and split, empty fields, lengths in tokens, and what a maximum length would
cost."""

from __future__ import annotations

import argparse

from core.base.command_output import Output
from core.base.safe_text import safe_line
from core.cli.data import options, training
from core.cli.data.doctor import progressed
from core.quality import client
from core.quality.report import Lengths, Statistics

_BAR, _BINS = 40, 20
_SHARES = (0.95, 0.99, 1.0)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    options.add_source(parser)
    training.add_arguments(parser, "count tokens with this model's tokenizer; without one, characters are counted")


def run(arguments: argparse.Namespace, output: Output) -> int:
    how = training.chosen(arguments)
    try:
        found = client.run(
            "statistics", arguments.source, arguments.split, how, lambda progress: output.progress(progressed(progress))
        )
    finally:
        output.progress_done()
    output.record(_record(found, how.max_length))
    _rows(found, output)
    _lengths(found, output)
    _cut(found, how.max_length, output)
    if found.note:
        output.note(safe_line(found.note, 300))
    return 0


def _record(found: Statistics, max_length: int) -> dict[str, object]:
    cut = found.cut(max_length)
    return {
        "source": found.source, "split": found.split, "rows": found.rows, "languages": found.languages, "flags": found.flags,
        "pairs": [{"syslang": lang, "sysflag": flag, "rows": count} for lang, flag, count in found.pairs], "empty": found.empty,
        "unit": found.unit, "tokenizer": found.tokenizer, "columns": {column: _summary(one) for column, one in found.columns.items()},
        "whole": _summary(found.whole), "templates": found.templates, "unreadable": found.unreadable,
        "without_reasoning": found.without_reasoning, "no_template": found.no_template,
        "keeps": {f"{share:.0%}": found.whole.keeping(share) for share in _SHARES},
        "max_length": {"tokens": max_length, "rows_left_out": cut.lose_eos, "rows_without_answer": cut.lose_answer} if found.tokenizer else None,
    }  # fmt: skip


def _summary(lengths: Lengths) -> dict[str, float]:
    return {
        "rows": lengths.rows, "mean": round(lengths.mean, 1), "p50": lengths.keeping(0.5), "p95": lengths.keeping(0.95),
        "p99": lengths.keeping(0.99), "max": lengths.max,
    }  # fmt: skip


def _rows(found: Statistics, output: Output) -> None:
    output.text(f"{found.rows:,} rows")
    for lang, flag, count in found.pairs[:20]:
        output.text(
            f"  {safe_line(lang, 20) or '(no language)':<20} {safe_line(flag, 20) or '(no flag)':<12} {count:>10,}"
        )
    if len(found.pairs) > 20:
        output.text(f"  and {len(found.pairs) - 20} more pairs")
    empty = [f"{column} {count:,}" for column, count in found.empty.items() if count]
    output.text(f"empty fields: {', '.join(empty) or 'none'}")
    output.text()


def _lengths(found: Statistics, output: Output) -> None:
    output.text(f"{f'length in {found.unit}':<24}{'mean':>9}{'p50':>9}{'p95':>9}{'p99':>9}{'max':>9}")
    for name, lengths in (*found.columns.items(), ("as trained", found.whole)):
        numbers = (lengths.mean, *(lengths.keeping(share) for share in (0.5, 0.95, 0.99)), lengths.max)
        output.text(f"  {name:<22}" + "".join(f"{number:>9,.0f}" for number in numbers))
    output.text()
    bins = found.whole.bins(_BINS)
    most = max((one.count for one in bins), default=1)
    for one in bins:
        output.text(
            f"  {one.low:>7,} - {one.high:<7,} {'█' * round(_BAR * one.count / most) or ('▏' if one.count else ''):<{_BAR}} {one.count:,}"
        )
    output.text()


def _cut(found: Statistics, max_length: int, output: Output) -> None:
    templates = ", ".join(f"{count:,} {name}" for name, count in found.templates.items())
    without = f" ({found.without_reasoning:,} of them have no reasoning)" if found.without_reasoning else ""
    output.text(f"templates: {templates}{without}")
    if found.no_template:
        rows = "1 row has" if found.no_template == 1 else f"{found.no_template:,} rows have"
        output.text(f"{rows} no reasoning, and every template of the mixture asks for one: left out of training")
    output.text(
        "kept whole: "
        + ", ".join(f"{share:.0%} of the rows by {found.whole.keeping(share):,} {found.unit}" for share in _SHARES)
    )
    if found.tokenizer:
        cut = found.cut(max_length)
        share = 1 - cut.kept
        output.text(
            f"at {max_length:,} tokens {cut.lose_eos:,} rows ({share:.2%}) would lose their end and are left out of training, "
            f"{cut.lose_answer:,} of them would lose the whole answer"
        )
    if found.unreadable:
        output.text(f"{found.unreadable:,} rows cannot be encoded")
