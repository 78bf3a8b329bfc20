"""The tuned models there are: runs that have saved a complete adapter on a base model."""

from __future__ import annotations

from pathlib import Path

import msgspec

from core.base.errors import SuironError
from core.runs.run_folder import list_runs
from core.runs.spec import RunSpec
from core.templates.by_name import TEXT_TEMPLATES, get_template, list_templates, template_folders
from core.templates.template import Template


class TunedModel(msgspec.Struct, frozen=True):
    """A run's adapter, and how its model is asked."""

    run: str
    """The run's id."""
    adapter: str
    """The adapter's folder."""
    drop_empty_input: bool = False
    """Whether it was trained, and so is asked, without the input block where the input is empty."""
    templates: tuple[str, ...] = ()
    """Names of the templates it was trained with, the largest share first."""


def list_tuned_models(model: str) -> list[TunedModel]:
    """The runs on `model` with a complete adapter, newest first. Reads the disk."""
    found: list[TunedModel] = []
    for run in list_runs():
        if not (run.adapter / "adapter_config.json").is_file():
            continue
        try:
            spec = run.spec()
        except SuironError:
            # Without its specification nobody knows the adapter's base model; the Train room shows the error.
            continue
        if spec.model.name == model:
            mixture = sorted(spec.prompt.mixture, key=lambda part: -part.weight)
            found.append(
                TunedModel(
                    run.id, str(run.adapter), run_drops_empty_input(spec), tuple(part.template for part in mixture)
                )
            )
    return found


def run_template_folder(adapter: str | Path) -> Path:
    """The run's own copies of its templates, as they were when it trained; they win over later versions."""
    return Path(adapter).parent / "templates"


def askable_templates(data: str, adapter: str = "") -> dict[str, Template]:
    """Templates to ask with, by name: the built-in ones, the user's own, those beside the data set `data`, and those
    that the run of `adapter` (a folder) keeps. Reads the disk."""
    folders = (*template_folders(data), run_template_folder(adapter)) if adapter else template_folders(data)
    found = {listed.name: listed.template for listed in list_templates(folders) if listed.template is not None}
    return dict(TEXT_TEMPLATES) | {name: template for name, template in found.items() if name not in TEXT_TEMPLATES}


def run_drops_empty_input(spec: RunSpec) -> bool:
    """Whether the run's prompts leave out the input block of an empty input: as the run says, else as its templates
    do."""
    if spec.prompt.drop_empty_input is not None:
        return spec.prompt.drop_empty_input
    try:
        return all(
            get_template(part.template, template_folders(spec.data.source)).drop_empty_input
            for part in spec.prompt.mixture
        )
    except SuironError:
        return False  # a template that was deleted since; most keep the block
