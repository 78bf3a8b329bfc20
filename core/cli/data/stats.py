"""`data stats SOURCE`: rows by language and split, empty fields, lengths in tokens, and what a maximum length costs."""

from __future__ import annotations

import argparse

from core.base.command_output import CommandOutput
from core.base.plural import counted
from core.base.safe_text import safe_line
from core.base.sentences import with_full_stop
from core.cli.data import options
from core.cli.data.doctor import progress_words
from core.cli.data.training_options import add_training_arguments, training_options
from core.quality import quality_job
from core.quality.quality_job import ChildProgress
from core.quality.report import DataSetStatistics, LengthDistribution

_BAR, _BINS = 40, 20  # the width of the longest bar, in cells; bars of the histogram
_PAIRS = 20  # pairs of language and flag that are printed
_SHARES = (0.95, 0.99, 1.0)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    options.add_source(parser)
    add_training_arguments(parser, "count tokens with this model's tokenizer; without one, characters are counted")


def run(arguments: argparse.Namespace, output: CommandOutput) -> int:
    quality_options = training_options(arguments)

    def show_progress(progress: ChildProgress) -> None:
        output.progress(progress_words(progress))

    try:
        statistics = quality_job.run_quality_job(
            "statistics", arguments.source, arguments.split, quality_options, show_progress
        )
    finally:
        output.progress_done()
    output.record(_record(statistics, quality_options.max_length))
    _print_rows(statistics, output)
    _print_lengths(statistics, output)
    _print_max_length(statistics, quality_options.max_length, output)
    if statistics.not_used_words:
        output.note(with_full_stop(safe_line(statistics.not_used_words, 500)))
    if statistics.note:
        output.note(safe_line(statistics.note, 300))
    return 0


def _record(statistics: DataSetStatistics, max_length: int) -> dict[str, object]:
    whole = statistics.whole
    return {
        "source": statistics.source,
        "split": statistics.split,
        "rows": statistics.rows,
        "trained": statistics.trained,
        "languages": statistics.rows_by_syslang,
        "flags": statistics.rows_by_sysflag,
        "pairs": [{"syslang": lang, "sysflag": flag, "rows": count} for lang, flag, count in statistics.pairs],
        "empty": statistics.empty,
        "unit": statistics.unit,
        "tokenizer": statistics.tokenizer,
        "columns": {column: _summary(lengths) for column, lengths in statistics.columns.items()},
        "whole": _summary(whole),
        "templates": statistics.templates,
        "unreadable": statistics.unreadable,
        "without_reasoning": statistics.without_reasoning,
        "no_template": statistics.no_template,
        "keeps": {f"{share:.0%}": whole.length_keeping(share) for share in _SHARES},
        "max_length": _max_length_record(statistics, max_length) if statistics.tokenizer else None,
        **{name: statistics.about_source.get(name, {}) for name in ("not_used", "left_out", "problems")},
    }


def _max_length_record(statistics: DataSetStatistics, max_length: int) -> dict[str, int]:
    effect = statistics.effect_of_max_length(max_length)
    return {"tokens": max_length, "rows_left_out": effect.lose_eos, "rows_without_answer": effect.lose_answer}


def _summary(lengths: LengthDistribution) -> dict[str, float]:
    return {
        "rows": lengths.rows,
        "mean": round(lengths.mean, 1),
        "p50": lengths.length_keeping(0.5),
        "p95": lengths.length_keeping(0.95),
        "p99": lengths.length_keeping(0.99),
        "max": lengths.max,
    }


def _print_rows(statistics: DataSetStatistics, output: CommandOutput) -> None:
    output.text(counted(statistics.rows, "row"))
    for syslang, sysflag, count in statistics.pairs[:_PAIRS]:
        language, flag = safe_line(syslang, 20) or "(no language)", safe_line(sysflag, 20) or "(no flag)"
        output.text(f"  {language:<20} {flag:<12} {count:>10,}")
    if len(statistics.pairs) > _PAIRS:
        output.text(f"  and {len(statistics.pairs) - _PAIRS} more pairs")
    empty = [f"{column} {count:,}" for column, count in statistics.empty.items() if count]
    output.text(f"empty fields: {', '.join(empty) or 'none'}")
    output.text()


def _print_lengths(statistics: DataSetStatistics, output: CommandOutput) -> None:
    unit = f"length in {statistics.unit}"
    output.text(f"{unit:<24}{'mean':>9}{'p50':>9}{'p95':>9}{'p99':>9}{'max':>9}")
    for name, lengths in (*statistics.columns.items(), ("as trained", statistics.whole)):
        percentiles = (lengths.length_keeping(share) for share in (0.5, 0.95, 0.99))
        numbers = (lengths.mean, *percentiles, lengths.max)
        output.text(f"  {name:<22}" + "".join(f"{number:>9,.0f}" for number in numbers))
    output.text()
    bins = statistics.whole.bins(_BINS)
    most = max((length_bin.count for length_bin in bins), default=1)
    for length_bin in bins:
        bar = "█" * round(_BAR * length_bin.count / most) or ("▏" if length_bin.count else "")
        output.text(f"  {length_bin.low:>7,} - {length_bin.high:<7,} {bar:<{_BAR}} {length_bin.count:,}")
    output.text()


def _print_max_length(statistics: DataSetStatistics, max_length: int, output: CommandOutput) -> None:
    templates = ", ".join(f"{count:,} {name}" for name, count in statistics.templates.items())
    without = f" ({statistics.without_reasoning:,} of them have no reasoning)" if statistics.without_reasoning else ""
    others = statistics.rows - statistics.trained
    held_back = f"; {counted(others, 'row')} of another sysflag not trained" if others else ""
    output.text(f"templates: {templates}{without}{held_back}")
    if statistics.no_template:
        rows = "1 row has" if statistics.no_template == 1 else f"{statistics.no_template:,} rows have"
        output.text(f"{rows} no reasoning, and every template of the mixture needs it: left out of training")
    shares = [
        f"{share:.0%} of the rows by {statistics.whole.length_keeping(share):,} {statistics.unit}" for share in _SHARES
    ]
    output.text(f"kept whole: {', '.join(shares)}")
    if statistics.tokenizer:
        effect = statistics.effect_of_max_length(max_length)
        output.text(
            f"at {counted(max_length, 'token')} {counted(effect.lose_eos, 'row')} ({1 - effect.kept:.2%}) would lose "
            f"their end and be left out of training; {effect.lose_answer:,} of them would lose the whole answer"
        )
    if statistics.unreadable:
        output.text(f"{counted(statistics.unreadable, 'row')} cannot be encoded")
