"""Where lines of text break, in terminal cells.

Knows scripts without spaces and text that is still growing; knows nothing of screens or styles. Breaking is greedy and
looks at one line only, so a full line never changes when more text arrives: appending only changes the last line.
"""

from __future__ import annotations

import re

from rich.cells import cell_len, split_graphemes

# Scripts written without spaces, and emoji: a line may break before each of these. Marks that change the one before it
# stay with it: combining kana marks, variation selectors, skin tones, what a zero-width joiner joins.
_WIDE = (
    "\u1100-\u115f\u2e80-\u303e\u3041-\u3247\u3250-\u4dbf\u4e00-\ua4cf\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6"
    "\U0001f000-\U0001faff\U00020000-\U0003fffd"
)
_MARKS = "\u0300-\u036f\u200d\u3099\u309a\ufe00-\ufe0f\U0001f3fb-\U0001f3ff"
_UNIT = re.compile(f" +|[{_WIDE}](?:[{_MARKS}]|(?<=\u200d).)*|[^ {_WIDE}]+")

# Japanese and Chinese typesetting: these do not begin a line, those do not end one.
_NO_START = frozenset(
    "、。，．・：；？！ー～…‥」』）］｝〉》】〕’”ぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮヵヶ々ゝゞヽヾ,.:;?!)]}%"
)
_NO_END = frozenset("「『（［｛〈《【〔‘“([{")
_TAKE_BACK = 3  # units that may move down together; a longer row of 。。。。 breaks anyway


def line_starts(text: str, width: int) -> list[int]:
    """Offsets in `text` (one line, no newline) at which the lines of at most `width` cells begin; the first is 0.

    Spaces at the end of a line overhang it and are not counted. A word wider than a line is cut between characters.
    """
    starts, used = [0], 0
    line: list[tuple[int, str]] = []  # offset and text of each unit of the line so far
    for match in _UNIT.finditer(text):
        unit, offset = match.group(), match.start()
        cells = cell_len(unit)
        if used + cells > width and unit[0] == " ":
            cells = width - used
        elif used + cells > width:
            while line and used + cells > width:
                line = line[len(line) - _moved(line, unit) :]
                starts.append(line[0][0] if line else offset)
                used = sum(cell_len(word) for _, word in line)
            if used + cells > width and (cuts := _cut(text, starts[-1], match.end(), width)):
                starts += cuts
                line, used, offset = [], 0, cuts[-1]
                unit = text[offset : match.end()]
                cells = cell_len(unit)
        line.append((offset, unit))
        used += cells
    return starts


def _moved(line: list[tuple[int, str]], unit: str) -> int:
    """How many units at the end of a full line move down with the `unit` that no longer fits."""
    follower = unit
    for count in range(min(_TAKE_BACK, len(line) - 1) + 1):
        word = line[-1 - count][1]
        if word[0] == " " or not (follower[0] in _NO_START or set(word) <= _NO_END):
            return count
        follower = word
    return 0


def _cut(text: str, start: int, end: int, width: int) -> list[int]:
    """Offsets that cut text[start:end] into lines of at most `width` cells, between grapheme clusters."""
    cuts, used = [], 0
    for left, _, cells in split_graphemes(text[start:end])[0]:
        if used and used + cells > width:
            cuts.append(start + left)
            used = 0
        used += cells
    return cuts


class WrappedText:
    """Text that grows at its end, in lines of at most `width` cells. `lines` is for reading."""

    def __init__(self, width: int) -> None:
        self.width = max(1, width)
        self.lines: list[str] = [""]
        self._hard: list[bool] = [False]  # whether a newline of the text ends the line

    def append(self, text: str) -> int:
        """Add `text`. Returns the index of the first line that changed."""
        first = len(self.lines) - 1
        self._hard.pop()
        tail, *more = (self.lines.pop() + text).split("\n")
        self._add(tail)
        for line in more:
            self._hard[-1] = True
            self._add(line)
        return first

    def _add(self, line: str) -> None:
        starts = line_starts(line, self.width)
        self.lines += [line[start:end] for start, end in zip(starts, [*starts[1:], len(line)], strict=True)]
        self._hard += [False] * len(starts)

    def rewrap(self, width: int) -> None:
        """Break all of it again."""
        text = self.text
        self.__init__(width)  # type: ignore[misc]
        self.append(text)

    def is_hard(self, line: int) -> bool:
        """Whether a newline of the text ends the line, not the width."""
        return self._hard[line]

    @property
    def text(self) -> str:
        """The complete text, as it was appended."""
        return "".join(line + "\n" if hard else line for line, hard in zip(self.lines, self._hard, strict=True))

    def cut_from(self, start: tuple[int, int], end: tuple[int, int]) -> str:
        """The text from (line, character) to (line, character), without the breaks that wrapping made."""
        (first, left), (last, right) = start, end
        if first == last:
            return self.lines[first][left:right]
        parts = [self.lines[first][left:], *self.lines[first + 1 : last], self.lines[last][:right]]
        return "".join(
            part + "\n" if hard else part for part, hard in zip(parts, [*self._hard[first:last], False], strict=True)
        )
