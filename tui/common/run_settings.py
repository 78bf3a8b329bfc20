"""The run that the session's settings describe, for the Train room and the Prompts room.

The Train room starts it, the Prompts room shows its rows. Knows presets; starts nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from core.base.errors import RunError
from core.base.paths import DEMO, absolute_name
from core.data.locate.source_name import resolve_source_name
from core.examples.run_rows import data_section
from core.runs import presets
from core.runs.presets import PRESETS as CORE_PRESETS
from core.runs.prompt_texts import MIXTURE_KEY, PROMPT_KEYS, loss_text, with_prompt_texts
from core.runs.setting_texts import RUN_SETTINGS, VANILLA_SHARE, with_setting_texts
from core.runs.spec import DataSection, ModelSection, RunSpec
from core.runs.spec_fields import SESSION_KEYS, setting_values
from core.session import Session

if TYPE_CHECKING:
    from core.data.dataset import DataSet

DEMO_PRESET = "demo"
PRESETS = (DEMO_PRESET, *CORE_PRESETS)
_FORM_KEYS = frozenset({"preset", *(setting.key for setting in RUN_SETTINGS), *PROMPT_KEYS})


def preset_of(session: Session) -> str:
    preset = str(session.train.get("preset", ""))
    if preset in PRESETS:
        return preset
    return "demo" if session.data == session.model == DEMO else "seeds"


def preset_spec(session: Session, preset: str) -> RunSpec:
    """The settings of the preset, with the data and the model of the session."""
    data = DataSection(source=resolve_source_name(session.data).address, split=session.split)
    model = ModelSection(name=absolute_name(session.model))
    if preset != DEMO_PRESET:
        return presets.preset_spec(preset, data, model)
    from core.demo.spec import demo_spec

    spec: RunSpec = demo_spec()
    if session.data == session.model == DEMO:
        return spec
    return msgspec.structs.replace(spec, data=data, model=model, name="run")


def base_spec(session: Session, preset: str, dataset: DataSet | None = None) -> tuple[RunSpec, RunError | None]:
    """`preset_spec` with the session's prompt settings, and the error of the first that cannot be read. dataset: the
    open one; a column mapping and names of columns that the user chose for it also apply to the run."""
    spec, trouble = preset_spec(session, preset), None
    if dataset is not None and dataset.source == session.data:
        found = data_section(dataset)
        data = msgspec.structs.replace(spec.data, columns=found.columns, names=found.names)
        spec = msgspec.structs.replace(spec, data=data)
    for key, text in prompt_settings(session).items():
        try:
            spec = with_prompt_texts(spec, {key: text})
        except RunError as error:
            trouble = trouble or error
    further = further_settings(session)
    if further:
        spec, wrong = _with_all(spec, further)
        trouble = trouble or wrong
    return spec, trouble


def session_spec(session: Session, dataset: DataSet | None = None) -> tuple[RunSpec, RunError | None]:
    """The specification with all settings of the session, and the error of the first that cannot be read; such
    settings stay as in the preset. dataset: see `base_spec`."""
    spec, trouble = base_spec(session, preset_of(session), dataset)
    spec, wrong = _with_all(spec, {key: str(value) for key, value in session.train.items() if key not in PROMPT_KEYS})
    return spec, trouble or wrong


def _with_all(spec: RunSpec, texts: Mapping[str, str]) -> tuple[RunSpec, RunError | None]:
    """`spec` with all of `texts`, which may only hold together; where they do not, with those that can be read one by
    one, and the first error."""
    try:
        return with_setting_texts(spec, texts), None
    except RunError as error:
        trouble = error
    for key, text in texts.items():
        with suppress(RunError):
            spec = with_setting_texts(spec, {key: text})
    return spec, trouble


def further_settings(session: Session) -> dict[str, str]:
    """The session's settings that have no field in the form of the Train room."""
    return {key: str(value) for key, value in session.train.items() if key not in _FORM_KEYS}


def cloned_settings(settings: Mapping[str, str]) -> dict[str, str | int | float | bool]:
    """The session's settings that make the settings of a run again (texts by key): the preset `seeds` with whatever
    differs from it. Data and model are not among them."""
    plain = setting_values(presets.seeds_spec(DataSection(source="demo"), ModelSection(name="demo")))
    own = {key: text for key, text in settings.items() if key not in SESSION_KEYS and text != plain.get(key)}
    return {"preset": "seeds", **own}


def prompt_settings(session: Session) -> dict[str, str]:
    """The prompt settings of the session, as `core.runs.prompt_texts` reads them."""
    return {key: str(session.train[key]) for key in PROMPT_KEYS if key in session.train}


def with_settings(session: Session, texts: Mapping[str, str]) -> dict[str, str | int | float | bool]:
    """The session's settings of a run, with `texts` over them. A chosen mixture replaces a share typed before."""
    settings = dict(session.train)
    if MIXTURE_KEY in texts:
        settings.pop(VANILLA_SHARE, None)
    return {"preset": preset_of(session), **settings, **texts}


def run_words(spec: RunSpec) -> str:
    """The prompt settings of a run in one line."""
    prompt = spec.prompt
    total = sum(part.weight for part in prompt.mixture) or 1.0
    mixture = ", ".join(f"{part.template} {100 * part.weight / total:.3g} %" for part in prompt.mixture)
    return f"{mixture}; loss {loss_text(prompt.loss_on)}; long rows {prompt.too_long.replace('_', ' ')}"
