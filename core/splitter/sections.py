"""The state of the splitter: the current section, the effect of each marker, and the text that is returned.

`splitter` describes the rules. Knows only the kinds of markers; the splitter finds them in the stream.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from core.splitter.marker_spellings import MarkerKind

Section = Literal["reasoning", "response"]
StartSection = Literal["reasoning", "response", "undecided"]
AnswerEnding = Literal["complete", "in_reasoning", "runaway"]


def _prefixes(*texts: str) -> frozenset[str]:
    return frozenset(text[:length] for text in texts for length in range(1, len(text) + 1))


# The line ends that belong to a marker after them, and every prefix of these: they must be held back. "\r\n\n" is not
# among them, so that a section that itself ends in a CR, followed by the template's "\n\n", keeps its CR.
_LINE_ENDS_BEFORE_HEADING = _prefixes("\n\n", "\r\n\r\n", "\n\r\n")
_LINE_ENDS_BEFORE_TAG = _prefixes("\r\n", "\n")
_MOST_HELD_CHARACTERS = 4


class SectionText(msgspec.Struct, frozen=True):
    """New text of one section."""

    section: Section
    """The section that the text belongs to."""
    text: str
    """The text, never empty. Foreign text: pass it through `safe_text` before it is shown."""


class SectionState:
    """The section of the stream so far, and the text of both sections. Made for one stream."""

    def __init__(self, start: StartSection, headings: bool) -> None:
        """start: the section in which the stream begins. headings: markers are headings, not tags."""
        self._headings = headings
        self._line_ends_before_marker = _LINE_ENDS_BEFORE_HEADING if headings else _LINE_ENDS_BEFORE_TAG
        self.section: Section = "reasoning" if start == "reasoning" else "response"
        self._preamble = start == "undecided"  # no marker yet: the text is response, but not yet an answer
        self._answered = False
        self._has_text: dict[Section, bool] = {"reasoning": False, "response": False}
        self.texts: dict[Section, list[str]] = {"reasoning": [], "response": []}
        # Line ends that were dropped at the end of a section; they are text again if that section continues.
        self._dropped_line_ends: dict[Section, str] = {"reasoning": "", "response": ""}
        self.held_line_ends = ""  # dropped if a marker follows
        self.held_end = ""  # a tag that ends the answer and the white space after it; text if more text follows
        self._nothing_since_marker = True
        self._new_texts: list[tuple[Section, list[str]]] = []
        self.ran_away = False  # no more text is returned
        self.met_runaway_marker = False

    @property
    def ending(self) -> AnswerEnding:
        """How the answer ends if the stream ends here."""
        if self.met_runaway_marker:
            return "runaway"
        return "in_reasoning" if self.section == "reasoning" and not self._answered else "complete"

    def text_of(self, section: Section) -> str:
        """All text of `section` that was returned."""
        texts = self.texts[section]
        if len(texts) > 1:
            texts[:] = ["".join(texts)]  # joined only once, even if it is read often
        return texts[0] if texts else ""

    @property
    def is_tag_text(self) -> bool:
        """Whether the answer has text, so that tags in it are text too; never for headings."""
        return self._answered and not self._headings

    @property
    def in_preamble(self) -> bool:
        """Whether no marker has been met in a stream that began undecided."""
        return self._preamble

    @property
    def takes_plain_text(self) -> bool:
        """Whether another character that is not a line end is returned at once and only changes the section's text."""
        if (
            self.held_line_ends
            or self.held_end
            or self._nothing_since_marker
            or self.ran_away
            or not self._has_text[self.section]
        ):
            return False
        return self._answered or self._preamble or self.section == "reasoning"

    # text

    def add_text(self, text: str) -> None:
        """Add `text`, not empty, to the section. Only its last line ends may still belong to a marker."""
        self._nothing_since_marker = False
        if self.held_line_ends:
            text = self.held_line_ends + text
        last = text[-2:]
        if last[-1] not in "\r\n":
            self.held_line_ends = ""
            self._add_new_text(text)
        elif last[-1] == "\n" and last[0] not in "\r\n":  # by far the most frequent
            self.held_line_ends = "\n"
            self._add_new_text(text[:-1])
        else:
            length = self._held_length(text)
            self.held_line_ends = text[len(text) - length :]
            self._add_new_text(text[: len(text) - length])

    def _held_length(self, text: str) -> int:
        """Characters at the end of `text` that may still belong to a marker."""
        for length in range(min(_MOST_HELD_CHARACTERS, len(text)), 0, -1):
            if text[-length:] in self._line_ends_before_marker:
                return length
        return 0

    def release_line_ends(self) -> None:
        """Make the held line ends text."""
        text, self.held_line_ends = self.held_line_ends, ""
        self._add_new_text(text)

    def hold_end(self, text: str) -> None:
        """Hold a tag that ends the answer, or white space after it."""
        self.held_end += text

    def release_end(self) -> None:
        """Make a held tag text, because more text follows it."""
        text, self.held_end = self.held_end, ""
        if text:
            self.add_text(text)

    def close(self) -> None:
        """End the stream: held line ends become text, unless a marker is on either side of them."""
        if not (self._nothing_since_marker or self.held_end):
            self.release_line_ends()
        self.held_line_ends = ""

    def _add_new_text(self, text: str) -> None:
        if not text or self.ran_away:
            return
        section = self.section
        if not self._has_text[section] and not text.isspace():
            self._has_text[section] = True
        if section == "response" and not self._answered and not self._preamble:
            self._answered = not text.isspace()
        self.texts[section].append(text)
        if self._new_texts and self._new_texts[-1][0] == section:
            self._new_texts[-1][1].append(text)
        else:
            self._new_texts.append((section, [text]))

    def take_new_text(self) -> list[SectionText]:
        """The new text since the last call."""
        if not self._new_texts:
            return []
        new_texts, self._new_texts = self._new_texts, []
        return [SectionText(section, "".join(texts)) for section, texts in new_texts]

    # markers

    def apply_marker(self, kind: MarkerKind) -> int:
        """Apply a complete marker: it ends the answer, changes the section, or is dropped.

        Returns how many line ends after it belong to it; -1 for a tag that is dropped without any effect on the text.
        """
        if self.held_line_ends.endswith("\r"):
            self.release_line_ends()  # a lone CR is text
        self._preamble = False
        section = self._section_after(kind)
        if section is None or self.ran_away:
            self.ran_away = True
            self.met_runaway_marker = kind == "runaway"
            self.held_line_ends = ""
            return 1
        continues = section == self.section and self._has_text[section]
        if section != self.section:
            self._change_section(section)
        elif not continues:
            self.held_line_ends = ""  # a repeated heading above the section's text
        self._nothing_since_marker = True
        if self._headings:
            return 1
        if continues:
            return -1
        return 1 if kind == "reasoning" else 2

    def _change_section(self, section: Section) -> None:
        self._dropped_line_ends[self.section] = self.held_line_ends if self._has_text[self.section] else ""
        self.held_line_ends = self._dropped_line_ends[section]
        self.section = section

    def _section_after(self, kind: MarkerKind) -> Section | None:
        """The section after a marker of this kind; None where the answer ends."""
        if kind == "runaway":
            return None
        repeated = self._answered
        if kind == "reasoning":
            repeated = repeated and self.section == "response" and self._has_text["reasoning"]
        return None if repeated else ("reasoning" if kind == "reasoning" else "response")
