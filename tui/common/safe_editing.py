"""Foreign text in an editor: control characters become visible pictures and are restored on saving."""

from __future__ import annotations

from core.base.safe_text import UNSAFE, safe_text


def editor_text(text: str) -> str:
    """Text for an editor that does not save it back: every line break as a newline, tabs as they are, other control
    characters as visible pictures."""
    return _with_pictures(text.replace("\r\n", "\n").replace("\r", "\n"))


def _with_pictures(text: str) -> str:
    return "\t".join(safe_text(part) for part in text.split("\t"))


class EditableText:
    """Foreign text that is edited and saved again. Only CRLF becomes a newline: a lone carriage return is shown as a
    picture, so that it can be restored."""

    def __init__(self, text: str) -> None:
        self._text = text
        plain = text.replace("\r\n", "\n")
        # Line by line: a carriage return at the end of one must not be taken for part of its line break.
        self.shown = "\n".join(_with_pictures(line) for line in plain.split("\n"))
        """What the editor holds."""
        self.losses: list[str] = []
        """What saving will change besides the edits, one clause each, for the user."""
        self._windows = "\r\n" in text
        if self._windows and text.count("\n") != text.count("\r\n"):
            self._windows = False
            self.losses.append("Mixed line breaks become one kind")
        by_picture: dict[str, set[str]] = {}
        for character in set(UNSAFE.findall(plain)):
            by_picture.setdefault(safe_text(character), set()).add(character)
        # A picture that also occurs in the text itself, or that is shown for several characters, cannot be turned back.
        self._pictures = {
            picture: characters.pop()
            for picture, characters in by_picture.items()
            if len(characters) == 1 and picture not in plain
        }
        lost = sum(
            plain.count(character)
            for picture, characters in by_picture.items()
            if picture not in self._pictures
            for character in characters
        )
        if lost == 1:
            self.losses.append("1 control character will be saved as the picture shown here")
        elif lost:
            self.losses.append(f"{lost:,} control characters will be saved as the pictures shown here")

    def back(self, edited: str) -> str:
        """The text to save for the edited text; exactly the original if nothing was edited."""
        if edited == self.shown:
            return self._text
        for picture, character in self._pictures.items():
            edited = edited.replace(picture, character)
        return edited.replace("\n", "\r\n") if self._windows else edited
