"""The columns of a source that may serve as each one of a row, in order of likelihood. Does not choose among them."""

from __future__ import annotations

from collections.abc import Mapping as Record
from collections.abc import Sequence
from typing import Any

from core.base.plural import counted
from core.base.row import TEXTS
from core.data.columns.answer_options import name_options, option_column
from core.data.columns.column_names import (
    CHAT_NAMES,
    GENERATION_NAMES,
    HISTORY_NAMES,
    LABEL_NAMES,
    NAME_TIERS,
    name_prefix,
    normalized_name,
)
from core.data.columns.column_paths import follow_path, paths_into, split_path
from core.data.columns.column_values import ENOUGH_ROWS, ColumnProfile, ValueKind, profile_column, profile_values
from core.data.columns.generations import mark_columns
from core.data.columns.mapping import ColumnPick, Extraction
from core.data.columns.marks import truth_of
from core.data.columns.tool_definitions import read_tools
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
    "system": frozenset(("text", "flag", "chat", "unseen")),
    "history": frozenset(("chat", "unseen")),
    "tools": frozenset(("nested", "unseen")),
}
_LONGEST_LABEL = 40  # characters of the name of a language, or of a flag
_CHAT: dict[str, tuple[Extraction, str]] = {
    "instruction": ("user", "the last question in a list of chat turns"),
    "input": ("earlier", "the turns before the last question, without the system turn"),
    "reasoning": ("assistant_think", "the reasoning of the last reply in a list of chat turns"),
    "output": ("assistant", "the last reply in a list of chat turns"),
    "system": ("system_turn", "the system turn of a list of chat turns"),
    "history": ("chat_history", "the turns around the last question in a list of chat turns"),
}
_CLASS_NAMES = frozenset(("label", "labels", "correct"))  # numbers and marks of these names are no answers
_INNER_NAMES = ("text", "value", "answer", "answers", "aliases")
_BY_PATH = frozenset(("instruction", "output", "system", "tools"))  # columns that are guessed inside of objects
_BEST = "the first generation that is marked correct and complete"


def is_same_pick(pick: ColumnPick, other: ColumnPick) -> bool:
    """Whether two picks take the same value of the same column; their reasons may differ."""
    return pick.column == other.column and pick.how == other.how


