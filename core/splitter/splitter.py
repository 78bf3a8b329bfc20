"""A pure state machine that sorts a stream of text into reasoning and response, and never returns part of a marker.

Make a `Splitter(markers, start)`, call `feed(text)` for every piece of the stream and `close()` at its end; each
returns the new text as `SectionText`s. Then `.reasoning` and `.response` are the joined texts of each section, and
`.ending` tells how the answer ended. Knows nothing of tokens or screens. This module finds markers; `sections` applies
them.

Always
- The result does not depend on how the stream is cut.
- Text is returned as soon as its section is decided. Only text that may still belong to a marker is held back: a proper
  prefix of a marker, and the few line ends before it (at most two for headings, one for tags). Held text that is not a
  marker is returned completely; `close()` returns the rest.
- A marker is spelt exactly, in one of its spellings; `###Response:` or `<Think>` is text. CRLF counts as a line end; a
  lone CR is text.
- A section's text is never overwritten. Where a section continues after a marker, the line ends before that marker are
  its text.
- No text is lost: only markers, the line ends and blanks around them, and text after the end of the answer are left
  out.

Headings (`line_start=True`, e.g. ALPACA)
- A heading counts at the very start of a line (also of the stream), outside of ``` and ~~~ fences (see `fences`; a
  fence that is never closed reaches to the end of the stream). Anywhere else it is text.
- The two line ends before a heading and the one after it belong to the template, not to the text, so that an answer in
  the template's format returns reasoning and response exactly, with their own blank lines. In `### Response: 42` the
  blanks after the heading are dropped and `42` is text.

Tags (`line_start=False`, e.g. THINK)
- A tag counts anywhere until the answer has text. One line end before a tag, one after the opening tag and two after
  the closing one are the layout `<think>\n...\n</think>\n\n...`, not text; blanks are text. (A reasoning that itself
  ends in a lone CR loses it: the CR reads as half of a CRLF.)
- Once the answer has text, every tag in it is text: answers do mention tags. Only a tag that ends an answer (`end`) is
  dropped, with the white space after it and the line end before it, where nothing else follows it.
- With THINK and start "undecided", the opening tag of another family (see `marker_families`) at the very start of the
  stream, white space aside, chooses the markers of that family.

Which section
- `start` is the section in which the text begins. "undecided": in the response, until a marker. Text before the first
  marker stays there, because text that was returned cannot be taken back (so with a lone `</think>` all text before it
  is response; a prompt that opens `<think>` has start "reasoning"), but it is not yet an answer: an answer after it is
  appended to it.
- The reasoning marker opens the reasoning, unless both sections have text; repeated inside the reasoning, it is dropped
  and the reasoning continues.
- The response marker opens the response; repeated before any answer, it is dropped. Nested tags are not counted: the
  first closing tag closes.
- After an answer, another response heading, or a reasoning heading once there was reasoning, ends the answer like a
  runaway marker: all text after it is dropped (it is only searched for a runaway marker), and `ran_away` is true at
  once, so that generation can stop. The first reasoning is reasoning even after the answer.
- A section "has text" when it holds more than white space.

`.ending`: "runaway" after a runaway marker (a section that is merely repeated does not change the ending);
"in_reasoning" when the text ends inside the reasoning and there is no answer; else "complete".
"""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import lru_cache

from core.base.errors import UsageError
from core.splitter.fences import CodeFences
from core.splitter.marker_families import OPENER_PREFIXES, family_markers, family_opened_by
from core.splitter.marker_spellings import ALPACA, THINK, Markers
from core.splitter.sections import AnswerEnding, Section, SectionState, SectionText, StartSection

__all__ = ["ALPACA", "THINK", "AnswerEnding", "Markers", "Section", "SectionText", "Splitter", "StartSection"]

_BLANKS = re.compile(r"[ \t]*")
_NEVER = re.compile(r"(?!)")
_NOT_SPACE = re.compile(r"\S")


def _any_letter(letters: set[str]) -> str:
    return f"[{re.escape(''.join(sorted(letters)))}]"


