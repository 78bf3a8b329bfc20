"""What the data room says in words: counts and filters, rows that could not be read, a source that did not open.
Foreign text is made safe here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.content import Content

from core.base.errors import SuironError
from core.base.safe_text import safe_line
from core.data.filters import Filters

if TYPE_CHECKING:
    from core.data.problems import Problem

Facets = dict[str, list[tuple[str, int]]]  # by column: each value with its count
NAMED = 4  # values of a column that the line names


def status_words(total: int, shown: int, share: float, filters: Filters, facets: Facets) -> Content:
    """One line: all rows, the rows shown, and for each filter its value, or what it could be. share: of the rows looked
    at so far."""
    parts = [Content(f" {total:,} rows")]
    if share < 1:
        parts.append(Content.styled(f" · so far {shown:,}, {share:.0%} looked at", "bold $accent"))
    elif _narrows(filters):
        parts.append(Content.styled(f" · shown {shown:,}", "bold $accent"))
    parts += [
        Content.styled(f" · {words}", "bold $accent") for words in _asked(filters)
    ]  # before the counts, which may not fit
    for column, key in (("syslang", "l"), ("sysflag", "s")):
        values = facets.get(column, [])
        if values and not getattr(filters, column):
            some = ", ".join(f"{safe_line(value, 20) or '(empty)'} {count:,}" for value, count in values[:NAMED])
            parts.append(Content.styled(f" · {key} {some}{', …' if len(values) > NAMED else ''}", "$text-muted"))
    if filters != Filters():
        parts.append(Content.styled(" · x shows all", "$text-muted"))
    return Content("").join(parts)


def waiting_words(total: int, counted: bool, filters: Filters, imported: float | None) -> Content:
    """The same line while the source is still being imported: paging works, questions wait."""
    parts = [Content(f" {total:,} rows" if counted else f" at least {total:,} rows")]
    parts.append(
        Content.styled(f" · importing {imported:.0%}" if imported is not None else " · importing", "bold $accent")
    )
    waiting = ["search"] if filters.text else []
    waiting += ["order"] if filters.sort else []
    waiting += ["filters"] if filters.where or filters.syslang or filters.sysflag else []
    if waiting:
        words = " and ".join([", ".join(waiting[:-1]), waiting[-1]] if len(waiting) > 1 else waiting)
        start = "starts" if waiting in (["search"], ["order"]) else "start"
        parts.append(Content.styled(f"; {words} {start} when it is done", "bold $accent"))
        parts += [Content.styled(f" · {words}", "$text-muted") for words in _asked(filters)]
    else:
        parts.append(Content.styled("; search, order and edits wait for it", "$text-muted"))
    return Content("").join(parts)


def _narrows(filters: Filters) -> bool:
    return bool(filters.text or filters.where or filters.syslang or filters.sysflag)


def _asked(filters: Filters) -> list[str]:
    """Each filter that is on, in a few words."""
    words = []
    if filters.text:
        words.append(
            f"/{safe_line(filters.text, 60)}" + (f" in {', '.join(filters.columns)}" if filters.columns else "")
        )
    if filters.where:
        words.append(f"where {safe_line(filters.where, 60)}")
    words += [
        f"{column}: {safe_line(value, 40)}" for column in ("syslang", "sysflag") if (value := getattr(filters, column))
    ]
    if filters.sort:
        words.append(f"by {safe_line(filters.sort, 30)}{' ▼' if filters.descending else ' ▲'}")
    return words


def change_words(changed: int, added: int, deleted: int) -> str:
    """What a person has done to the data, in a few words; empty for nothing."""
    counts = ((changed, "changed"), (added, "added"), (deleted, "deleted"))
    return ", ".join(f"{count:,} {words}" for count, words in counts if count)


def problem_line(problem: Problem) -> str:
    place = (
        ", ".join(part for part in (problem.file, f"row {problem.row:,}" if problem.row else "") if part) or "the file"
    )
    return safe_line(f"{place}: {problem.what}", 300)


def problem_words(problems: Sequence[Problem], count: int) -> Content:
    """One line: how many rows could not be read, the way to all of them, and the first."""
    rows = "1 row" if count == 1 else f"{count:,} rows"
    head = Content.styled(f" {rows} could not be read; p shows why. ", "$warning")
    return head + Content.styled(problem_line(problems[0]), "$text-muted") if problems else head


def trouble_words(source: str, error: SuironError, before: str = "") -> Content:
    """The three parts of an error, and the ways out; before: the source that was open until then."""
    what = safe_line(error.what, 1000)
    parts = [
        Content.styled(f"{what[:1].upper()}{what[1:]}.", "bold $error"),
        Content(f"\n\n{safe_line(error.where or source, 1000)}"),
    ]
    if error.do:
        parts.append(Content(f"\n\n{safe_line(error.do, 1000)}."))
    back = f" Esc goes back to {safe_line(before, 200)}." if before else ""
    parts.append(Content.styled(f"\n\no opens another source; c says what its columns are.{back}", "$text-muted"))
    return Content("").join(parts)
