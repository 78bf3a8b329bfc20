"""The columns of a source that may serve as each of the six, in order of likelihood. Does not choose among them."""

from __future__ import annotations

from collections.abc import Mapping as Record
from collections.abc import Sequence
from typing import Any

from core.base.plural import counted
from core.base.row import TEXTS
from core.data.columns.column_names import GENERATION_NAMES, LABEL_NAMES, NAME_TIERS, name_prefix, normalized_name
from core.data.columns.column_values import ENOUGH_ROWS, ColumnProfile, ValueKind, profile_column
from core.data.columns.generations import mark_columns
from core.data.columns.mapping import ColumnPick, Extraction
from core.data.columns.value_picks import heading_pick, list_picks, nested_picks

# the number of tiers whose names are a better sign than a prefix before a known name
_TIERS_BEFORE_PREFIXES = {"instruction": 3, "reasoning": 2, "output": 3}
# data sets with the answers of two models were mostly extended for DeepSeek's traces
_PREFERRED_PREFIXES = ("deepseek", "r1")
_TEXTS: frozenset[ValueKind] = frozenset(("text", "chat", "list", "unseen"))
_USABLE: dict[str, frozenset[ValueKind]] = {
    "instruction": _TEXTS | {"number", "nested"},
    "input": _TEXTS | {"number", "nested", "flag"},
    "reasoning": _TEXTS | {"nested"},
    "output": _TEXTS | {"number", "nested", "flag", "mark"},
    "syslang": frozenset(("text", "flag", "unseen")),
    "sysflag": frozenset(("text", "flag", "number", "mark", "unseen")),
}
_LONGEST_LABEL = 40  # characters of the name of a language, or of a flag
_CHAT: dict[str, tuple[Extraction, str]] = {
    "instruction": ("user", "the last question in a list of chat turns; the system turn is left out"),
    "input": ("earlier", "the turns before the last question, without the system turn"),
    "reasoning": ("assistant_think", "the reasoning of the last reply in a list of chat turns"),
    "output": ("assistant", "the last reply in a list of chat turns"),
}
_BEST = "the first generation that is marked correct and complete"


def is_same_pick(pick: ColumnPick, other: ColumnPick) -> bool:
    """Whether two picks take the same value of the same column; their reasons may differ."""
    return pick.column == other.column and pick.how == other.how


