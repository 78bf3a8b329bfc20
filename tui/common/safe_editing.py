"""Foreign text in an editor and back: control characters that an editor cannot hold are shown as pictures, and become
what they were when the text is saved."""

from __future__ import annotations

from core.base.safe_text import UNSAFE, safe_text


def editor_text(text: str) -> str:
    """Text for an editor that never gives it back: every line break as a newline, tabs as they are, other control
    characters as visible pictures."""
    return _with_pictures(text.replace("\r\n", "\n").replace("\r", "\n"))


def _with_pictures(text: str) -> str:
    return "\t".join(safe_text(part) for part in text.split("\t"))


class EditableText:
    """A foreign text that is edited and saved again. Only CRLF becomes a newline: a carriage return alone is shown as a
    picture, for it must come back."""

    def __init__(self, text: str) -> None:
        self._text = text
        plain = text.replace("\r\n", "\n")
        self.shown = _with_pictures(plain)
        """What the editor holds."""
        self.losses: list[str] = []
        """What will not come back as it was, one clause each, for the user."""
        self._windows = "\r\n" in text
        if self._windows and text.count("\n") != text.count("\r\n"):
            self._windows = False
            self.losses.append("Line breaks of two kinds become one kind")
        by_picture: dict[str, set[str]] = {}
        for letter in set(UNSAFE.findall(plain)):
            by_picture.setdefault(safe_text(letter), set()).add(letter)
        # A picture that also occurs in the text itself, or that stands for several characters, cannot be turned back.
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
        if lost == 1:
            self.losses.append("1 control character will stay the picture shown here")
        elif lost:
            self.losses.append(f"{lost:,} control characters will stay the pictures shown here")

    def back(self, edited: str) -> str:
        """The field for the edited text; exactly the original where nothing was edited."""
        if edited == self.shown:
            return self._text
        for picture, letter in self._pictures.items():
            edited = edited.replace(picture, letter)
        return edited.replace("\n", "\r\n") if self._windows else edited
