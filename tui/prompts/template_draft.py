"""The text of a template that is being written in the Prompts room. Knows no widgets."""

from __future__ import annotations


class TemplateDraft:
    """A draft that was begun from a template, or none."""

    def __init__(self) -> None:
        self.text: str | None = None
        """None while no template is being written."""
        self._original = ""

    @property
    def is_open(self) -> bool:
        return self.text is not None

    @property
    def is_unsaved(self) -> bool:
        """Whether the text is not saved in a file."""
        return self.text is not None and self.text != self._original

    def begin(self, text: str) -> None:
        """Begin with the text of the template's file."""
        self.text = self._original = text

    def restore(self, text: str) -> None:
        """Go on with a text that was never saved."""
        self.text, self._original = text, ""

    def drop(self) -> None:
        self.text, self._original = None, ""