class ColumnCandidates:
    """The names of a source's columns, each once and in order, the paths into its objects, and a profile of their
    values in `rows`. Columns without a name are left out."""

    def __init__(self, names: Sequence[str], rows: Sequence[Record[str, Any]]) -> None:
        self.names = [name for name in dict.fromkeys(names) if name]
        self.rows = rows
        self._profiles = {name: profile_column(name, rows) for name in self.names}
        objects = [name for name in self.names if self._may_hold_objects(name, rows)]
        self.paths = [path for name in objects for path in paths_into(name, rows) if path not in self._profiles]
        for path in self.paths:
            root, parts = split_path(path, self.names)
            values = [follow_path(row[root], parts) for row in rows if row.get(root) is not None]
            self._profiles[path] = profile_values(path, values)
        self._options = option_column(self.names)
        self._named_options = {
            name
            for name in self.names
            if self._options
            and self._profiles[name].kind in ("number", "flag", "text")
            and name_options(name, rows, self._options)
        }
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
            short = [name for name in short if self._profiles[name].kind != "mark" or not _is_class(name, column)]
            if short:
                return [self.best_pick(short[0], column)]
        empty = [name for names in tiers for name in names if self._profiles[name].kind == "empty"]
        return [self.best_pick(name, column) for name in empty[:1]]

    def every_pick(self, column: str) -> list[ColumnPick]:
        """Every way to fill `column`, those with a fitting name first."""
        named = [name for names in self._tiers(column) for name in names]
        picks: list[ColumnPick] = []
        for name in dict.fromkeys([*named, *self.names, *self.paths]):
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
        if column in _BY_PATH:
            tiers = [[self._inside(name) for name in names] for names in tiers]
        if column == "instruction":  # chat turns without a reply are a prompt, and come before `input`
            tiers.insert(-1, [name for name in (*self.names, *self.paths) if self._is_prompt(name)])
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
        return [*tiers, *self._path_tiers(column)] if column in _BY_PATH else tiers

    def _may_hold_objects(self, name: str, rows: Sequence[Record[str, Any]]) -> bool:
        if self._profiles[name].kind == "nested":
            return True
        value = next((row[name] for row in rows if row.get(name) is not None), None)
        return self._profiles[name].kind == "text" and isinstance(value, str) and value.lstrip().startswith("{")

    def _inside(self, name: str) -> str:
        """The path to the list of texts inside a column of objects, as answers are often kept; the column itself where
        there is none."""
        if self._profiles[name].kind == "nested":
            for inner in _INNER_NAMES:
                path = f"{name}.{inner}"
                if path in self._profiles and self._profiles[path].kind == "list":
                    return path
        return name

    def _is_prompt(self, name: str) -> bool:
        profile = self._profiles[name]
        return (
            normalized_name(name.rsplit(".", 1)[-1]) in CHAT_NAMES
            and profile.kind == "chat"
            and profile.asks
            and not profile.replies
        )

    def _path_tiers(self, column: str) -> list[list[str]]:
        """The paths that end in a known name, in the order of these names."""
        by_normalized: dict[str, list[str]] = {}
        for path in self.paths:
            if not _is_class(path.rsplit(".", 1)[-1], column):
                by_normalized.setdefault(normalized_name(path.rsplit(".", 1)[-1]), []).append(path)
        return [[path for alias in tier for path in by_normalized.get(alias, ())] for tier in NAME_TIERS[column]]

    def reasoning_near(self, output: str) -> list[ColumnPick]:
        """The reasoning in the same object as the answer at the end of the path `output`."""
        parent = output.rsplit(".", 1)[0]
        near = [path for path in self.paths if path.rsplit(".", 1)[0] == parent and path != output]
        by_normalized = {normalized_name(path.rsplit(".", 1)[-1]): path for path in reversed(near)}
        names = [by_normalized[alias] for tier in NAME_TIERS["reasoning"] for alias in tier if alias in by_normalized]
        return [self.best_pick(name, "reasoning") for name in names if self._fits(name, "reasoning")]

    def chat_pick(self, name: str, column: str) -> ColumnPick:
        """What of the chat turns in the column `name` serves as the canonical `column`."""
        return ColumnPick(name, *_CHAT[column])

    def _fits(self, name: str, column: str) -> bool:
        profile = self._profiles[name]
        if column in ("syslang", "sysflag") and profile.length > _LONGEST_LABEL and name != column:
            return False
        if profile.kind == "nested" and not profile.inner and column in TEXTS:
            return False
        if column == "tools" and profile.kind in ("text", "flag"):
            return self._hold_tools(name)
        if column == "system" and profile.kind == "nested":
            return bool(profile.inner)
        if profile.kind == "chat" and not {
            "instruction": profile.asks,
            "output": profile.replies,
            "reasoning": profile.replies,
            "system": profile.instructed,
            "history": profile.asks or normalized_name(name) in HISTORY_NAMES,
        }.get(column, True):
            return False
        if _is_class(name, column):
            words = profile.kind == "flag" and any(truth_of(value) is None for value in profile.values)
            return words or profile.kind in ("text", "unseen")
        if column == "reasoning" and profile.kind in ("number", "mark") and profile.filled < ENOUGH_ROWS:
            return name == column
        return profile.kind in _USABLE[column] or (name == column == "instruction" and profile.kind in ("flag", "mark"))

    def _hold_tools(self, name: str) -> bool:
        """Whether the texts of a column hold lists of tools."""
        texts = [row[name] for row in self.rows if isinstance(row.get(name), str) and row[name].strip()]
        return bool(texts) and all(text.lstrip().startswith(("[", "{")) and read_tools(text) for text in texts)

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

    def other_picks(self, pick: ColumnPick, column: str) -> list[ColumnPick]:
        """The other ways in which the column of `pick` serves as the canonical `column`."""
        return [other for other in self.picks_from(pick.column, column) if not is_same_pick(other, pick)]

    def picks_from(self, name: str, column: str) -> list[ColumnPick]:
        """The ways in which the column `name` serves as the canonical `column`, the likeliest first."""
        profile = self._profiles[name]
        unchanged = ColumnPick(name, why=f"named {name}" if self._is_known(name, column) else "as it is")
        if column == "tools" or (column == "history" and (profile.kind != "chat" or self._is_known(name, column))):
            return [ColumnPick(name, "tools" if column == "tools" else "history", unchanged.why)]
        if column == "output" and name in self._named_options:
            return [
                ColumnPick(name, "index", f"{unchanged.why}; it only names one of {self._options}"),
                ColumnPick(name, "option", f"the text of the one of {self._options} that it names"),
            ]
        if profile.kind == "chat" and column in _CHAT:
            return [ColumnPick(name, *_CHAT[column])]
        if profile.kind == "list":
            return self._list_picks(name, column)
        if profile.kind == "nested" and profile.inner and column == "system":
            how: Extraction = "joined" if profile.several else "inner"
            return [ColumnPick(name, how, f"{unchanged.why}; {profile.inner}")]
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
            if self._is_marked_step_by_step():
                return sorted(picks, key=lambda pick: pick.how != "joined")
            how: Extraction = "best_answer" if column == "output" else "best_think"
            why = _BEST if self.marked_generations else "the first complete generation"
            return [ColumnPick(name, how, why), *picks]
        return picks

    def _is_marked_step_by_step(self) -> bool:
        """Whether the source has a mark for each step of an answer, so that its completions are one answer."""
        return not self.marked_generations and any(
            normalized_name(name) == "labels" and self._profiles[name].kind == "mark" for name in self.names
        )

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
            any(normalized_name(name.rsplit(".", 1)[-1]) in tier for tier in NAME_TIERS[column])
            or name_prefix(name, column) is not None
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


def _is_class(name: str, column: str) -> bool:
    """Whether a column of this name is an answer only where it has words."""
    return column == "output" and normalized_name(name) in _CLASS_NAMES
