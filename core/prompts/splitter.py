"""Reasoning or response? A pure state machine that sorts a stream of text into the two, never showing a piece of a marker.

`Splitter(markers, start)`, then `feed(text)` for every piece and `close()` at the end; each returns the new text as `Part`s. Afterwards
`.reasoning`, `.response` and `.ending` hold the whole: they are exactly the parts of each section, joined. Knows nothing of tokens or screens.

Always
- The result is the same for every way of cutting the stream.
- Text is given out as soon as it is decided. Held back is only what may still belong to a marker: a proper beginning of one, and the few line
  ends before it (at most two for headings, one for tags). What turns out to be none is given out whole; at `close()` everything is.
- A marker is spelt exactly; `###Response:` or `<Think>` is text. CRLF counts as a line end; a lone CR is text.
- A section's text is never overwritten. Where text goes on in a section after a marker, the line ends before that marker are its text.

Headings (`line_start=True`, e.g. ALPACA)
- A heading counts at the very start of a line (also of the stream), outside of ``` and ~~~ fences (see `fences`; a fence that is never closed
  reaches to the end of the stream). Anywhere else it is text.
- The two line ends before a heading and the one after it are the template's, not text, so a template-shaped answer gives back reasoning and
  response exactly as written, with their own blank lines. `### Response: 42`: the blanks after the heading go, `42` is text.

Tags (`line_start=False`, e.g. THINK)
- A tag counts wherever it stands. One line end before a tag, one after the opening and two after the closing one are the layout
  `<think>\n...\n</think>\n\n...`, not text; blanks are text. (A reasoning that itself ends in a lone CR loses it: it reads as half of a CRLF.)

Which section
- `start` says where the text begins. "undecided": in the response, until a marker. What stands before the first marker stays there, for parts
  that were given out cannot be taken back (so with a lone `</think>` all before it is response; a prompt that opened `<think>` has start
  "reasoning"), but it is no answer yet: an answer after it joins it.
- The reasoning marker opens the reasoning, unless both sections have been written; repeated inside the reasoning, it is dropped and the text goes on.
- The response marker opens the response; repeated before any answer, it is dropped. Nested tags are not counted: the first closing one closes.
- After an answer, another response heading, or a reasoning heading once there was reasoning, ends the answer as the runaway markers do: all that
  follows is dropped (it is read on for a runaway marker alone), and `ran_away` turns true at once, so that generation can stop. Reasoning that
  first comes after the answer is reasoning.
  Tags are dropped instead and the text goes on in the response, since answers do mention tags.
- "Written" means more than white space.

`.ending`: "runaway" after a runaway marker (a section that is only repeated leaves the ending as it was);
"in_reasoning" when the text ends inside the reasoning and there is no answer; else "complete".
"""

from __future__ import annotations

import re
from typing import Literal

import msgspec

from core.errors import UsageError
from core.prompts.fences import Fences
from core.prompts.markers import ALPACA, THINK, Markers

__all__ = ["ALPACA", "THINK", "Ending", "Markers", "Part", "Section", "Splitter", "Start"]

Section = Literal["reasoning", "response"]
Start = Literal["reasoning", "response", "undecided"]
Ending = Literal["complete", "in_reasoning", "runaway"]

_BLANKS = re.compile(r"[ \t]*")


def _beginnings(*texts: str) -> frozenset[str]:
    return frozenset(text[:length] for text in texts for length in range(1, len(text) + 1))


def _line_end_before(firsts: set[str]) -> re.Pattern[str]:
    return re.compile(rf"\n(?=[{re.escape(''.join(sorted(firsts)))}]|\Z)")


# The line ends that go with a marker that follows them, and all beginnings of these: what must be held back. "\r\n\n" is not among them, so that
# a section ending in a CR of its own, then the template's "\n\n", keeps its CR.
_HELD_BEFORE_HEADING = _beginnings("\n\n", "\r\n\r\n", "\n\r\n")
_HELD_BEFORE_TAG = _beginnings("\r\n", "\n")
_LONGEST_HELD = 4


class Part(msgspec.Struct, frozen=True):
    """New text, never empty, of one section."""

    section: Section
    text: str


