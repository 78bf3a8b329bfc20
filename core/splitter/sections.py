"""Which section text belongs to, what a marker changes, and what is given out: the splitter's memory. Its rules stand
in `splitter`.

Knows markers by their kind alone; finding them in a stream is the splitter's.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from core.splitter.markers import MarkKind

Section = Literal["reasoning", "response"]
Start = Literal["reasoning", "response", "undecided"]
Ending = Literal["complete", "in_reasoning", "runaway"]
Sort = Literal["reasoning", "response", "marker", "layout", "after"]


def _beginnings(*texts: str) -> frozenset[str]:
    return frozenset(text[:length] for text in texts for length in range(1, len(text) + 1))


# The line ends that go with a marker that follows them, and all beginnings of these: what must be held back. "\r\n\n"
# is not among them, so that a section ending in a CR of its own, then the template's "\n\n", keeps its CR.
_HELD_BEFORE_HEADING = _beginnings("\n\n", "\r\n\r\n", "\n\r\n")
_HELD_BEFORE_TAG = _beginnings("\r\n", "\n")
_LONGEST_HELD = 4


class Part(msgspec.Struct, frozen=True):
    """New text, never empty, of one section."""

    section: Section
    text: str


class Record:
    """Every character of the stream, in its order, and what became of it: a section's text, a marker, layout around
    one, or dropped after the end.

    What may yet go with a marker waits as layout; a section that goes on takes it back.
    """

    def __init__(self) -> None:
        self._entries: list[tuple[list[Sort], str]] = []  # the sort may still change
        self._waiting: list[tuple[list[Sort], str]] = []
        self._left: dict[Section, list[tuple[list[Sort], str]]] = {"reasoning": [], "response": []}

    def pieces(self) -> list[tuple[Sort, str]]:
        """Neighbours of one sort joined; all texts joined are the stream so far, but for a beginning of a marker that
        is still held back."""
        pieces: list[tuple[Sort, list[str]]] = []
        for (sort,), text in self._entries:
            if pieces and pieces[-1][0] == sort:
                pieces[-1][1].append(text)
            else:
                pieces.append((sort, [text]))
        return [(sort, "".join(texts)) for sort, texts in pieces]

    def add(self, sort: Sort, text: str) -> None:
        if text:
            self._entries.append(([sort], text))

    def wait(self, text: str) -> None:
        """Text of which at most the last few characters may go with a marker: these are kept one by one, so that no
        entry must be divided."""
        cut = max(0, len(text) - _LONGEST_HELD)
        for piece in (text[:cut], *text[cut:]):
            if piece:
                self.add("layout", piece)
                self._waiting.append(self._entries[-1])

    def decide(self, sort: Sort, count: int) -> None:
        """The first `count` waiting characters are of this sort."""
        done = 0
        while count > 0:
            entry, text = self._waiting[done]
            entry[0] = sort
            count -= len(text)
            done += 1
        del self._waiting[:done]

    def drop(self) -> None:
        self._waiting = []

    def turn(self, old: Section, new: Section) -> None:
        self._left[old] = self._waiting
        self._waiting = self._left[new]


class Sections:
    """start: see `splitter`. headings: the family. record: keep what became of every character."""

    def __init__(self, start: Start, headings: bool, record: bool) -> None:
        self._headings = headings
        self._held_forms = _HELD_BEFORE_HEADING if headings else _HELD_BEFORE_TAG
        self.section: Section = "reasoning" if start == "reasoning" else "response"
        self._preamble = start == "undecided"  # no marker yet: what comes is response, but no answer
        self._answered = False
        self._written: dict[Section, bool] = {"reasoning": False, "response": False}
        self.texts: dict[Section, list[str]] = {"reasoning": [], "response": []}
        self._left: dict[Section, str] = {
            "reasoning": "",
            "response": "",
        }  # line ends dropped when a section was left, wanted if it goes on
        self.held = ""  # line ends that go if a marker follows
        self._fresh = True  # nothing has come since the last marker
        self._out: list[tuple[Section, list[str]]] = []
        self.ran_away = False  # nothing more will be given out
        self.over = False  # because a runaway marker came
        self.record = Record() if record else None

    @property
    def ending(self) -> Ending:
        if self.over:
            return "runaway"
        return "in_reasoning" if self.section == "reasoning" and not self._answered else "complete"

    def whole(self, section: Section) -> str:
        texts = self.texts[section]
        if len(texts) > 1:
            texts[:] = ["".join(texts)]  # joined once, however often it is asked for
        return texts[0] if texts else ""

    @property
    def steady(self) -> bool:
        """Would a further character that is no line end be given out, and change nothing but the section's text?"""
        if self.held or self._fresh or self.ran_away or self.record is not None or not self._written[self.section]:
            return False
        return self._answered or self._preamble or self.section == "reasoning"

    # text

    def text(self, text: str) -> None:
        """`text`, not empty, belongs to the section; only its last line ends may still go with a marker."""
        self._fresh = False
        if self.record is not None:
            self.record.wait(text)
        if self.held:
            text = self.held + text
        last = text[-2:]
        if last[-1] not in "\r\n":
            self.held = ""
            self._give(text)
        elif last[-1] == "\n" and last[0] not in "\r\n":  # by far the most frequent
            self.held = "\n"
            self._give(text[:-1])
        else:
            keep = next(
                (size for size in range(min(_LONGEST_HELD, len(text)), 0, -1) if text[-size:] in self._held_forms), 0
            )
            self.held = text[len(text) - keep :]
            self._give(text[: len(text) - keep])

    def release(self) -> None:
        """What is held is text."""
        text, self.held = self.held, ""
        self._give(text)

    def close(self) -> None:
        if not self._fresh:
            self.release()
        self.held = ""

    def dropped(self, sort: Sort, text: str) -> None:
        """`text` belongs to no section; told for the record alone."""
        if self.record is not None:
            self.record.add(sort, text)

    def _give(self, text: str) -> None:
        if not text:
            return
        section = self.section
        if self.record is not None:
            self.record.decide("after" if self.ran_away else section, len(text))
        if self.ran_away:
            return
        if not self._written[section] and not text.isspace():
            self._written[section] = True
        if section == "response" and not self._answered and not self._preamble:
            self._answered = not text.isspace()
        self.texts[section].append(text)
        if self._out and self._out[-1][0] == section:
            self._out[-1][1].append(text)
        else:
            self._out.append((section, [text]))

    def take(self) -> list[Part]:
        """What was given out since the last time."""
        if not self._out:
            return []
        out, self._out = self._out, []
        return [Part(section, "".join(texts)) for section, texts in out]

    # markers

    def meet(self, kind: MarkKind, mark: str) -> int:
        """A marker is complete: it ends the answer, changes the section, or is dropped. Returns how many line ends
        after it are its own; -1 for a tag after which the text goes on as if it were not there."""
        if self.held.endswith("\r"):
            self.release()  # a lone CR is text
        self._preamble, section = False, self._after(kind)
        own = self._turn(section, kind)
        if self.record is not None:
            self.record.add("marker", mark)
        return own

    def _turn(self, section: Section | None, kind: MarkKind) -> int:
        if section is None or self.ran_away:
            self.ran_away, self.over, self.held = True, kind == "runaway", ""
            if self.record is not None:
                self.record.drop()
            return 1
        going_on = section == self.section and self._written[section]
        if section != self.section:
            self._leave_for(section)
        elif not going_on:
            self.held = ""  # a heading of its own above the section's text
            if self.record is not None:
                self.record.drop()
        self._fresh = True
        if self._headings:
            return 1
        return -1 if going_on else 1 if kind == "reasoning" else 2

    def _leave_for(self, section: Section) -> None:
        wanted = self._written[self.section]
        self._left[self.section] = self.held if wanted else ""
        self.held = self._left[section]
        if self.record is not None:
            if not wanted:
                self.record.drop()
            self.record.turn(self.section, section)
        self.section = section

    def _after(self, kind: MarkKind) -> Section | None:
        """The section after a marker of this kind; None for a runaway."""
        if kind == "runaway":
            return None
        again = self._answered
        if kind == "reasoning":
            again = again and self.section == "response" and self._written["reasoning"]
        if not again:
            return kind
        return None if self._headings else "response"
