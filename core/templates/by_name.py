"""The templates there are, by name: built in, a person's own, and those beside a data set. Knows neither their files'
form nor rows."""

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
from core.templates.template_files import (
    BUILT_IN,
    TemplateError,
    did_you_mean,
    dump_template,
    load_template,
    parse_template,
)

Origin = Literal["built in", "yours", "beside the data"]


class Listed(msgspec.Struct, frozen=True):
    """A template file that was found. name: the template's, or the file's stem where it could not be read. One of
    template and error is None."""

    name: str
    path: Path
    origin: Origin
    template: Template | None = None
    error: SuironError | None = None


def list_templates(beside: Sequence[Path] = ()) -> list[Listed]:
    """Every template file: built-in ones first, then the user's, then those in the folders `beside` a data set, each by
    name. Bad files are listed with their error."""
    found = [Listed(name, BUILT_IN / f"{name}.yaml", "built in", template) for name, template in built_in().items()]
    places: list[tuple[Path, Origin]] = []
    with contextlib.suppress(OSError):  # a configuration folder that cannot be made holds no templates
        places.append((folders.config() / "templates", "yours"))
    places += [(folder, "beside the data") for folder in beside]
    for folder, origin in places:
        found += [_listed(path, origin) for path in _files(folder)]
    return found


def get_template(name: str, beside: Sequence[Path] = ()) -> Template:
    """The template called `name`: built in, the user's own, or from one of the folders `beside` a data set. Raises
    UsageError naming those there are, or, where its file is bad, what is wrong in it. A built-in one is found without a
    look at any other file."""
    if name in built_in():
        return built_in()[name]
    listed = list_templates(beside)
    same = [one for one in listed if one.name == name]
    if same and same[-1].template is not None:
        return same[-1].template
    if same and same[-1].error is not None:
        raise same[-1].error
    there = dict.fromkeys(one.name for one in listed if one.template is not None)
    raise UsageError(f"there is no such template{did_you_mean(name, there)}", name, f"Choose one of: {', '.join(there)}")


def beside(source: str) -> tuple[Path, ...]:
    """The folder for templates beside the data set at the path `source`; none for a hub name."""
    try:
        return (Path(f"{Path(source)}.suiron") / "templates",) if source and Path(source).exists() else ()
    except (OSError, ValueError):  # too long for a file's name, or with a null in it
        return ()


@lru_cache(maxsize=1)
def built_in() -> dict[str, Template]:
    """Those of the package, by name: the Alpaca forms first."""
    read = [load_template(path) for path in sorted(BUILT_IN.glob("*.yaml"))]
    return {
        template.name: template
        for template in sorted(read, key=lambda one: (one.chat is not None, len(one.versions), one.name))
    }


def save_template(template: Template, folder: Path | None = None) -> Path:
    """Write it to `<config>/templates/NAME.yaml`, or into `folder`, replacing the file of that name whole. Raises
    TemplateError for a name that is built in or that no file can have, OSError where it cannot be written."""
    folder = folders.config() / "templates" if folder is None else folder
    path = folder / f"{template.name}.yaml"
    if template.name in built_in():
        raise TemplateError("a built-in template has this name", template.name, "Choose another name")
    content = dump_template(template)
    if parse_template(content, str(path)) != template:  # a text that YAML cannot carry to the byte
        raise TemplateError(
            "the template's text cannot be kept as it is in a file",
            template.name,
            "Take control characters and trailing spaces out",
        )
    files.replace_file(files.private_dir(folder) / path.name, content.encode())
    return path


class _BuiltIn(Mapping[str, Template]):
    """The built-in templates that are texts, read from their files when first asked for."""

    def _read(self) -> Mapping[str, Template]:
        return {name: template for name, template in built_in().items() if template.chat is None}

    def __getitem__(self, name: str) -> Template:
        return self._read()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())


TEMPLATES: Mapping[str, Template] = _BuiltIn()


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(
            path for path in folder.iterdir() if path.suffix in (".yaml", ".yml") and not path.name.startswith(".")
        )
    except OSError:  # there is none, or it may not be looked into
        return []


def _listed(path: Path, origin: Origin) -> Listed:
    try:
        template = load_template(path)
        if template.name in built_in():
            raise TemplateError(
                f"the template cannot be used: name: {template.name} is built in", str(path), "Choose another name"
            )
        return Listed(template.name, path, origin, template)
    except SuironError as error:
        return Listed(path.stem, path, origin, error=error)
