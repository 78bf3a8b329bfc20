"""Lists of values for one or two settings of a specification: a run for each value, or for each pair."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from pathlib import Path

import msgspec

from core.base.errors import UsageError
from core.runs.run_folder import NAME_IN_ID
from core.runs.spec import RunSpec, check_run_spec, with_absolute_names
from core.runs.spec_checks import check_keys
from core.runs.spec_fields import with_setting_values

MOST_SETTINGS = 2
MOST_RUNS = 100  # more are a mistake: each is a process that waits


class SettingValues(msgspec.Struct, frozen=True):
    """The values that one setting has, one after the other."""

    key: str
    """Section and name (`train.learning_rate`)."""
    texts: tuple[str, ...]
    """The values as they were written."""


def parse_setting_values(words: str) -> SettingValues:
    """`KEY=VALUE,VALUE` as the command line has it. Raises UsageError."""
    key, equals, rest = words.partition("=")
    texts = tuple(text.strip() for text in rest.split(","))
    if not equals or key.count(".") != 1 or not all(texts):
        raise UsageError(
            "a setting and its values are needed", f"--grid {words}", "Write --grid train.learning_rate=1e-4,2e-4"
        )
    return SettingValues(key.strip(), texts)


def specs_of_grid(spec: RunSpec, settings: Sequence[SettingValues], folder: Path) -> list[RunSpec]:
    """A specification for each combination of the values, the last setting changing first. Their names say what
    differs; relative paths among the values start from `folder`. All are checked.

    Raises UsageError for a setting that cannot be listed, RunError for a value that does not work.
    """
    if len({setting.key for setting in settings}) != len(settings) or len(settings) > MOST_SETTINGS:
        where = ", ".join(setting.key for setting in settings)
        raise UsageError(
            f"at most {MOST_SETTINGS} different settings can have a list of values", where, "Leave one out"
        )
    for setting in settings:
        _check_key(spec, setting.key)
    combinations = list(itertools.product(*(setting.texts for setting in settings)))
    if len(combinations) > MOST_RUNS:
        raise UsageError(
            f"these are {len(combinations)} runs, more than {MOST_RUNS}", "--grid", "Leave out some values"
        )
    keys = [setting.key for setting in settings]
    specs = [_with_values(spec, list(zip(keys, texts, strict=True)), folder) for texts in combinations]
    nameless = [msgspec.structs.replace(one, name="") for one in specs]
    for position, one in enumerate(nameless):
        if one in nameless[:position]:
            raise UsageError("a value is there twice", specs[position].name, "Leave one out")
    return specs


def _check_key(spec: RunSpec, key: str) -> None:
    section, _, name = key.partition(".")
    check_keys({section: {name: None}}, RunSpec, f"--grid {key}")
    value = getattr(getattr(spec, section), name)
    if isinstance(value, tuple | dict):
        raise UsageError("this setting is a list or a table itself", key, "Write a specification for each run")


def _with_values(spec: RunSpec, values: list[tuple[str, str]], folder: Path) -> RunSpec:
    """Raises RunError."""
    where = " ".join(f"{key}={text}" for key, text in values)
    changed = msgspec.structs.replace(with_setting_values(spec, dict(values)), name=_name(spec.name, values))
    check_run_spec(changed, where)
    return with_absolute_names(changed, folder)


def _name(name: str, values: list[tuple[str, str]]) -> str:
    """The run's name with what differs, of which a run's id has room for: `seeds learning_rate-1e-4 r-8`."""
    parts = []
    for key, text in values:
        shown = Path(text).name if "/" in text else text
        parts.append(f"{key.partition('.')[2]}-{shown}")
    differs = " ".join(parts)
    room = NAME_IN_ID - len(re.sub(r"[^a-zA-Z0-9]+", "-", differs)) - 1
    short = name[:room].rstrip() if room > 0 else ""
    return f"{short} {differs}".strip()
