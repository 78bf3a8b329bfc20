"""Finds out whether a line is inside a fenced code block, for text that arrives in pieces, by the rules of CommonMark.

Knows only fences: at most three spaces, then three or more ` or ~; a ` fence has no ` in its info string; a line of at
least as many of the same character and nothing else closes it. Block quotes, lists and indented code are ignored, so a
fence inside them is text. Each character is read once and only counts are kept of a line, so a line of a million
backticks costs no memory.
"""

from __future__ import annotations

_INDENT, _FENCE, _TAIL = range(3)  # the part of the line being read
_LEAST_FENCE = 3  # characters of an opening fence
_MOST_INDENT = 3  # spaces before a fence


class CodeFences:
    """Takes lines in pieces with `scan`, and `line_end` at every newline."""

    def __init__(self) -> None:
        self.char = ""  # of the open fence; empty outside a fence
        self._open_length = 0  # of the open fence
        self._new_line()

    def _new_line(self) -> None:
        self.settled = False  # True: no further character of this line can make it a fence
        self._scanned = False
        self._part, self._indent = _INDENT, 0
        self._length, self._line_char = 0, ""
        self._met_cr = False

    def settle(self) -> None:
        """Called where the caller knows that this line is not a fence."""
        self.settled = True

    def outside_after_line_end(self) -> bool:
        """Whether the next line would be outside of any fence if this one ended here."""
        if self._scanned or self.char:
            return self._is_fence() == bool(self.char)
        return True

    def line_end(self) -> None:
        """The line is complete; it may have opened or closed a fence."""
        if not self._scanned:
            self.settled = False  # nothing else has changed
            return
        if self._is_fence():
            self.char, self._open_length = ("", 0) if self.char else (self._line_char, self._length)
        self._new_line()

    def scan(self, piece: str) -> None:
        """Read `piece`, the next characters of the line, without a newline."""
        if self.settled:
            return
        self._scanned = True
        if self._part == _INDENT:
            piece = self._scan_indent(piece)
        if self._part == _FENCE and piece and not self.settled:
            rest = piece.lstrip(self._line_char)
            self._length += len(piece) - len(rest)
            piece = rest
            if piece and self._long_enough():
                self._part = _TAIL
            elif piece:
                self.settled = True
        if self._part == _TAIL and piece and not self.settled:
            self._scan_tail(piece)

    def _scan_indent(self, piece: str) -> str:
        rest = piece.lstrip(" ")
        self._indent += len(piece) - len(rest)
        if self._indent > _MOST_INDENT or (rest and rest[0] not in (self.char or "`~")):
            self.settled = True
        elif rest:
            self._part, self._line_char = _FENCE, rest[0]
        return rest

    def _scan_tail(self, piece: str) -> None:
        if not self.char:
            if self._line_char == "`" and "`" in piece:
                self.settled = True
            return
        rest = "x" if self._met_cr else piece.lstrip(" \t")
        if rest == "\r":
            self._met_cr = True  # half of a CRLF line end: only the newline may follow
        elif rest:
            self.settled = True

    def _long_enough(self) -> bool:
        return self._length >= (self._open_length or _LEAST_FENCE)

    def _is_fence(self) -> bool:
        if self.settled:
            return False
        return self._part == _TAIL or (self._part == _FENCE and self._long_enough())