class ColumnCandidates:
    """The names of a source's columns, each once and in order, and a profile of their values in `rows`. Columns without
    a name are left out."""

    def __init__(self, names: Sequence[str], rows: Sequence[Record[str, Any]]) -> None:
        self.names = [name for name in dict.fromkeys(names) if name]
        self.rows = rows
        self._profiles = {name: profile_column(name, rows) for name in self.names}
        self.marked_generations = any(mark_columns(self.names))
        self._switched = self.flag_reason("reasoning") != ""

    def profile(self, name: str) -> ColumnProfile:
        """The profile of the column's values."""
        return self._profiles[name]

    def thinks(self, name: str) -> bool:
        """Whether values of the column hold reasoning."""
        profile = self._profiles[name]
        return bool(profile.marker) or profile.thinks or profile.heading in ("hash", "heading")

    def share_prefix(self, reasoning: str, output: str) -> bool:
        """Whether a name of reasoning and one of an output begin with the same prefix, as `gemini_thinking_trajectory`
        and `gemini_attempt` do."""
        prefix = name_prefix(reasoning, "reasoning")
        return prefix is not None and prefix == name_prefix(output, "output")

    def flag_reason(self, column: str) -> str:
        """Why a column with the right name cannot be used: its values are a flag or no texts. Empty where there is no
        such column."""
        for name in self.names:
            profile = self._profiles[name]
            if (
                normalized_name(name) == column
                and profile.kind in ("flag", "mark", "number")
                and not self._fits(name, column)
            ):
                if profile.kind != "flag":
                    return f"the values of {name} are not texts"
                count = counted(len(profile.values), "distinct short value")
                return f"{name} has {count} ({', '.join(profile.values)}): a flag, not a text"
        return ""

    def by_name(self, column: str) -> list[ColumnPick]:
        """The candidates by their names: those of the likeliest tier, the best first. An empty column only where no
        candidate is filled."""
        tiers = self._tiers(column)
        if column == "output":
            thinking = [name for names in tiers for name in names if self.thinks(name) and self._fits(name, column)]
            if thinking:
                tiers = [[name for name in names if name in thinking] for names in tiers]
        for names in tiers:
            filled = [name for name in names if self._fits(name, column)]
            if filled:
                return [self.best_pick(name, column) for name in self._ranked(filled, column)]
        if column in ("instruction", "output"):  # a few repeated questions are better than none
            kinds = ("flag", "mark", "nested")
            short = [name for names in tiers for name in names if self._profiles[name].kind in kinds]
            if short:
                return [self.best_pick(short[0], column)]
        empty = [name for names in tiers for name in names if self._profiles[name].kind == "empty"]
        return [self.best_pick(name, column) for name in empty[:1]]

    def every_pick(self, column: str) -> list[ColumnPick]:
        """Every way to fill `column`, those with a fitting name first."""
        named = [name for names in self._tiers(column) for name in names]
        picks: list[ColumnPick] = []
        for name in dict.fromkeys([*named, *self.names]):
            if not self._fits(name, column) and not (name in named and self._profiles[name].kind == "empty"):
                continue
            picks += self.picks_from(name, column)
        return picks

    def _tiers(self, column: str) -> list[list[str]]:
        by_normalized: dict[str, list[str]] = {}
        for name in self.names:
            by_normalized.setdefault(normalized_name(name), []).append(name)
        tiers = [[column] if column in self.names else []]
        tiers += [[name for alias in tier for name in by_normalized.get(alias, ())] for tier in NAME_TIERS[column]]
        if column in _TIERS_BEFORE_PREFIXES:
            aliases = {alias for tier in NAME_TIERS[column] for alias in tier}
            prefixed = [
                name for name in self.names if normalized_name(name) not in aliases and name_prefix(name, column)
            ]
            tiers.insert(_TIERS_BEFORE_PREFIXES[column] + 1, prefixed)
        if column == "output":
            lists = [
                name
                for alias in GENERATION_NAMES
                for name in by_normalized.get(alias, ())
                if self._profiles[name].kind == "list"
            ]
            if self.marked_generations or any(self._profiles[name].marker for name in lists):
                tiers.insert(0, lists)
        return tiers

    def _fits(self, name: str, column: str) -> bool:
        profile = self._profiles[name]
        if column in ("syslang", "sysflag") and profile.length > _LONGEST_LABEL and name != column:
            return False
        if profile.kind == "nested" and not profile.inner and column in TEXTS:
            return False
        if profile.kind == "chat" and not {
            "instruction": profile.asks,
            "output": profile.replies,
            "reasoning": profile.replies,
        }.get(column, True):
            return False
        if column == "reasoning" and profile.kind in ("number", "mark") and profile.filled < ENOUGH_ROWS:
            return name == column
        return profile.kind in _USABLE[column] or (name == column == "instruction" and profile.kind in ("flag", "mark"))

    def _ranked(self, names: list[str], column: str) -> list[str]:
        """The names of one tier, the likeliest first; a name whose values do not fit is left out where another is
        there."""
        if column == "output" and len(names) > 1:
            thinking = [name for name in names if self.thinks(name)]
            texts = thinking or [name for name in names if self._profiles[name].kind != "number"]
            names = texts or names
        return sorted(names, key=lambda name: not (name_prefix(name, column) or "").startswith(_PREFERRED_PREFIXES))

    def best_pick(self, name: str, column: str) -> ColumnPick:
        """The likeliest way in which the column `name` serves as the canonical `column`."""
        return self.picks_from(name, column)[0]

    def picks_from(self, name: str, column: str) -> list[ColumnPick]:
        """The ways in which the column `name` serves as the canonical `column`, the likeliest first."""
        profile = self._profiles[name]
        unchanged = ColumnPick(name, why=f"named {name}" if self._is_known(name, column) else "as it is")
        if profile.kind == "chat" and column in _CHAT:
            return [ColumnPick(name, *_CHAT[column])]
        if profile.kind == "list":
            return self._list_picks(name, column)
        if profile.kind == "nested" and profile.inner:
            return nested_picks(name, column, profile, unchanged.why)
        if column == "output":
            return [*self._answer_picks(name, unchanged.why), self._whole_answer(name, unchanged)]
        if column == "reasoning" and profile.marker:
            think = ColumnPick(name, "think", f"between {profile.marker} and its end")
            unmarked = ColumnPick(name, "unmarked", f"{unchanged.why}; what {profile.marker} and its end enclose")
            return [unmarked, think, unchanged] if self._is_known(name, column) else [think, unchanged]
        if column == "reasoning" and profile.heading and not self._is_known(name, column):
            return [heading_pick(name, profile, "think"), unchanged]
        return [unchanged]

    def _list_picks(self, name: str, column: str) -> list[ColumnPick]:
        profile = self._profiles[name]
        known = self._is_known(name, column)
        picks = list_picks(name, column, profile, f"named {name}, " if known else "")
        if column in ("reasoning", "output") and (normalized_name(name) in GENERATION_NAMES or profile.marker):
            how: Extraction = "best_answer" if column == "output" else "best_think"
            why = _BEST if self.marked_generations else "the first complete generation"
            return [ColumnPick(name, how, why), *picks]
        return picks

    def _answer_picks(self, name: str, why: str) -> list[ColumnPick]:
        """The ways to take only the answer of the text `name`."""
        profile = self._profiles[name]
        if profile.marker or (self._switched and self._is_known(name, "output") and profile.kind in ("text", "flag")):
            marker = profile.marker or "its reasoning, where it has any"
            return [ColumnPick(name, "answer", f"{why}; the text after {marker}")]
        return [heading_pick(name, profile, "answer", why)] if profile.heading in ("hash", "heading") else []

    def _whole_answer(self, name: str, unchanged: ColumnPick) -> ColumnPick:
        codes = self._profiles[name].codes and normalized_name(name) in LABEL_NAMES
        return ColumnPick(name, "text", f"{unchanged.why}; a number without names") if codes else unchanged

    def _is_known(self, name: str, column: str) -> bool:
        return (
            any(normalized_name(name) in tier for tier in NAME_TIERS[column]) or name_prefix(name, column) is not None
        )

    def reasoning_beside(self, output: ColumnPick) -> ColumnPick:
        """The reasoning in the same column as the answer `output`."""
        if output.how == "best_answer":
            return ColumnPick(output.column, "best_think", f"the reasoning of {_BEST}")
        if output.how == "assistant":
            return ColumnPick(output.column, "assistant_think", _CHAT["reasoning"][1])
        profile = self._profiles[output.column]
        if output.how == "inner":
            return ColumnPick(output.column, "inner_think", f"the reasoning with {profile.inner}")
        if profile.heading and output.how == f"{profile.heading}_answer":
            return heading_pick(output.column, profile, "think")
        marker, flag = self._profiles[output.column].marker, self.flag_reason("reasoning")
        why = (
            f"between {marker} and its end in {output.column}"
            if marker
            else f"between its markers in {output.column}, where it has any"
        )
        return ColumnPick(output.column, "think", f"{why}; {flag}" if flag else why)
