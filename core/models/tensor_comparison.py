"""The tensors of a model's files beside those that its config describes, in words."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import msgspec

from core.base.errors import ModelError
from core.base.plural import counted
from core.base.safe_text import safe_line

_LAYER = re.compile(r"(?:.*?\.)?\d+\.")  # up to the first number in a name
_SHOWN = 3  # names in a message
_SAME_VERSION = "Copy or download the model folder again, config.json and weights of the same version"


class WrongShape(msgspec.Struct, frozen=True, order=True):
    """A tensor whose shape is not that of its place in the model."""

    name: str
    """The tensor's name in the model."""
    in_file: tuple[int, ...]
    """Its shape in the file."""
    by_config: tuple[int, ...]
    """Its shape as the config describes it."""


class TensorComparison(msgspec.Struct, frozen=True):
    """How the tensors of a file differ from those of a model."""

    expected: int
    """How many tensors the model has that a file must hold."""
    missing: tuple[str, ...] = ()
    """Names of tensors that the file lacks: a library would draw them at random."""
    wrong_shapes: tuple[WrongShape, ...] = ()
    """Tensors of another shape than the model's."""
    unexpected: tuple[str, ...] = ()
    """Names of tensors that the model has no place for."""
    failures: tuple[str, ...] = ()
    """What could not be converted into the form of the model, in the library's words. Foreign text."""
    layers: int = 0
    """How many layers the config describes; 0: not known."""
    missing_layers: int = 0
    """How many of these have no tensor at all in the file."""

    @property
    def note(self) -> str:
        """What of the file is not used, in words; empty where all is."""
        if not self.unexpected:
            return ""
        count = counted(len(self.unexpected), "tensor")
        verb = "is" if len(self.unexpected) == 1 else "are"
        return (
            f"{count} of the weights {verb} not in the model that config.json describes, and not used: "
            + some_names(self.unexpected)
        )

    def refuse_unless_whole(self, folder: Path) -> None:
        """Raise ModelError where weights would have to be invented, or do not fit."""
        where = str(folder)
        if self.missing:
            raise ModelError(self._missing_words(), where, _SAME_VERSION)
        if self.wrong_shapes:
            first = self.wrong_shapes[0]
            more = f" (and {len(self.wrong_shapes) - 1} more)" if len(self.wrong_shapes) > 1 else ""
            what = f"{safe_line(first.name, 100)} has the shape {shape_words(first.in_file)} in the weights and "
            raise ModelError(f"{what}{shape_words(first.by_config)} by config.json{more}", where, _SAME_VERSION)
        if self.failures:
            what = f"the weights cannot be brought into the model's form: {safe_line(self.failures[0], 200)}"
            raise ModelError(what, where, _SAME_VERSION)

    def _missing_words(self) -> str:
        first = ""
        if self.missing_layers:
            has = self.layers - self.missing_layers
            first = f"{counted(self.layers, 'layer')} are in config.json, and the weights have {has}: "
        count = counted(len(self.missing), "tensor")
        verb = "is" if len(self.missing) == 1 else "are"
        what = f"{first}{count} of {self.expected} {verb} missing: {some_names(self.missing)}"
        if self.unexpected:
            what += f"; instead there is {some_names(self.unexpected)}, which the model has no place for"
        return what


def count_missing_layers(names: Iterable[str], missing: Iterable[str]) -> int:
    """How many of the numbered layers that `names` are of are missing as a whole."""
    of_layer, lost = (Counter(match[0] for match in map(_LAYER.match, group) if match) for group in (names, missing))
    return sum(lost[layer] == count for layer, count in of_layer.items())


def some_names(names: tuple[str, ...]) -> str:
    """The first of `names`, and how many more there are."""
    first = ", ".join(safe_line(name, 100) for name in names[:_SHOWN])
    return f"{first} and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else first


def shape_words(shape: tuple[int, ...]) -> str:
    """`[2, 3]`."""
    return "[" + ", ".join(map(str, shape)) + "]"
