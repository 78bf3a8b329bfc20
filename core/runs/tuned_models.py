"""Lists the tuned models: runs that have saved a complete adapter for a base model."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import msgspec

from core.base import folders
from core.base.errors import SuironError
from core.models.load_form import OWN_FORM, LoadForm, TrainedBase
from core.runs.checkpoint_folders import CHECKPOINTS_FOLDER, read_mark
from core.runs.run_folder import RunFolder, list_training_runs
from core.runs.spec import RunSpec
from core.templates.by_name import TEXT_TEMPLATES, get_template, list_templates, template_folders
from core.templates.template import Template


class TunedModel(msgspec.Struct, frozen=True):
    """A run's adapter, and the prompt settings for its model."""

    run: str
    """The run's id."""
    adapter: str
    """The adapter's folder."""
    drop_empty_input: bool = False
    """Whether its prompts leave out the input block of an empty input, as in training."""
    templates: tuple[str, ...] = ()
    """Names of the templates in training, the largest share first."""


def list_tuned_models(model: str) -> list[TunedModel]:
    """The runs on `model` with an adapter, newest first: the final one, or that of the newest whole checkpoint. Reads
    the disk."""
    tuned_models: list[TunedModel] = []
    for run in list_training_runs():
        adapter = run.newest_adapter()
        if adapter is None:
            continue
        try:
            spec = run.spec()
        except SuironError:
            # Without its specification, the adapter's base model is not known; the Train room shows the error.
            continue
        if spec.model.name == model:
            mixture = sorted(spec.prompt.mixture, key=lambda part: -part.weight)
            names = tuple(part.template for part in mixture)
            tuned_models.append(TunedModel(run.id, str(adapter), run_drops_empty_input(spec), names))
    return tuned_models


def run_template_folder(adapter: str | Path) -> Path:
    """The folder with the run's copies of its templates, as used in training; they take precedence over later
    versions."""
    return _run_of(adapter) / "templates"


def _run_of(adapter: str | Path) -> Path:
    """The folder of the run that an adapter, or a checkpoint, belongs to."""
    folder = Path(adapter).parent
    return folder.parent if folder.name == CHECKPOINTS_FOLDER else folder


def run_chat_date(adapter: str | Path) -> str:
    """The date that the chat templates of the adapter's run wrote as today's, as `2026-11-28`; empty where they wrote
    none, or the run does not say."""
    try:
        day = RunFolder(_run_of(adapter)).facts().get("chat_template_date")
        return date.fromisoformat(day).isoformat() if isinstance(day, str) else ""
    except (SuironError, ValueError):
        return ""


def run_load_form(adapter: str | Path) -> LoadForm:
    """The form of the base model that the adapter's run was trained on: its quantisation, number format and trust. Of
    an adapter that is of no run, the form of a base model that is asked alone.

    Only a run of this home is believed that the model's own code may run: a folder from elsewhere may say anything.
    """
    run = RunFolder(_run_of(adapter))
    try:
        spec = run.spec()
        is_own = run.path.parent.resolve() == folders.runs().resolve()
    except (SuironError, OSError):
        return OWN_FORM
    four_bit = run.facts().get("four_bit")  # without CUDA, a run that asks for 4 bits has all of them
    return LoadForm(
        four_bit=four_bit if isinstance(four_bit, bool) else spec.model.load_in_4bit,
        dtype=spec.train.dtype,
        trust_remote_code=spec.model.trust_remote_code and is_own,
    )


def run_trained_base(adapter: str | Path) -> TrainedBase | None:
    """The base model that the adapter in this folder was trained on, from the mark beside it, else from the facts of
    its run; None where neither says one."""
    mark = read_mark(Path(adapter))
    if mark is not None and mark.base_fingerprint:
        return TrainedBase(mark.base_model, mark.base_fingerprint)
    facts = RunFolder(_run_of(adapter)).facts()
    name, fingerprint = facts.get("model"), facts.get("model_fingerprint")
    if isinstance(name, str) and isinstance(fingerprint, str) and fingerprint:
        return TrainedBase(name, fingerprint)
    return None


def askable_templates(data: str, adapter: str = "") -> dict[str, Template]:
    """The templates for questions, by name: the built-in ones, the user's own, those beside the data set `data`, and
    the copies of the run of `adapter` (a folder). Reads the disk."""
    places = (*template_folders(data), run_template_folder(adapter)) if adapter else template_folders(data)
    by_name = {listed.name: listed.template for listed in list_templates(places) if listed.template is not None}
    return dict(TEXT_TEMPLATES) | {name: template for name, template in by_name.items() if name not in TEXT_TEMPLATES}


def run_drops_empty_input(spec: RunSpec) -> bool:
    """Whether the run's prompts leave out the input block of an empty input: the run's setting, else its
    templates'."""
    if spec.prompt.drop_empty_input is not None:
        return spec.prompt.drop_empty_input
    try:
        return all(
            get_template(part.template, template_folders(spec.data.source)).drop_empty_input
            for part in spec.prompt.mixture
        )
    except SuironError:
        return False  # a template was deleted since; most keep the block
