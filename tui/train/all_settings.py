"""The dialogs of settings as the Train room opens them: all of the next run's, and those that may change in a running
one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from core.base.errors import RunError
from core.runs.compare import differing_settings
from core.runs.memory_words import memory_line
from core.runs.plan import plan_words, read_pace
from core.runs.run_reader import RunReader
from core.runs.spec import RunSpec
from core.runs.spec_checks import check_run_spec
from core.runs.spec_fields import SESSION_KEYS, setting_values, spec_fields, with_setting_values
from core.session import Session
from tui.common.run_settings import preset_of, preset_spec, session_spec
from tui.train.settings_dialog import SettingsDialog
from tui.train.steering_keys import LIVE_FIELDS, check_live

if TYPE_CHECKING:
    from core.data.dataset import DataSet


def all_settings_dialog(session: Session, dataset: DataSet | None) -> SettingsDialog:
    """All settings of the run that the session describes."""
    spec, _ = session_spec(session, dataset)

    def check(texts: Mapping[str, str]) -> RunError | None:
        try:
            check_run_spec(with_setting_values(spec, texts))
        except RunError as error:
            return RunError(error.what, error.where or error.what.partition(" ")[0], error.do)
        return None

    def summary(texts: Mapping[str, str]) -> str:
        changed = with_setting_values(spec, texts)
        words = [] if dataset is None else [plan_words(changed, _rows_of(dataset, changed), read_pace(changed))]
        return " · ".join(filter(None, [*words, memory_line(changed)]))

    title = f"All settings: preset {preset_of(session)}"
    usual = usual_settings(session, dataset)
    return SettingsDialog(title, spec_fields(), setting_values(spec), usual, check, summary, SESSION_KEYS)


def usual_settings(session: Session, dataset: DataSet | None) -> dict[str, str]:
    """The settings of the session's preset, for its data and model."""
    spec, _ = session_spec(session, dataset)
    chosen = setting_values(spec)
    return {**setting_values(preset_spec(session, preset_of(session))), **{key: chosen[key] for key in SESSION_KEYS}}


def live_settings_dialog(reader: RunReader, now: Mapping[str, str]) -> SettingsDialog:
    """The settings that may change while the run of `reader` works; now: their values."""
    return SettingsDialog(
        "Change while it runs",
        LIVE_FIELDS,
        now,
        now,
        lambda texts: check_live(reader, texts, now),
        lambda texts: "What is changed here takes effect at the run's next step.",
        folded=False,
    )


def own_settings_words(own: Mapping[str, str], form: Mapping[str, str]) -> str:
    """The settings of a run that are not those of the form, so that it is not taken for a run with these; empty where
    it has the same."""
    differ = [each for each in differing_settings([own, form]) if own.get(each.key)] if own else []
    shown = ", ".join(f"{each.key.rpartition('.')[2]} {each.texts[0]}" for each in differ[:3])
    more = f" and {len(differ) - 3} more" if len(differ) > 3 else ""
    return f"own settings, not the form's: {shown}{more}" if differ else ""


def _rows_of(dataset: DataSet, spec: RunSpec) -> int:
    """The rows that a run of `spec` may train on. May read all rows."""
    flag = spec.data.train_flag
    if not flag or "sysflag" not in dataset.columns:
        return len(dataset)
    return dict(dataset.facets()["sysflag"]).get(flag, 0)
