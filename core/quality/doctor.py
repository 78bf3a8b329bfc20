"""The doctor: every row through every check, then the rows against each other. Streams; holds a few hundred bytes a
row, never the texts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from core.examples.held_out import held_out
from core.quality.report import Report, Severity
from core.quality.request import Options
from core.quality.sweep import sweep_by_several
from core.quality.twins import Twins
from core.tokens.tokenizer import TextTokenizer

Tell = Callable[[str, int, int], None]


def examine(data: Any, options: Options, tokenizer: TextTokenizer | None, why: str, tell: Tell) -> Report:
    """The report on all rows of `data`, an open DataSet. tokenizer: of the chosen model, or None because of `why`."""
    swept = sweep_by_several(data, options, tokenizer, tell)
    findings, flags = swept.findings, set(swept.signatures.flags)
    Twins(data, swept.signatures, options.train_flag, tell).find(findings)
    notes = []
    if tokenizer is None or not options.max_length:
        notes.append(f"whether rows fit a maximum length was not checked: {why or 'no maximum is set'}")
    if not any(held_out(flag) for flag in flags):
        notes.append("no row is held out (sysflag test), so there is nothing that could leak into training")
    elif options.train_flag not in {flag.strip() for flag in flags}:
        notes.append(f"no row has the sysflag {options.train_flag!r}, so nothing is held against the test rows")
    milder: dict[str, Severity] = {}
    if not swept.reasoned and swept.done:
        milder["empty_reasoning"] = "hint"
        notes.append("no row has reasoning: this is a data set of questions and answers")
    return Report(
        data.source,
        data.split,
        data.fingerprint,
        swept.done,
        findings.groups(milder),
        tuple(notes),
        data.problem_count,
        options.model if tokenizer is not None else "",
        options.max_length if tokenizer is not None else 0,
    )
