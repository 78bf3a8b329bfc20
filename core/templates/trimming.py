"""The white space that a chat template takes from a text, found with a stand-in between white space."""

from __future__ import annotations

from typing import Literal

import msgspec

TrimKind = Literal["nothing", "lines", "all"]
"""nothing is taken; line ends, as `strip('\\n')` takes them; or all white space, as `trim` takes it."""
PAD = "\n \n"  # white space around a stand-in that tells the kinds apart
_LEFT: tuple[tuple[TrimKind, str], ...] = (("nothing", PAD), ("lines", " \n"), ("all", ""))
_RIGHT: tuple[tuple[TrimKind, str], ...] = (("nothing", PAD), ("lines", "\n "), ("all", ""))


class Trimming(msgspec.Struct, frozen=True):
    """What is taken from both ends of a text."""

    left: TrimKind = "nothing"
    """What is taken from its beginning."""
    right: TrimKind = "nothing"
    """What is taken from its end."""

    def apply(self, text: str) -> str:
        """`text` without what is taken."""
        if self.right == "all":
            text = text.rstrip()
        elif self.right == "lines":
            text = text.rstrip("\n")
        return self.apply_left(text)

    def apply_left(self, text: str) -> str:
        """`text` without what is taken from its beginning."""
        if self.left == "all":
            return text.lstrip()
        return text.lstrip("\n") if self.left == "lines" else text


NOT_TRIMMED = Trimming()


def padded(stand_in: str) -> str:
    """`stand_in` between white space."""
    return f"{PAD}{stand_in}{PAD}"


def found_trimming(plain: str, with_pads: str, stand_in: str) -> Trimming:
    """What was taken from `stand_in`. plain, with_pads: the rendering of the stand-in alone, and of `padded`; both
    contain it once."""
    before, _, after = plain.partition(stand_in)
    padded_before, _, padded_after = with_pads.partition(stand_in)
    left: list[TrimKind] = [kind for kind, pad in _LEFT if padded_before == before + pad]
    right: list[TrimKind] = [kind for kind, pad in _RIGHT if padded_after == pad + after]
    return Trimming(left[0] if left else "nothing", right[0] if right else "nothing")
