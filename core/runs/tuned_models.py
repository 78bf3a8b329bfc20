"""Which tuned models there are: runs on a model that have saved a whole adapter."""

from __future__ import annotations

from pathlib import Path

import msgspec

from core.base.errors import SuironError
from core.runs.folder import list_runs
from core.runs.spec import RunSpec
from core.templates.by_name import TEMPLATES, beside, get_template, list_templates
from core.templates.template import Template


class Tuned(msgspec.Struct, frozen=True):
    """run: its id; adapter: the folder that the engine loads; drop_empty_input: how it was trained, and so how it is
    asked; templates: the names of those it was trained on, of the largest share first."""

    run: str
    adapter: str
    drop_empty_input: bool = False
    templates: tuple[str, ...] = ()


def tuned_models(model: str) -> list[Tuned]:
    """The runs on `model` with a whole adapter, newest first. Reads the disk."""
    found: list[Tuned] = []
    for run in list_runs():
        if not (run.adapter / "adapter_config.json").is_file():
            continue
        try:
            spec = run.spec()
        except SuironError:
            # without its specification nobody knows what the adapter belongs on; the train room shows what is wrong
            # with it
            continue
        if spec.model.name == model:
            mixture = sorted(spec.prompt.mixture, key=lambda part: -part.weight)
            found.append(
                Tuned(run.id, str(run.adapter), drops_empty_input(spec), tuple(part.template for part in mixture))
            )
    return found


def kept_beside(adapter: str | Path) -> Path:
    """The folder of the templates as they were when the run with this adapter was trained; they win over what became of
    their files since."""
    return Path(adapter).parent / "templates"


def templates_to_ask(data: str, adapter: str = "") -> dict[str, Template]:
    """By name: Suiron's, texts first; the user's own; those beside the data set `data`; and those kept with the run of
    the adapter in the folder `adapter`. Reads the disk."""
    folders = (*beside(data), kept_beside(adapter)) if adapter else beside(data)
    found = {one.name: one.template for one in list_templates(folders) if one.template is not None}
    return dict(TEMPLATES) | {name: template for name, template in found.items() if name not in TEMPLATES}


def drops_empty_input(spec: RunSpec) -> bool:
    """Whether the run's prompts leave out the heading of an empty input: as it says itself, else as its templates
    do."""
    if spec.prompt.drop_empty_input is not None:
        return spec.prompt.drop_empty_input
    try:
        return all(
            get_template(part.template, beside(spec.data.source)).drop_empty_input for part in spec.prompt.mixture
        )
    except SuironError:
        return False  # a template that is gone since: most say no