class Splitter:
    """See the module. Time is linear in the text, however it is cut; memory is the text itself."""

    def __init__(self, markers: Markers = ALPACA, start: Start = "undecided") -> None:
        if start not in ("reasoning", "response", "undecided"):
            raise UsageError("a splitter cannot start there", repr(start), "Start in reasoning, response or undecided")
        self._markers, self._headings = markers, markers.line_start
        self._kinds = {mark: "runaway" for mark in markers.runaway} | {markers.reasoning: "reasoning", markers.response: "response"}
        self._longest = max(map(len, self._kinds))
        self._heads = _beginnings(*self._kinds) - set(self._kinds)
        self._any_mark = re.compile("|".join(map(re.escape, self._kinds)))
        self._held_forms = _HELD_BEFORE_HEADING if self._headings else _HELD_BEFORE_TAG
        firsts = {mark[0] for mark in self._kinds}
        self._firsts = firsts | set("`~ ")  # only a line that begins with one of these can be a heading or a fence
        self._after_plain = {  # by the open fence's character: where a line of plain text, and those after it, end before one that matters
            "": _line_end_before(self._firsts),
            "`": _line_end_before({"`", " "}),
            "~": _line_end_before({"~", " "}),
        }

        self._section: Section = "reasoning" if start == "reasoning" else "response"
        self._preamble = start == "undecided"  # no marker yet: what comes is response, but no answer
        self._answered = False
        self._written: dict[str, bool] = {"reasoning": False, "response": False}
        self._texts: dict[str, list[str]] = {"reasoning": [], "response": []}
        self._left: dict[str, str] = {"reasoning": "", "response": ""}  # line ends dropped when a section was left, wanted if it goes on

        self._held = ""  # line ends that go if a marker follows
        self._fresh = True  # nothing has come since the last marker
        self._head = ""  # a proper beginning of a marker
        self._line_ends_to_drop = 0  # after a marker
        self._returned = False  # after a marker, a CR came that may be half of a line end
        self._after_marker = False
        self._at_line_start = True
        self._fences = Fences()
        self._out: list[tuple[Section, list[str]]] = []
        self.ran_away = False  # nothing more will be given out
        self._into_new = False  # because a runaway marker came
        self._closed = False

    @property
    def reasoning(self) -> str:
        return self._whole("reasoning")

    @property
    def response(self) -> str:
        return self._whole("response")

    @property
    def ending(self) -> Ending:
        if self._into_new:
            return "runaway"
        return "in_reasoning" if self._section == "reasoning" and not self._answered else "complete"

    def feed(self, text: str) -> list[Part]:
        """The parts that `text`, the next piece of the stream, decides. Raises ValueError after `close`."""
        if self._closed:
            raise ValueError("the splitter is closed")
        text, self._head, at = self._head + text, "", 0
        while at < len(text) and not self._into_new:
            if self._after_marker:
                at = self._skip_after_marker(text, at)
            elif not self._headings:
                at = self._read_tags(text, at)
            elif self._at_line_start:
                at = self._read_line_start(text, at)
            else:
                at = self._read_line(text, at)
        if self._held and self._headings and not self._fences.outside_after_line_end():
            self._release()  # inside a fence no marker can claim them
        return self._take()

    def close(self) -> list[Part]:
        """The stream has ended: whatever was held back is text. A second call gives nothing."""
        if not self._closed and not self._into_new:
            self._text("\r" if self._returned else "")
            self._text(self._head)
            if not self._fresh:
                self._release()
        self._closed, self._head, self._held, self._returned = True, "", "", False
        return self._take()

    # reading

    def _skip_after_marker(self, text: str, at: int) -> int:
        """Drops the marker's own line end(s), and the blanks after a heading."""
        if self._headings and not self._returned:
            at = _BLANKS.match(text, at).end()  # type: ignore[union-attr]  # it always matches
            if at == len(text):
                return at
        if text[at] == "\n":
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
            self._text("\r")
        return at

    def _read_tags(self, text: str, at: int) -> int:
        """Text up to and with the next tag, or up to what may be the beginning of one."""
        if found := self._any_mark.search(text, at):
            self._text(text[at : found.start()])
            self._meet(self._kinds[found.group()])
            return found.end()
        most = min(self._longest - 1, len(text) - at)
        keep = next((size for size in range(most, 0, -1) if text[len(text) - size :] in self._heads), 0)
        self._text(text[at : len(text) - keep])
        self._head = text[len(text) - keep :]
        if self._head and self._held.endswith("\r"):
            self._release()  # a tag's beginning stands where its LF would
        return len(text)

    def _read_line_start(self, text: str, at: int) -> int:
        """A heading, what may be the beginning of one, or else the line is text."""
        opening = text[at : at + self._longest]
        if opening[0] in self._firsts:
            for mark, kind in self._kinds.items():
                if opening.startswith(mark):
                    self._meet(kind)
                    return at + len(mark)
            if opening in self._heads:
                self._head = opening
                return len(text)
        else:
            self._fences.settle()
        self._at_line_start = False
        return at

    def _read_line(self, text: str, at: int) -> int:
        """Text up to and with the next line end that matters: after it a heading or a fence may stand, or `text` ends."""
        if self._fences.settled:
            found = self._after_plain[self._fences.char].search(text, at)
            end = found.end() if found else len(text)
        else:
            end = (text.find("\n", at) + 1) or len(text)
            self._fences.scan(text[at:end].removesuffix("\n"))
        self._text(text[at:end])
        if text[end - 1] == "\n":
            self._fences.line_end()
            self._at_line_start = not self._fences.char
        return end

    # deciding

    def _meet(self, kind: str) -> None:
        """A marker is complete: end the answer, change the section, or drop the marker and stay."""
        if self._held.endswith("\r"):
            self._release()  # a lone CR is text
        self._preamble, section = False, self._after(kind)
        if section is None or self.ran_away:
            self.ran_away, self._into_new, self._held = True, kind == "runaway", ""
            self._line_ends_to_drop, self._after_marker, self._fences = 1, True, Fences()
            return
        going_on = section == self._section and self._written[section]
        if section != self._section:
            self._left[self._section] = self._held if self._written[self._section] else ""
            self._held, self._section = self._left[section], section
        elif not going_on:
            self._held = ""  # a heading of its own above the section's text
        self._line_ends_to_drop = 1 if self._headings or kind == "reasoning" else 2
        self._after_marker = self._headings or not going_on
        self._fresh = True
        self._fences = Fences()

    def _after(self, kind: str) -> Section | None:
        """The section after a marker of this kind; None for a runaway."""
        if kind == "runaway":
            return None
        if kind == "reasoning":
            again = self._section == "response" and self._answered and self._written["reasoning"]
            section: Section = "reasoning"
        else:
            again = self._answered
            section = "response"
        if not again:
            return section
        return None if self._headings else "response"

    # giving out

    def _text(self, text: str) -> None:
        """`text` belongs to the section; only its last line ends may still go with a marker."""
        if not text:
            return
        self._fresh = False
        text = self._held + text
        keep = next((size for size in range(min(_LONGEST_HELD, len(text)), 0, -1) if text[-size:] in self._held_forms), 0)
        self._held = text[len(text) - keep :]
        self._give(text[: len(text) - keep])

    def _release(self) -> None:
        text, self._held = self._held, ""
        self._give(text)

    def _give(self, text: str) -> None:
        if not text or self.ran_away:
            return
        if not self._written[self._section] and not text.isspace():
            self._written[self._section] = True
        if self._section == "response" and not self._answered and not self._preamble:
            self._answered = not text.isspace()
        self._texts[self._section].append(text)
        if self._out and self._out[-1][0] == self._section:
            self._out[-1][1].append(text)
        else:
            self._out.append((self._section, [text]))

    def _take(self) -> list[Part]:
        out, self._out = self._out, []
        return [Part(section, "".join(texts)) for section, texts in out]

    def _whole(self, section: Section) -> str:
        texts = self._texts[section]
        texts[:] = ["".join(texts)]  # joined once, however often it is asked for
        return texts[0]