class _SpellingPatterns:
    """Patterns that find some spellings in a stream."""

    def __init__(self, spellings: Collection[str]) -> None:
        self.longest = max(map(len, spellings), default=0)
        prefixes = {spelling[:length] for spelling in spellings for length in range(1, len(spelling))}
        self.proper_prefixes = frozenset(prefixes) - set(spellings)
        self.first_letters = {spelling[0] for spelling in spellings}
        longest_first = sorted(spellings, key=lambda spelling: -len(spelling))
        self.any_marker = re.compile("|".join(map(re.escape, longest_first))) if spellings else _NEVER
        self.first_letter = re.compile(_any_letter(self.first_letters)) if spellings else _NEVER
        # the end of plain text: a line end or the first letter of a spelling; or no text at all
        ends = rf"[\r\n]|\A\Z|{_any_letter(self.first_letters)}" if spellings else r"\A\Z"
        self.find_end_of_plain = re.compile(ends).search


class _MarkerPatterns:
    """Patterns computed from `Markers` once, for all streams."""

    def __init__(self, markers: Markers) -> None:
        self.headings = markers.line_start
        self.kinds = markers.kinds()
        self.closers = dict(markers.wraps)  # by the tag that opens the wrap
        if self.headings:
            self._prepare_headings()
        else:
            self._prepare_tags(markers)

    def _prepare_headings(self) -> None:
        self.in_reasoning = _SpellingPatterns(self.kinds)
        self.any_marker, self.longest = self.in_reasoning.any_marker, self.in_reasoning.longest
        self.proper_prefixes = self.in_reasoning.proper_prefixes
        self.find_end_of_plain = re.compile(r"[\r\n]|\A\Z").search
        self.line_starts = self.in_reasoning.first_letters | set("`~ ")  # only such a line can be a heading or a fence
        # by the open fence's character: the line end before the next line that can be a heading or a fence
        self.after_plain_lines = {
            fence: re.compile(rf"\n(?={_any_letter(letters)}|\Z)")
            for fence, letters in (("", self.line_starts), ("`", {"`", " "}), ("~", {"~", " "}))
        }

    def _prepare_tags(self, markers: Markers) -> None:
        self.in_reasoning = _SpellingPatterns(markers.all())
        self.in_preamble = _SpellingPatterns((*markers.all(), *markers.end))
        # by the closing tag of the wrap around the response, empty where there is none
        self.before_answer: dict[str, _SpellingPatterns] = {}
        self.in_answer: dict[str, _SpellingPatterns] = {}
        self.ends: dict[str, _SpellingPatterns] = {}
        for closer in ("", *self.closers.values()):
            ends = dict.fromkeys([*markers.end, *([closer] if closer else [])])
            self.before_answer[closer] = _SpellingPatterns([*dict.fromkeys([*markers.all(), *self.closers]), *ends])
            self.in_answer[closer] = _SpellingPatterns([*markers.runaway, *ends])
            self.ends[closer] = _SpellingPatterns(ends)


