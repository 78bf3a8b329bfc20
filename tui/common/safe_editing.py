"""Foreign text in an editor and back: what an editor cannot hold stands there as a picture, and becomes what it was
when the text is kept."""

from __future__ import annotations

from core.base.safe_text import UNSAFE, safe_text

PASTED = 1_000_000  # characters


def editable(text: str) -> str:
    """Text as it may stand in an editor: line breaks as newlines, tabs kept, other control characters as visible
    pictures."""
    return "\t".join(safe_text(part) for part in text.replace("\r\n", "\n").split("\t"))


class Editable:
    """`shown` is what the editor holds; `back` makes the field of it. `losses`: what will not come back as it was, in
    words for a person."""

    def __init__(self, text: str) -> None:
        self._text = text
        self.shown = editable(text)
        self.losses: list[str] = []
        self._windows = "\r\n" in text
        if self._windows and text.count("\n") != text.count("\r\n"):
            self._windows = False
            self.losses.append("Line breaks of two kinds become one kind")
        plain = text.replace("\r\n", "\n")
        by_picture: dict[str, set[str]] = {}
        for letter in set(UNSAFE.findall(plain)):
            by_picture.setdefault(safe_text(letter), set()).add(letter)
        # A picture that also stands in the text itself, or stands for several characters, cannot be told from what it
        # replaced.
        self._pictures = {
            picture: letters.pop()
            for picture, letters in by_picture.items()
            if len(letters) == 1 and picture not in plain
        }
        lost = sum(
            plain.count(letter)
            for picture, letters in by_picture.items()
            if picture not in self._pictures
            for letter in letters
        )
        if lost:
            self.losses.append(
                f"{lost:,} control character{'s' if lost > 1 else ''} will stay the picture{'s' if lost > 1 else ''} shown here"
            )

    def back(self, edited: str) -> str:
        """The field that the edited text stands for; the very text it was made of where nothing was edited."""
        if edited == self.shown:
            return self._text
        for picture, letter in self._pictures.items():
            edited = edited.replace(picture, letter)
        return edited.replace("\n", "\r\n") if self._windows else edited
