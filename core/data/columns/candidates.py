"""The columns of a source, each with the ways in which it may serve one of the six, in order of likelihood. Weighs none
against another."""

from __future__ import annotations

from collections.abc import Mapping as Record
from collections.abc import Sequence
from typing import Any

from core.data.columns.column_names import GENERATIONS, TIERS, family, plain
from core.data.columns.column_values import ENOUGH, Kind, Look, look
from core.data.columns.generations import mark_columns
from core.data.columns.mapping import How, Pick

_FAMILY_AFTER = {
    "instruction": 3,
    "reasoning": 2,
    "output": 3,
}  # the number of tiers whose names say more than a first part before a known name
_NEWER = (
    "deepseek",
    "r1",
)  # where two models answered, DeepSeek's traces are those that later copies of a data set were made for
_TEXTS: frozenset[Kind] = frozenset(("text", "chat", "list", "unseen"))
_USABLE: dict[str, frozenset[Kind]] = {
    "instruction": _TEXTS | {"number", "nested"},
    "input": _TEXTS | {"number", "nested", "flag"},
    "reasoning": _TEXTS | {"nested"},
    "output": _TEXTS | {"number", "nested", "flag", "mark"},
    "syslang": frozenset(("text", "flag", "unseen")),
    "sysflag": frozenset(("text", "flag", "number", "mark", "unseen")),
}
_LABEL = 40  # characters that a language's name or a flag has at most
_CHAT: dict[str, tuple[How, str]] = {
    "instruction": ("user", "the last question in a list of chat turns; the system turn is left out"),
    "input": ("earlier", "what was said before the last question, without the system turn"),
    "reasoning": ("assistant_think", "the reasoning of the last reply in a list of chat turns"),
    "output": ("assistant", "the last reply in a list of chat turns"),
}
_BEST = "the first generation that is marked correct and complete"


def same(one: Pick, other: Pick) -> bool:
    """Whether two picks take the same, whatever their reasons."""
    return one.column == other.column and one.how == other.how