class Splitter:
    """Sorts one stream of text; see the module for its rules. Time is linear in the text, independent of how it is cut;
    memory is the text itself.

    Raises UsageError for a start that is not a StartSection.
    """

    def __init__(self, markers: Markers = ALPACA, start: StartSection = "undecided") -> None:
        if start not in ("reasoning", "response", "undecided"):
            raise UsageError("a splitter cannot start there", repr(start), "Start in reasoning, response or undecided")
        self._patterns = _patterns_of(markers)
        self._headings = markers.line_start
        self._state = SectionState(start, markers.line_start)
        self._prefix = ""  # a proper prefix of a marker, held back
        self._line_ends_to_drop = 0  # after a marker
        self._met_cr = False  # there is a CR after a marker that may be half of a line end
        self._after_marker = False
        self._at_line_start = True
        self._fences = CodeFences()
        self._closed = False
        self._chooses_family = start == "undecided" and markers == THINK
        self._closer = ""  # the tag that closes the wrap around the response
        # In the middle of a line (or between tags) most pieces contain no line end and no possible start of a marker.
        # While no other check is needed, this section takes each piece completely.
        self._plain_section: Section | None = None
        self._find_end_of_plain = _NEVER.search
        self._append = self._state.texts["response"].append

    @property
    def reasoning(self) -> str:
        """The reasoning that was returned."""
        return self._state.text_of("reasoning")

    @property
    def response(self) -> str:
        """The response that was returned."""
        return self._state.text_of("response")

    @property
    def ending(self) -> AnswerEnding:
        """How the answer ends if the stream ends here."""
        return self._state.ending

    @property
    def section(self) -> Section:
        """The section to which the next text belongs, if no marker comes before it."""
        return self._state.section

    @property
    def holds_marker(self) -> bool:
        """Whether the stream ends in what may be the beginning of a marker."""
        return bool(self._prefix)

    @property
    def ran_away(self) -> bool:
        """Whether the answer has ended, so that no more text is returned."""
        return self._state.ran_away

    def feed(self, text: str) -> list[SectionText]:
        """Read `text`, the next piece of the stream; returns the new text. Raises ValueError after `close`."""
        if self._plain_section is not None and self._find_end_of_plain(text) is None:
            self._append(text)
            return [SectionText(self._plain_section, text)]
        if self._closed:
            raise ValueError("the splitter is closed")
        state = self._state
        text = self._prefix + text
        self._prefix = ""
        position = 0
        while position < len(text) and not state.met_runaway_marker:
            if self._after_marker:
                position = self._skip_after_marker(text, position)
            elif not self._headings:
                position = self._read_tags(text, position)
            elif self._at_line_start:
                position = self._read_line_start(text, position)
            else:
                position = self._read_line(text, position)
        if self._headings:
            if state.held_line_ends and not self._fences.outside_after_line_end():
                state.release_line_ends()  # inside a fence no marker can claim them
            plain = self._fences.settled and not (self._at_line_start or self._after_marker)
        else:
            plain = not (self._prefix or self._after_marker)
        if plain and not state.held_line_ends and state.takes_plain_text:
            self._plain_section = state.section
            self._find_end_of_plain = (self._patterns if self._headings else self._tag_patterns()).find_end_of_plain
            self._append = state.texts[self._plain_section].append
        else:
            self._plain_section = None
        return state.take_new_text()

    def close(self) -> list[SectionText]:
        """End the stream: held back text becomes text. A second call returns nothing."""
        if not self._closed and not self._state.met_runaway_marker:
            if rest := ("\r" if self._met_cr else "") + self._prefix:
                self._state.release_end()
                self._state.add_text(rest)
            self._state.close()
        self._closed = True
        self._plain_section = None
        self._prefix = ""
        self._met_cr = False
        return self._state.take_new_text()

    def _skip_after_marker(self, text: str, position: int) -> int:
        """Drops the line ends that belong to the marker, and the blanks after a heading."""
        if self._headings and not self._met_cr:
            position = _BLANKS.match(text, position).end()  # type: ignore[union-attr]  # it always matches
            if position == len(text):
                return position
        if text[position] == "\n":
            self._met_cr = False
            self._line_ends_to_drop -= 1
            self._after_marker = self._line_ends_to_drop > 0
            self._at_line_start = True
            return position + 1
        if text[position] == "\r" and not self._met_cr:
            self._met_cr = True
            return position + 1
        self._after_marker = self._at_line_start = False
        self._fences.settle()
        if self._met_cr:
            self._met_cr = False
            self._state.add_text("\r")
        return position

    def _tag_patterns(self) -> _SpellingPatterns:
        """The tags that count where the stream is."""
        state, patterns = self._state, self._patterns
        if state.section == "reasoning":
            return patterns.in_reasoning
        if state.is_tag_text:
            return patterns.in_answer[self._closer]
        return patterns.in_preamble if state.in_preamble else patterns.before_answer[self._closer]

    def _read_tags(self, text: str, position: int) -> int:
        """Read up to and including the next tag, or up to a possible beginning of one, or to where the answer's text
        begins."""
        state = self._state
        if state.ran_away:
            return self._read_until_tag(text, position, len(text))
        begin = _NOT_SPACE.search(text, position)
        if self._chooses_family and begin is not None:
            self._choose_family(text[begin.start() :])
        if state.held_end:
            return self._read_after_end(text, position, len(text) if begin is None else begin.start())
        if begin is None or state.section == "reasoning" or state.in_preamble or state.is_tag_text:
            return self._read_until_tag(text, position, len(text))
        first = begin.start()
        patterns = self._tag_patterns()
        if patterns.any_marker.match(text, first) or text[first:] in patterns.proper_prefixes:
            return self._read_until_tag(text, position, len(text))
        state.add_text(text[position : first + 1])  # the first of the answer, after which tags are text
        if not self._patterns.in_answer[self._closer].longest:
            state.release_line_ends()
        return first + 1

    def _choose_family(self, bare: str) -> None:
        """Take the markers of the family that opens the stream. bare: the stream without white space before it."""
        family = family_opened_by(bare)
        self._chooses_family = family is None and bare in OPENER_PREFIXES
        if family is not None and family.name != "think":
            self._patterns = _patterns_of(family_markers(family))

    def _read_after_end(self, text: str, position: int, first: int) -> int:
        """Read after a tag that ended the answer; it is text where more text follows. first: offset of the first letter
        that is no white space."""
        state, patterns = self._state, self._patterns.ends[self._closer]
        state.hold_end(text[position:first])
        if first == len(text):
            return first
        match = patterns.any_marker.match(text, first)
        if match is not None:
            state.hold_end(match.group())
            return match.end()
        if text[first:] in patterns.proper_prefixes:
            self._prefix = text[first:]
            return len(text)
        state.release_end()
        return first

    def _read_until_tag(self, text: str, position: int, end: int) -> int:
        """Read up to and including the next tag, or up to a possible beginning of one."""
        state, patterns = self._state, self._tag_patterns()
        if match := patterns.any_marker.search(text, position):
            if match.start() > position:
                state.add_text(text[position : match.start()])
            self._apply_tag(match.group())
            return match.end()
        prefixes = OPENER_PREFIXES if self._chooses_family else patterns.proper_prefixes
        if self._chooses_family and not text[position:].isspace():
            start = _NOT_SPACE.search(text, position)
        else:
            start = patterns.first_letter.search(text, max(position, end - patterns.longest + 1))
            while start is not None and text[start.start() :] not in prefixes:
                start = patterns.first_letter.search(text, start.end())
        if start is not None:
            end = start.start()
            self._prefix = text[end:]
        if end > position:
            state.add_text(text[position:end])
        if self._prefix and state.held_line_ends.endswith("\r"):
            state.release_line_ends()  # a tag begins where the LF would be
        if not patterns.longest:
            state.release_line_ends()  # no tag counts any more
        return len(text)

    def _apply_tag(self, spelling: str) -> None:
        if self._patterns.kinds[spelling] != "end" or self._state.ran_away:
            self._closer = self._patterns.closers.get(spelling, self._closer)
            self._apply_marker(spelling)
        else:
            if self._state.held_line_ends.endswith("\r"):
                self._state.release_line_ends()  # a lone CR is text
            self._state.hold_end(spelling)

    def _read_line_start(self, text: str, position: int) -> int:
        """Read a heading, or a possible beginning of one; otherwise the line is text."""
        first = text[position]
        if first in self._patterns.line_starts:
            if match := self._patterns.any_marker.match(text, position):
                self._apply_marker(match.group())
                return match.end()
            if text[position : position + self._patterns.longest] in self._patterns.proper_prefixes:
                self._prefix = text[position:]
                return len(text)
        if first not in "`~ ":
            self._fences.settle()
        self._at_line_start = False
        return position

    def _read_line(self, text: str, position: int) -> int:
        """Read up to and including the next line end after which a heading or a fence may begin, or up to the end of
        `text`."""
        fences = self._fences
        if fences.settled:
            match = self._patterns.after_plain_lines[fences.char].search(text, position)
            end = match.end() if match else len(text)
        else:
            end = (text.find("\n", position) + 1) or len(text)
            fences.scan(text[position:end].removesuffix("\n"))
        self._state.add_text(text[position:end])
        if text[end - 1] == "\n":
            fences.line_end()
            self._at_line_start = not fences.char
        return end

    def _apply_marker(self, spelling: str) -> None:
        line_ends = self._state.apply_marker(self._patterns.kinds[spelling])
        self._line_ends_to_drop, self._after_marker = max(line_ends, 1), line_ends > 0
        self._fences = CodeFences()


@lru_cache(maxsize=32)
def _patterns_of(markers: Markers) -> _MarkerPatterns:
    return _MarkerPatterns(markers)
