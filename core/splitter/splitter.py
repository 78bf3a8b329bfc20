"""Reasoning or response? A pure state machine that sorts a stream of text into the two, never showing a piece of a
marker.

`Splitter(markers, start)`, then `feed(text)` for every piece and `close()` at the end; each returns the new text as
`Part`s. Afterwards `.reasoning`, `.response` and `.ending` hold the whole: they are exactly the parts of each section,
joined. Knows nothing of tokens or screens. Here the marks are found; what they change is `sections`.

Always
- The result is the same for every way of cutting the stream.
- Text is given out as soon as it is decided. Held back is only what may still belong to a marker: a proper beginning of
  one, and the few line
  ends before it (at most two for headings, one for tags). What turns out to be none is given out whole; at `close()`
  everything is.
- A marker is spelt exactly, in one of its spellings; `###Response:` or `<Think>` is text. CRLF counts as a line end; a
  lone CR is text.
- A section's text is never overwritten. Where text goes on in a section after a marker, the line ends before that
  marker are its text.
- Nothing is lost: with `record=True`, `pieces()` tells of every character what became of it, and its texts joined are
  the stream.

Headings (`line_start=True`, e.g. ALPACA)
- A heading counts at the very start of a line (also of the stream), outside of ``` and ~~~ fences (see `fences`; a
  fence that is never closed
  reaches to the end of the stream). Anywhere else it is text.
- The two line ends before a heading and the one after it are the template's, not text, so a template-shaped answer
  gives back reasoning and
  response exactly as written, with their own blank lines. `### Response: 42`: the blanks after the heading go, `42` is
  text.

Tags (`line_start=False`, e.g. THINK)
- A tag counts wherever it stands. One line end before a tag, one after the opening and two after the closing one are
  the layout
  `<think>\n...\n</think>\n\n...`, not text; blanks are text. (A reasoning that itself ends in a lone CR loses it: it
  reads as half of a CRLF.)

Which section
- `start` says where the text begins. "undecided": in the response, until a marker. What stands before the first marker
  stays there, for parts
  that were given out cannot be taken back (so with a lone `</think>` all before it is response; a prompt that opened
  `<think>` has start "reasoning"), but it is no answer yet: an answer after it joins it.
- The reasoning marker opens the reasoning, unless both sections have been written; repeated inside the reasoning, it is
  dropped and the text goes on.
- The response marker opens the response; repeated before any answer, it is dropped. Nested tags are not counted: the
  first closing one closes.
- After an answer, another response heading, or a reasoning heading once there was reasoning, ends the answer as the
  runaway markers do: all that
  follows is dropped (it is read on for a runaway marker alone), and `ran_away` turns true at once, so that generation
  can stop. Reasoning that first comes after the answer is reasoning. Tags are dropped instead and the text goes on in
  the response, since answers do mention tags.
- "Written" means more than white space.

`.ending`: "runaway" after a runaway marker (a section that is only repeated leaves the ending as it was);
"in_reasoning" when the text ends inside the reasoning and there is no answer; else "complete".
"""

from __future__ import annotations

import re
from functools import lru_cache

from core.base.errors import UsageError
from core.splitter.fences import Fences
from core.splitter.markers import ALPACA, THINK, Markers
from core.splitter.sections import Ending, Part, Section, Sections, Sort, Start

__all__ = ["ALPACA", "THINK", "Ending", "Markers", "Part", "Section", "Sort", "Splitter", "Start"]

_BLANKS = re.compile(r"[ \t]*")


def _one_of(letters: set[str]) -> str:
    return f"[{re.escape(''.join(sorted(letters)))}]"


class _Marks:
    """What is computed of `Markers` once, however many streams are read."""

    def __init__(self, markers: Markers) -> None:
        self.headings = markers.line_start
        self.kinds = markers.kinds()
        self.longest = max(map(len, self.kinds))
        self.heads = frozenset(mark[:length] for mark in self.kinds for length in range(1, len(mark))) - set(self.kinds)
        self.any_mark = re.compile("|".join(map(re.escape, self.kinds)))
        firsts = {mark[0] for mark in self.kinds}
        self.first = re.compile(_one_of(firsts))
        self.stir = re.compile(r"[\r\n]|\A\Z" if self.headings else rf"[\r\n]|\A\Z|{_one_of(firsts)}").search
        self.matter = firsts | set("`~ ")  # only a line that begins with one of these can be a heading or a fence
        # by the open fence's character: where a line of plain text, and those after it, end before one that matters
        self.after_plain = {
            fence: re.compile(rf"\n(?={_one_of(matter)}|\Z)")
            for fence, matter in (("", self.matter), ("`", {"`", " "}), ("~", {"~", " "}))
        }