class Sources:
    """The names of a source, each once and in order, and what `rows` say of their values. A column without a name
    cannot be taken."""

    def __init__(self, names: Sequence[str], rows: Sequence[Record[str, Any]]) -> None:
        self.names = [name for name in dict.fromkeys(names) if name]
        self._looks = {name: look(name, rows) for name in self.names}
        self.marked_generations = any(mark_columns(self.names))
        self._switched = self.flag_named("reasoning") != ""

    def look(self, name: str) -> Look:
        return self._looks[name]

    def thinks(self, name: str) -> bool:
        """Whether reasoning was seen inside the values of the column."""
        return bool(self._looks[name].marker) or self._looks[name].thinks

    def kin(self, one: str, other: str) -> bool:
        """Whether two names begin with the same first part, as `gemini_attempt` and `gemini_thinking_trajectory` do."""
        first = family(one, "reasoning")
        return first is not None and first == family(other, "output")

    def flag_named(self, column: str) -> str:
        """What to say of a column that has the right name and is a flag by its values; empty where there is none."""
        for name in self.names:
            found = self._looks[name]
            if plain(name) == column and found.kind in ("flag", "mark", "number") and not self._fits(name, column):
                if found.kind != "flag":
                    return f"the values of {name} are no texts"
                values = f"{len(found.values)} distinct short value{'s' if len(found.values) > 1 else ''} ({', '.join(found.values)})"
                return f"{name} has {values}: a flag, not a text"
        return ""

    def named(self, column: str) -> list[Pick]:
        """What the names say: the candidates of the likeliest tier, the best of them first; columns that are empty only
        where nothing is filled."""
        tiers = self._tiers(column)
        if column == "output" and (
            thinking := [name for names in tiers for name in names if self.thinks(name) and self._fits(name, column)]
        ):
            tiers = [[name for name in names if name in thinking] for names in tiers]
        for names in tiers:
            filled = [name for name in names if self._fits(name, column)]
            if filled:
                return [self.pick(name, column) for name in self._ranked(filled, column)]
        if column in ("instruction", "output"):  # better the same few questions than none
            short = [name for names in tiers for name in names if self._looks[name].kind in ("flag", "mark")]
            if short:
                return [self.pick(short[0], column)]
        empty = [name for names in tiers for name in names if self._looks[name].kind == "empty"]
        return [self.pick(name, column) for name in empty[:1]]

    def all(self, column: str) -> list[Pick]:
        """Every column that may serve, those with a fitting name first."""
        named = [name for names in self._tiers(column) for name in names]
        picks: list[Pick] = []
        for name in dict.fromkeys([*named, *self.names]):
            if not self._fits(name, column) and not (name in named and self._looks[name].kind == "empty"):
                continue
            for pick in self._ways(name, column):
                picks.append(pick)
        return picks

    def _tiers(self, column: str) -> list[list[str]]:
        by_plain: dict[str, list[str]] = {}
        for name in self.names:
            by_plain.setdefault(plain(name), []).append(name)
        tiers = [[column] if column in self.names else []]
        tiers += [[name for alias in tier for name in by_plain.get(alias, ())] for tier in TIERS[column]]
        if column in _FAMILY_AFTER:
            kin = [
                name
                for name in self.names
                if plain(name) not in {alias for tier in TIERS[column] for alias in tier} and family(name, column)
            ]
            tiers.insert(_FAMILY_AFTER[column] + 1, kin)
        if column == "output":
            lists = [
                name for alias in GENERATIONS for name in by_plain.get(alias, ()) if self._looks[name].kind == "list"
            ]
            if self.marked_generations or any(self._looks[name].marker for name in lists):
                tiers.insert(0, lists)
        return tiers

    def _fits(self, name: str, column: str) -> bool:
        found = self._looks[name]
        if column in ("syslang", "sysflag") and found.length > _LABEL and name != column:
            return False
        if found.kind == "chat" and not {
            "instruction": found.asks,
            "output": found.replies,
            "reasoning": found.replies,
        }.get(column, True):
            return False
        if column == "reasoning" and found.kind in ("number", "mark") and found.filled < ENOUGH:
            return name == column
        return found.kind in _USABLE[column] or (name == column == "instruction" and found.kind in ("flag", "mark"))

    def _ranked(self, names: list[str], column: str) -> list[str]:
        """The names of one tier, the likeliest first; a name that the values speak against is left out where another is
        there."""
        if column == "output" and len(names) > 1:
            thinking = [name for name in names if self.thinks(name)]
            texts = thinking or [name for name in names if self._looks[name].kind != "number"]
            names = texts or names
        return sorted(names, key=lambda name: not (family(name, column) or "").startswith(_NEWER))

    def pick(self, name: str, column: str) -> Pick:
        """The likeliest way in which the column `name` serves as the canonical `column`."""
        return self._ways(name, column)[0]

    def _ways(self, name: str, column: str) -> list[Pick]:
        found = self._looks[name]
        as_it_stands = Pick(name, why=f"named {name}" if self._knows(name, column) else "as it stands")
        if found.kind == "chat" and column in _CHAT:
            return [Pick(name, *_CHAT[column])]
        if found.kind == "list" and column in ("reasoning", "output"):
            if plain(name) in GENERATIONS or found.marker:
                how: How = "best_answer" if column == "output" else "best_think"
                return [
                    Pick(name, how, _BEST if self.marked_generations else "the first generation that is whole"),
                    as_it_stands,
                ]
            first = Pick(
                name,
                "first",
                f"named {name}, the first of a list" if self._knows(name, column) else "the first of a list",
            )
            return [as_it_stands, first] if found.several else [first, as_it_stands]
        if column == "output" and (
            found.marker or (self._switched and self._knows(name, column) and found.kind in ("text", "flag"))
        ):
            return [
                Pick(
                    name,
                    "answer",
                    f"{as_it_stands.why}; what follows {found.marker or 'its reasoning, where it has one'}",
                ),
                as_it_stands,
            ]
        if column == "reasoning" and found.marker:
            think = Pick(name, "think", f"between {found.marker} and its end")
            return [as_it_stands, think] if self._knows(name, column) else [think, as_it_stands]
        return [as_it_stands]

    def _knows(self, name: str, column: str) -> bool:
        return any(plain(name) in tier for tier in TIERS[column]) or family(name, column) is not None

    def reasoning_beside(self, output: Pick) -> Pick:
        """The reasoning that stands in the same column as the answer `output`."""
        if output.how == "best_answer":
            return Pick(output.column, "best_think", f"the reasoning of {_BEST}")
        if output.how == "assistant":
            return Pick(output.column, "assistant_think", _CHAT["reasoning"][1])
        marker, flag = self._looks[output.column].marker, self.flag_named("reasoning")
        why = (
            f"between {marker} and its end in {output.column}"
            if marker
            else f"between its markers in {output.column}, where it has any"
        )
        return Pick(output.column, "think", f"{why}; {flag}" if flag else why)
