"""Which column of a source is which of the six: a guess from names, checked against the values of a few rows. Pure;
knows no files.

Two ways are weighed against each other: columns by their names, and a column of chat turns that holds everything. What
can be taken from more than one place is said in `unclear` and never blocks: the likeliest stands in `picks` until a
person decides.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from collections.abc import Mapping as Record
from typing import Any

from core.base.row import COLUMNS
from core.data.columns.candidates import Sources, same
from core.data.columns.column_names import CHATS, REJECTED, TIERS, plain
from core.data.columns.column_values import Look
from core.data.columns.mapping import Mapping, Pick

_SHORT, _LONGER = 40, 3  # characters of an answer that is only checked, and how many times longer a worked solution is


def guess(names: Sequence[str], sample_rows: Sequence[Record[str, Any]]) -> Mapping:
    """The likeliest mapping of the columns `names`, judged by `sample_rows`, each with its reason. Columns without a
    source are not in `picks`."""
    if set(COLUMNS) <= set(names):  # Suiron's own files: what was saved comes back as it was, whatever the cells say
        return Mapping({column: Pick(column, why=f"named {column}") for column in COLUMNS})
    sources = Sources(names, sample_rows)
    ways = [way for way in (_by_names(sources), _by_chat(sources)) if way is not None]
    _, picks, unclear = max(ways, key=lambda way: way[0])
    taken = {pick.column for pick in picks.values()}
    for column in ("syslang", "sysflag"):
        found = [pick for pick in sources.named(column) if pick.column not in taken]
        if found:
            picks[column] = found[0]
            if len(found) > 1:
                unclear[column] = found
    ordered = {column: picks[column] for column in COLUMNS if column in picks}
    return Mapping(ordered, {column: tuple(unclear[column]) for column in COLUMNS if column in unclear})


def extend(mapping: Mapping, names: Iterable[str]) -> Mapping:
    """The mapping with columns that it lacks taken from `names`, which came later than the rows it was guessed from, by
    their names alone."""
    sources = Sources(list(names), [])
    picks, unclear = dict(mapping.picks), dict(mapping.unclear)
    for column in COLUMNS:
        if mapping.source(column):
            continue
        taken = {pick.column for pick in picks.values()}
        found = [pick for pick in sources.named(column) if pick.column not in taken]
        if found:
            picks[column] = found[0]
            if len(found) > 1:
                unclear[column] = tuple(found)
    return Mapping({column: picks[column] for column in COLUMNS if column in picks}, unclear, mapping.by_hand)


def candidates(column: str, names: Sequence[str], sample_rows: Sequence[Record[str, Any]]) -> list[Pick]:
    """Every sensible source of the canonical `column`, the guess first, then in order of likelihood; `Pick("")`,
    nothing, last."""
    mapping = guess(names, sample_rows)
    first = mapping.picks.get(column)
    picks = [first] if first is not None and first.column else []
    for pick in (*mapping.unclear.get(column, ()), *Sources(names, sample_rows).all(column)):
        if not any(same(pick, known) for known in picks):
            picks.append(pick)
    return [*picks, Pick("", why="left empty")]


_Way = tuple[float, dict[str, Pick], dict[str, list[Pick]]]


def _by_names(sources: Sources) -> _Way:
    picks: dict[str, Pick] = {}
    unclear: dict[str, list[Pick]] = {}

    def take(column: str, found: list[Pick]) -> None:
        taken = {pick.column for pick in picks.values()}
        found = [pick for pick in found if pick.column not in taken]
        if found:
            picks[column] = found[0]
            if len(found) > 1:
                unclear[column] = found

    worked = _worked_solution(sources)
    take("instruction", sources.named("instruction"))
    take("output", [sources.pick(worked[1], "output")] if worked else sources.named("output"))
    output = picks.get("output")
    strong = False
    if output is not None and output.how == "best_answer":
        picks["reasoning"] = sources.reasoning_beside(output)
        strong = True
    else:
        found = sources.named("reasoning")
        if output is not None and sources.thinks(output.column):
            found = [pick for pick in found if sources.look(pick.column).kind != "empty"]
        if output is not None and "output" in unclear and found and found[0].column != output.column:
            found = sorted(found, key=lambda pick: not sources.kin(pick.column, output.column))
        take("reasoning", found)
        strong = "reasoning" in picks
        if output is not None and output.how in ("answer", "assistant"):
            beside = sources.reasoning_beside(output)
            if "reasoning" not in picks:
                picks["reasoning"], strong = (
                    beside,
                    bool(sources.look(output.column).marker or sources.look(output.column).thinks),
                )
            elif sources.thinks(output.column):
                unclear["reasoning"] = [*unclear.get("reasoning", [picks["reasoning"]]), beside]
    if worked and "reasoning" not in picks:
        answer, solution = worked[1], worked[0]
        why = f"long beside a short {answer}: the way to it"
        picks["reasoning"] = Pick(solution, why=why)
        unclear["output"] = [
            picks["output"],
            Pick(solution, why=f"long beside a short {answer}: it may be the answer itself"),
        ]
    elif worked:
        picks["output"] = Pick(worked[0], why=f"long beside a short {worked[1]}, which only checks it")
        unclear["output"] = [picks["output"], sources.pick(worked[1], "output")]
    if "instruction" in picks and sources.look(picks["instruction"].column).kind == "chat":
        picks["input"] = sources.pick(picks["instruction"].column, "input")
    else:
        take("input", sources.named("input"))
    if "reasoning" not in picks and (flag := sources.flag_named("reasoning")):
        picks["reasoning"] = Pick("", why=flag)
    complete = "instruction" in picks and "output" in picks
    known = "instruction" in picks and plain(picks["instruction"].column) in {
        name for tier in TIERS["instruction"][:2] for name in tier
    }
    marked = output is not None and output.how == "best_answer" and sources.marked_generations
    weak = "reasoning" in picks and bool(picks["reasoning"].column)
    # a chat of which the reply alone is taken: its own question, and what was said before, stay behind
    torn = output is not None and output.how == "assistant" and _whole(sources.look(output.column))
    return (
        100 * complete + 20 * marked + (10 if strong else 4 if weak else 0) + 2 * known + 1 - 4 * torn,
        picks,
        unclear,
    )


def _worked_solution(sources: Sources) -> tuple[str, str] | None:
    """A long `solution` and the short `answer` that only checks it, where both are there and nothing else is the
    output."""
    found = sources.named("output")
    if len(found) != 1 or plain(found[0].column) != "answer":
        return None
    solution = next((name for name in sources.names if plain(name) == "solution"), None)
    if solution is None:
        return None
    short, long = sources.look(found[0].column), sources.look(solution)
    checks = short.kind in ("number", "flag") or (short.kind == "text" and short.length <= _SHORT)
    return (
        (solution, found[0].column)
        if checks and long.kind == "text" and long.length >= _LONGER * short.length
        else None
    )


def _by_chat(sources: Sources) -> _Way | None:
    def order(name: str) -> tuple[bool, bool, bool]:
        return not sources.look(name).thinks, plain(name) in REJECTED, plain(name) not in CHATS

    chats = sorted((name for name in sources.names if _whole(sources.look(name))), key=order)
    if not chats:
        return None
    equal = [name for name in chats if order(name) == order(chats[0])]
    columns = ("instruction", "input", "reasoning", "output")
    picks = {column: sources.pick(chats[0], column) for column in columns}
    unclear = {column: [sources.pick(name, column) for name in equal] for column in columns} if len(equal) > 1 else {}
    thinks = sources.look(chats[0]).thinks
    if not thinks and (named := sources.named("reasoning")):
        picks["reasoning"], thinks = named[0], True
    return 100 + 10 * thinks, picks, unclear


def _whole(look: Look) -> bool:
    return look.kind == "chat" and look.asks and look.replies
