"""Is this line inside a fenced code block? Follows CommonMark's fences line by line, for text that arrives in pieces.

Knows fences alone: at most three spaces, then three or more ` or ~; a ` fence has no ` in its info string; it is closed
by a line of at least as many of the same character and nothing else. Quotes, lists and indented code are not followed,
so a fence deeper inside them is text. Every character is looked at once and nothing is kept of a line but counts, so a
line of a million backticks costs no memory.
"""

from __future__ import annotations

_INDENT, _RUN, _TAIL = range(3)  # where in the line we are
_LEAST = 3  # characters of an opening fence
_MOST_INDENT = 3


class Fences:
    """Feed it lines in any pieces with `scan`, and `line_end` at every newline.

    settled: no further character of this line can make it a fence.
    """

    def __init__(self) -> None:
        self.char = ""  # of the open fence; empty outside
        self._length = 0  # of the open fence
        self._new_line()

    def _new_line(self) -> None:
        self.settled = self._scanned = False
        self._place, self._indent, self._run, self._run_char, self._returned = _INDENT, 0, 0, "", False

    def settle(self) -> None:
        """The rest of this line is known to be no fence."""
        self.settled = True

    def outside_after_line_end(self) -> bool:
        """Would the next line stand outside of any fence if this one ended here?"""
        return self._is_fence() == bool(self.char) if self._scanned or self.char else True

    def line_end(self) -> None:
        if not self._scanned:
            self.settled = False  # nothing else has changed
            return
        if self._is_fence():
            self.char, self._length = ("", 0) if self.char else (self._run_char, self._run)
        self._new_line()

    def scan(self, piece: str) -> None:
        """`piece`: the next characters of the line, without a newline."""
        if self.settled:
            return
        self._scanned = True
        if self._place == _INDENT:
            piece = self._scan_indent(piece)
        if self._place == _RUN and piece and not self.settled:
            rest = piece.lstrip(self._run_char)
            self._run += len(piece) - len(rest)
            piece = rest
            if piece and self._run >= (self._length or _LEAST):
                self._place = _TAIL
            elif piece:
                self.settled = True
        if self._place == _TAIL and piece and not self.settled:
            self._scan_tail(piece)

    def _scan_indent(self, piece: str) -> str:
        rest = piece.lstrip(" ")
        self._indent += len(piece) - len(rest)
        if self._indent > _MOST_INDENT or (rest and rest[0] not in (self.char or "`~")):
            self.settled = True
        elif rest:
            self._place, self._run_char = _RUN, rest[0]
        return rest

    def _scan_tail(self, piece: str) -> None:
        if not self.char:
            if self._run_char == "`" and "`" in piece:
                self.settled = True
            return
        rest = "x" if self._returned else piece.lstrip(" \t")
        if rest == "\r":
            self._returned = True  # half of a CRLF line end: nothing may follow it but the newline
        elif rest:
            self.settled = True

    def _is_fence(self) -> bool:
        if self.settled:
            return False
        return self._place == _TAIL or (self._place == _RUN and self._run >= (self._length or _LEAST))
