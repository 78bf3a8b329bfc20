"""The facts of a run in words: its rows and templates, what was left out or changed, what of the source is not used.

Facts are read from a file that another version may have written: what is not there, or not as expected, is not said.
Knows no widget.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
from rich.cells import cell_len, set_cell_size

from core.base.plural import counted
from core.base.safe_text import safe_line
from core.data.not_used import NotUsed
from tui.common.wrapping import line_starts

BETWEEN = " · "
_CUT_OR_LEFT_OUT = {
    "rows_cut_end": "with their end cut off",
    "rows_cut_reasoning": "with their reasoning cut",
    "rows_left_out_too_long": "left out: too long",
    "rows_left_out_no_template": "left out: no reasoning",
    "rows_left_out_nothing_learnt": "left out: nothing trained",
}
_CHANGED = {
    "rows_prompt_differs": "with a token across the end of the prompt",
    "rows_reasoning_changed_by_tokenizer": "with a reasoning that the tokenizer changes",
    "rows_answer_changed_by_tokenizer": "with an answer that the tokenizer changes",
}
_REASON_LENGTH = 160  # characters of a reason that are shown


def run_facts(facts: Mapping[str, Any]) -> list[str]:
    """The rows that are trained, what was cut or left out, the mixture, what became of the rows' context, what of the
    source is not used; the most important first. Other facts are said as they come. Safe text."""
    rows = facts.get("rows_trained")
    mixture = _mixture(facts, rows) if isinstance(rows, int) else ""
    if not isinstance(rows, int) or not mixture:
        return [f"{safe_line(str(name).replace('_', ' '))} {_fact(value)}" for name, value in facts.items()]
    parts = [counted(rows, "row")]
    parts += [f"{facts[key]:,} {words}" for key, words in _CUT_OR_LEFT_OUT.items() if facts.get(key)]
    parts += _left_out(facts)
    parts.append(mixture)
    if facts.get("rows_empty_reasoning"):
        parts.append(f"{_fact(facts['rows_empty_reasoning'])} with empty reasoning")
    if "tokens_per_epoch" in facts:
        parts.append(f"{_fact(facts['tokens_per_epoch'])} tokens an epoch")
    parts += _context(facts)
    parts += [f"{facts[key]:,} {words}" for key, words in _CHANGED.items() if facts.get(key)]
    parts += _source(facts)
    notes = facts.get("templates_notes")
    parts += [safe_line(str(note), 300) for note in notes] if isinstance(notes, list) else []
    return parts


def wrap_facts(facts: Sequence[str], width: int, most: int) -> list[str]:
    """Lines of at most `width` cells, at least one and at most `most`; a fact begins a new line where it would not fit
    on the last one. What does not fit at all is an ellipsis."""
    if width <= 0:
        return [""]
    lines = [""]
    for fact in facts:
        joined = f"{lines[-1]}{BETWEEN}{fact}" if lines[-1] else fact
        if cell_len(joined) <= width:
            lines[-1] = joined
            continue
        starts = line_starts(fact, width)
        broken = [fact[start:end].rstrip() for start, end in zip(starts, [*starts[1:], len(fact)], strict=True)]
        lines = [*lines, *broken] if lines[-1] else broken
    if len(lines) > most:
        last = lines[most - 1]
        shortened = last if cell_len(last) + 2 <= width else set_cell_size(last, max(0, width - 2)).rstrip()
        lines = [*lines[: most - 1], f"{shortened} …"]
    return lines


def _left_out(facts: Mapping[str, Any]) -> Iterator[str]:
    """Rows that the run has no text of, or that the source did not give, with reasons."""
    if count := facts.get("rows_left_out_unreadable"):
        why = _first(facts.get("rows_unreadable"), "why")
        yield f"{count:,} left out: {why or 'unreadable'}"
    source = facts.get("source")
    source = source if isinstance(source, Mapping) else {}
    if count := facts.get("rows_left_out_by_mark"):
        reasons = _mapping(_mapping(source.get("left_out")).get("reasons"))
        words = ", ".join(safe_line(str(reason), 80) for reason in reasons)
        yield f"{count:,} left out: {words or 'marked as not to be learnt'}"
    if count := facts.get("rows_unusable_in_source"):
        why = _first(_mapping(source.get("problems")).get("kinds"), "what")
        yield f"{count:,} unusable in the source" + (f", most: {why}" if why else "")


def _context(facts: Mapping[str, Any]) -> Iterator[str]:
    """What became of system prompts, earlier turns and tools."""
    if not (count := facts.get("rows_with_context")):
        return
    yield f"{count:,} with system prompt, earlier turns or tools"
    if in_input := facts.get("rows_context_in_input"):
        yield f"{in_input:,} with them in the Input"
    for lost, rows in _mapping(facts.get("rows_context_dropped")).items():
        yield f"{safe_line(str(lost), 120)}: {counted(rows, 'row')}"


def _source(facts: Mapping[str, Any]) -> Iterator[str]:
    """What of the source is not used, and how it was read."""
    source = _mapping(facts.get("source"))
    not_used = _mapping(source.get("not_used"))
    try:
        yield from filter(None, msgspec.convert(not_used, NotUsed).words().split("; "))
    except msgspec.ValidationError:
        yield "what of the source is not used was recorded by another version"
    notes = source.get("notes")
    yield from (safe_line(str(note), 200) for note in notes) if isinstance(notes, list) else ()


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _first(records: object, key: str) -> str:
    """A text of the first record of a list, safe; empty where there is none."""
    first = records[0] if isinstance(records, list) and records else None
    return safe_line(str(_mapping(first).get(key, "")), _REASON_LENGTH)


def _mixture(facts: Mapping[str, Any], rows: int) -> str:
    """How many rows each template got; for old runs, rows without and with reasoning. Empty where that is not known."""
    by_template, vanilla, reasoning = (
        facts.get("rows_by_template"),
        facts.get("rows_vanilla"),
        facts.get("rows_reasoning"),
    )
    if (
        isinstance(by_template, Mapping)
        and by_template
        and all(isinstance(count, int) for count in by_template.values())
    ):
        return ", ".join(
            f"{safe_line(str(name), 40)} {count:,} ({count / max(1, rows):.0%})" for name, count in by_template.items()
        )
    if isinstance(vanilla, int) and isinstance(reasoning, int):
        return f"{vanilla:,} vanilla ({vanilla / max(1, rows):.0%}), {reasoning:,} with reasoning"
    return ""


def _fact(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{safe_line(str(name))} {_fact(inner)}" for name, inner in value.items())
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else safe_line(str(value))
