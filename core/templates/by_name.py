"""Finds templates by name: Suiron's own, the user's in `<config>/templates/`, and those beside a data set.

A bad file does not affect the others. A file with the name of a built-in template is refused, so that a name in a run's
specification means one text; otherwise the file beside the data takes precedence. `template_file` knows the format.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Literal

import msgspec

from core.base import files, folders
from core.base.errors import SuironError, UsageError
from core.templates.template import Template
from core.templates.template_file import (
    BUILT_IN_FOLDER,
    TemplateError,
    did_you_mean,
    dump_template,
    load_template,
    parse_template,
)

TemplateOrigin = Literal["built in", "yours", "beside the data"]


class ListedTemplate(msgspec.Struct, frozen=True):
    """A template file that was found. One of `template` and `error` is None."""

    name: str
    """The template's name, or the file's name without its suffix where it cannot be read."""
    path: Path
    """The file."""
    origin: TemplateOrigin
    """The kind of folder with the file."""
    template: Template | None = None
    """The template in the file."""
    error: SuironError | None = None
    """The error in the file."""


def get_template(name: str, extra_folders: Sequence[Path] = ()) -> Template:
    """The template called `name`: built in, the user's own, or in one of `extra_folders`; the last one counts. A
    built-in template is found without reading any other file.

    Raises UsageError with a list of all templates, or the TemplateError of the file with that name.
    """
    if name in built_in_templates():
        return built_in_templates()[name]
    listed = list_templates(extra_folders)
    same_name = [listed_template for listed_template in listed if listed_template.name == name]
    if same_name and same_name[-1].template is not None:
        return same_name[-1].template
    if same_name and same_name[-1].error is not None:
        raise same_name[-1].error
    usable = dict.fromkeys(listed_template.name for listed_template in listed if listed_template.template is not None)
    raise UsageError(
        f"there is no such template{did_you_mean(name, usable)}", name, f"Choose one of: {', '.join(usable)}"
    )


def list_templates(extra_folders: Sequence[Path] = ()) -> list[ListedTemplate]:
    """Every template file: the built-in ones, then the user's, then those in `extra_folders`, each by name. Bad files
    are listed with their error."""
    listed = [
        ListedTemplate(name, BUILT_IN_FOLDER / f"{name}.yaml", "built in", template)
        for name, template in built_in_templates().items()
    ]
    searched: list[tuple[Path, TemplateOrigin]] = []
    with contextlib.suppress(OSError):  # a configuration folder that cannot be created has no templates
        searched.append((_user_folder(), "yours"))
    searched += [(folder, "beside the data") for folder in extra_folders]
    for folder, origin in searched:
        listed += [_listed_file(path, origin) for path in _template_paths(folder)]
    return listed


def template_folders(source: str) -> tuple[Path, ...]:
    """The folder for templates beside the data set at the path `source`; none for a hub name."""
    try:
        return (Path(f"{Path(source)}.suiron") / "templates",) if source and Path(source).exists() else ()
    except (OSError, ValueError):  # too long for a file name, or with a null character
        return ()


@lru_cache(maxsize=1)
def built_in_templates() -> dict[str, Template]:
    """The built-in templates by name: those of text first, the ones with fewer versions before the others."""
    templates = [load_template(path) for path in BUILT_IN_FOLDER.glob("*.yaml")]
    templates.sort(key=lambda template: (template.chat is not None, len(template.versions), template.name))
    return {template.name: template for template in templates}


class _TextTemplates(Mapping[str, Template]):
    """The built-in templates of text, read from their files when they are first needed."""

    def _by_name(self) -> Mapping[str, Template]:
        return {name: template for name, template in built_in_templates().items() if template.chat is None}

    def __getitem__(self, name: str) -> Template:
        return self._by_name()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_name())

    def __len__(self) -> int:
        return len(self._by_name())


TEXT_TEMPLATES: Mapping[str, Template] = _TextTemplates()
"""The built-in templates of text, which need no model."""


def save_template(template: Template, folder: Path | None = None) -> Path:
    """Write the template to `<config>/templates/NAME.yaml`, or into `folder`, and return the path. An existing file of
    that name is replaced.

    Raises TemplateError for a name that is built in or not valid for a file, and for a text that YAML cannot store
    exactly; OSError where the file cannot be written.
    """
    folder = _user_folder() if folder is None else folder
    path = folder / f"{template.name}.yaml"
    if template.name in built_in_templates():
        raise TemplateError("a built-in template has this name", template.name, "Choose another name")
    content = dump_template(template)
    if parse_template(content, str(path)) != template:
        raise TemplateError(
            "a file cannot store the template's text exactly",
            template.name,
            "Remove control characters and trailing spaces",
        )
    files.replace_file(files.private_dir(folder) / path.name, content.encode())
    return path


def _user_folder() -> Path:
    return folders.config() / "templates"


def _template_paths(folder: Path) -> list[Path]:
    try:
        return sorted(
            path for path in folder.iterdir() if path.suffix in (".yaml", ".yml") and not path.name.startswith(".")
        )
    except OSError:  # there is no such folder, or it may not be read
        return []


def _listed_file(path: Path, origin: TemplateOrigin) -> ListedTemplate:
    try:
        template = load_template(path)
        if template.name in built_in_templates():
            raise TemplateError(
                f"the template cannot be used: name: {template.name} is built in", str(path), "Choose another name"
            )
        return ListedTemplate(template.name, path, origin, template)
    except SuironError as error:
        return ListedTemplate(path.stem, path, origin, error=error)