class Splitter:
    """See the module. Time is linear in the text, however it is cut; memory is the text itself.

    record: keep what became of every character, for `pieces`.
    """

    def __init__(self, markers: Markers = ALPACA, start: Start = "undecided", *, record: bool = False) -> None:
        if start not in ("reasoning", "response", "undecided"):
            raise UsageError("a splitter cannot start there", repr(start), "Start in reasoning, response or undecided")
        self._marks = _marks(markers)
        self._headings = markers.line_start
        self._sections = Sections(start, markers.line_start, record)
        self._head = ""  # a proper beginning of a marker
        self._line_ends_to_drop = 0  # after a marker
        self._returned = False  # after a marker, a CR came that may be half of a line end
        self._after_marker = False
        self._at_line_start = True
        self._fences = Fences()
        self._closed = False
        # In the middle of a line (or between tags) most pieces hold nothing that could be or begin a marker or a line
        # end. While that is all that need be asked, this takes the piece's text, and `_stir` finds what would end it.
        self._steady: Section | None = None
        self._stir = self._marks.stir
        self._append = self._sections.texts["response"].append

    @property
    def reasoning(self) -> str:
        return self._sections.whole("reasoning")

    @property
    def response(self) -> str:
        return self._sections.whole("response")

    @property
    def ending(self) -> Ending:
        return self._sections.ending

    @property
    def ran_away(self) -> bool:
        """Nothing more will be given out."""
        return self._sections.ran_away

    def pieces(self) -> list[tuple[Sort, str]]:
        """With `record`: the stream so far in its order, each stretch with what it is: of a section, a marker, the
        layout around one, or dropped after the end. Joined they are the stream (before `close` without a marker's
        beginning that is still held back). Else empty."""
        return self._sections.record.pieces() if self._sections.record is not None else []

    def feed(self, text: str) -> list[Part]:
        """The parts that `text`, the next piece of the stream, decides. Raises ValueError after `close`."""
        if self._steady is not None and self._stir(text) is None:
            self._append(text)
            return [Part(self._steady, text)]
        if self._closed:
            raise ValueError("the splitter is closed")
        sections = self._sections
        text, self._head, at = self._head + text, "", 0
        while at < len(text) and not sections.over:
            if self._after_marker:
                at = self._skip_after_marker(text, at)
            elif not self._headings:
                at = self._read_tags(text, at)
            elif self._at_line_start:
                at = self._read_line_start(text, at)
            else:
                at = self._read_line(text, at)
        if at < len(text):
            sections.dropped("after", text[at:])
        if self._headings:
            if sections.held and not self._fences.outside_after_line_end():
                sections.release()  # inside a fence no marker can claim them
            calm = self._fences.settled and not (self._at_line_start or self._after_marker)
        else:
            calm = not (self._head or self._after_marker)
        if calm and not sections.held and sections.steady:
            self._steady = sections.section
            self._append = sections.texts[self._steady].append
        else:
            self._steady = None
        return sections.take()

    def close(self) -> list[Part]:
        """The stream has ended: whatever was held back is text. A second call gives nothing."""
        if not self._closed and not self._sections.over:
            if rest := ("\r" if self._returned else "") + self._head:
                self._sections.text(rest)
            self._sections.close()
        self._closed, self._steady, self._head, self._returned = True, None, "", False
        return self._sections.take()

    def _skip_after_marker(self, text: str, at: int) -> int:
        """Drops the marker's own line end(s), and the blanks after a heading."""
        if self._headings and not self._returned:
            end = _BLANKS.match(text, at).end()  # type: ignore[union-attr]  # it always matches
            self._sections.dropped("layout", text[at:end])
            at = end
            if at == len(text):
                return at
        if text[at] == "\n":
            self._sections.dropped("layout", "\r\n" if self._returned else "\n")
            self._returned = False
            self._line_ends_to_drop -= 1
            self._after_marker = self._line_ends_to_drop > 0
            self._at_line_start = True
            return at + 1
        if text[at] == "\r" and not self._returned:
            self._returned = True
            return at + 1
        self._after_marker = self._at_line_start = False
        self._fences.settle()
        if self._returned:
            self._returned = False
            self._sections.text("\r")
        return at

    def _read_tags(self, text: str, at: int) -> int:
        """Text up to and with the next tag, or up to what may be the beginning of one."""
        sections, marks = self._sections, self._marks
        if found := marks.any_mark.search(text, at):
            if found.start() > at:
                sections.text(text[at : found.start()])
            self._meet(found.group())
            return found.end()
        end = len(text)
        head = marks.first.search(text, max(at, end - marks.longest + 1))
        while head is not None and text[head.start() :] not in marks.heads:
            head = marks.first.search(text, head.end())
        if head is not None:
            end = head.start()
            self._head = text[end:]
        if end > at:
            sections.text(text[at:end])
        if self._head and sections.held.endswith("\r"):
            sections.release()  # a tag's beginning stands where its LF would
        return len(text)

    def _read_line_start(self, text: str, at: int) -> int:
        """A heading, what may be the beginning of one, or else the line is text."""
        first = text[at]
        if first in self._marks.matter:
            if found := self._marks.any_mark.match(text, at):
                self._meet(found.group())
                return found.end()
            if text[at : at + self._marks.longest] in self._marks.heads:
                self._head = text[at:]
                return len(text)
        if first not in "`~ ":
            self._fences.settle()
        self._at_line_start = False
        return at

    def _read_line(self, text: str, at: int) -> int:
        """Text up to and with the next line end that matters: after it a heading or a fence may stand, or `text`
        ends."""
        fences = self._fences
        if fences.settled:
            found = self._marks.after_plain[fences.char].search(text, at)
            end = found.end() if found else len(text)
        else:
            end = (text.find("\n", at) + 1) or len(text)
            fences.scan(text[at:end].removesuffix("\n"))
        self._sections.text(text[at:end])
        if text[end - 1] == "\n":
            fences.line_end()
            self._at_line_start = not fences.char
        return end

    def _meet(self, mark: str) -> None:
        own = self._sections.meet(self._marks.kinds[mark], mark)
        self._line_ends_to_drop, self._after_marker = max(own, 1), own > 0
        self._fences = Fences()


@lru_cache(maxsize=32)
def _marks(markers: Markers) -> _Marks:
    return _Marks(markers)
