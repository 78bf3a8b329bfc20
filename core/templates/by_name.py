"""The templates there are, by name: built in, a person's own, and those beside a data set. Knows neither their files'
form nor rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from core.templates.template import Template
from core.templates.template_files import built_in, find_template


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


def get_template(name: str, beside: Sequence[Path] = ()) -> Template:
    """The template called `name`: built in, the user's own, or from one of the folders `beside` a data set. Raises
    UsageError naming those there are, or, where its file is bad, what is wrong in it."""
    return find_template(name, beside)
