"""How many rows of a source each template of a mixture gets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import msgspec

from core.base.row import Row
from core.base.safe_text import safe_line
from core.examples.draw_template import DrawableTemplate, Mixture
from core.examples.trained_rows import TrainedRows

_FLAGS_SHOWN = 10


class TemplateCounts(msgspec.Struct, frozen=True):
    """How the rows that a run trains on are spread over the templates of its mixture."""

    rows: dict[str, int]
    """Rows by the name of their template."""
    without_reasoning: int = 0
    """Rows among these that have no reasoning and therefore got a template without reasoning."""
    left_out: int = 0
    """Rows without reasoning where every template of the mixture needs one."""

    @property
    def total(self) -> int:
        """Rows that have a template."""
        return sum(self.rows.values())

    def words(self) -> str:
        """`alpaca 150 (15.0%), alpaca-reasoning 850 (85.0%)`."""
        return ", ".join(f"{name} {count:,} ({count / max(1, self.total):.1%})" for name, count in self.rows.items())


class FlaggedSource(Protocol):
    """The part of an open data set that the count uses."""

    @property
    def columns(self) -> tuple[str, ...]: ...

    def batches(self, flag: str = "") -> Iterator[list[Row]]: ...


def count_templates(
    source: FlaggedSource,
    mixture: Mixture[DrawableTemplate],
    train_flag: str,
    progress: Callable[[int], None] = lambda rows: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> TemplateCounts | None:
    """Draws a template for every row that a run with this `data.train_flag` trains on.

    After each batch, `progress` is called with the number of rows counted. Returns None where `cancelled` returns True.
    Errors of reading the source pass through.
    """
    drawn: Counter[int | None] = Counter()
    done = without_reasoning = 0
    for rows in source.batches(TrainedRows.of_source(train_flag, source.columns).flag):
        indices = [mixture.template_index(row) for row in rows]
        drawn.update(indices)
        without_reasoning += count_without_reasoning(rows, indices)
        done += len(rows)
        if cancelled():
            return None
        progress(done)
    by_name = {template.name: drawn[index] for index, template in enumerate(mixture.templates)}
    return TemplateCounts(by_name, without_reasoning, drawn[None])


def count_without_reasoning(rows: Sequence[Row], template_indices: Sequence[int | None]) -> int:
    """How many of the rows that have a template have no reasoning."""
    return sum(index is not None and not row.has_reasoning for row, index in zip(rows, template_indices, strict=True))


def flag_counts_words(flags: Counter[str]) -> str:
    """`its rows have Train (90), TEST (10)`: the values of sysflag with their rows, the most frequent first."""
    if not flags:
        return "it has no rows"
    shown = ", ".join(f"{safe_line(flag, 40) or 'none'} ({count:,})" for flag, count in flags.most_common(_FLAGS_SHOWN))
    more = f" and {len(flags) - _FLAGS_SHOWN:,} others" if len(flags) > _FLAGS_SHOWN else ""
    return f"its rows have {shown}{more}"
