"""What the data room says in words: counts and filters, rows that could not be read, a source that did not open. Foreign text is made safe here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.content import Content

from core.errors import SuironError
from core.safe_text import safe_line
from core.session import Filters

if TYPE_CHECKING:
    from core.data.problems import Problem

Facets = dict[str, list[tuple[str, int]]]  # by column: each value with its count
NAMED = 4  # values of a column that the line names


def status_words(total: int, shown: int, filters: Filters, facets: Facets) -> Content:
    """One line: all rows, the rows shown, and for each filter its value, or what it could be."""
    parts = [Content(f" {total:,} rows")]
    if filters != Filters():
        parts.append(Content.styled(f" · shown {shown:,}", "bold $accent"))
    if filters.text:  # before the counts, which may not fit
        parts.append(Content.styled(f" · /{safe_line(filters.text, 60)}", "bold $accent"))
    for column, key in (("syslang", "l"), ("sysflag", "s")):
        values = facets.get(column, [])
        chosen = getattr(filters, column)
        if chosen:
            parts.append(Content.styled(f" · {column}: {safe_line(chosen, 40)}", "bold $accent"))
        elif values:
            some = ", ".join(f"{safe_line(value, 20) or '(empty)'} {count:,}" for value, count in values[:NAMED])
            parts.append(Content.styled(f" · {key} {some}{', …' if len(values) > NAMED else ''}", "$text-muted"))
    return Content("").join(parts)


def problem_line(problem: Problem) -> str:
    return safe_line(f"row {problem.row}: {problem.what}", 300)


def problem_words(problems: Sequence[Problem], count: int) -> Content:
    """One line: how many rows could not be read, the way to all of them, and the first."""
    rows = "1 row" if count == 1 else f"{count:,} rows"
    head = Content.styled(f" {rows} could not be read; p shows why. ", "$warning")
    return head + Content.styled(problem_line(problems[0]), "$text-muted") if problems else head


def trouble_words(source: str, error: SuironError, before: str = "") -> Content:
    """The three parts of an error, and the ways out; before: the source that was open until then."""
    what = safe_line(error.what, 1000)
    parts = [Content.styled(f"{what[:1].upper()}{what[1:]}.", "bold $error"), Content(f"\n\n{safe_line(error.where or source, 1000)}")]
    if error.do:
        parts.append(Content(f"\n\n{safe_line(error.do, 1000)}."))
    back = f" Esc goes back to {safe_line(before, 200)}." if before else ""
    parts.append(Content.styled(f"\n\no opens another source.{back}", "$text-muted"))
    return Content("").join(parts)
