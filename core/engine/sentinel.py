"""Watches an answer for loops, token by token: constant work a token, on ids; their text only tells words from numbers.

Two things are loops:

1. An exact period: the last tokens equal those `period` before. It is a loop after 192 repeated tokens, and after two
   more copies of the period. 192, because a refrain, a row of a table or a sentence for emphasis is shorter, and a
   reader has seen enough by then. A period without a word (rulers, blank cells, zeros of a matrix, `。。。`) is one
   after 1,024: such things are long in honest answers.
2. A recurring n-gram: text that is copied from shortly before, with a few new tokens between the copies, such as a
   counter ("1. x 2. x 3. x"). It is a loop after 512 copied tokens and six copies, if at most one token in sixteen is
   new, and at least one in eight of the copied ones is a word. A number that counts on is not new; a copy from
   elsewhere is as bad as four new tokens. 512 and six copies, because code that is quoted with changes and records with
   the same keys are copied that far.

A copy is found by the last four tokens, numbers aside: three are common phrases of honest text, and with five a counter
with a short text between would not be found.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import msgspec

WORD_LOOP = 192
"""Repeated tokens after which a period with a word is a loop."""
WORDLESS_LOOP = 1024
"""Repeated tokens after which a period without a word is one."""
COPIES = 2
"""Further copies of a period that a loop needs at least."""
RECURRING_LOOP = 512
"""Copied tokens after which copies with little between them are a loop."""
RECURRING_COPIES = 6
"""Copies that such a loop needs at least."""
_GRAM = 4
_NUMBER, _NO_TOKEN = -1, -2
_LONGEST_GAP = 8  # new tokens between two copies
_SHIFT = 4  # tokens by which a period may change in a loop, as a counter grows by a digit
_COPIED_PER_NEW = 16
_COPIED_PER_WORD = 8


class LoopWarning(msgspec.Struct, frozen=True, tag="loop"):
    """An answer that goes round in a loop."""

    form: Literal["period", "recurring"]
    """period: the tokens repeat exactly. recurring: they repeat with a little new between the copies."""
    period: int
    """Tokens from one copy to the next."""
    since: int
    """The first token of the answer that said nothing new."""
    tokens: int
    """Tokens that said nothing new so far."""


def loop_words(loop: LoopWarning) -> str:
    """`the same 12 tokens again and again since token 340`."""
    again = "again and again" if loop.form == "period" else "with little between them"
    tokens = "token" if loop.period == 1 else f"{loop.period} tokens"
    return f"the same {tokens} {again} since token {loop.since + 1}"


class Sentinel:
    """Watches one answer: `read` each of its tokens."""

    def __init__(self) -> None:
        self._ids: list[int] = []
        self._words: list[int] = [0]  # words among the first tokens
        self._last: dict[tuple[int, ...], int] = {}  # the place behind the last occurrence of a sequence of tokens
        self._gram = (_NO_TOKEN,) * _GRAM
        self._period = 0  # of the copy that goes on now; 0: none does
        self._start = 0  # where this copy began
        self._warned = False
        self._since = self._longest = 0  # where the copies began, and the longest period among them
        self._copied = self._copied_words = self._new = self._gap = (
            0  # tokens among them; the gap is the one at the end
        )
        self._number, self._number_new = "", 0  # that is being written with new digits, and how many tokens are new
        self._counter: int | None = None  # the last such number

    def read(self, token: int, text: str) -> LoopWarning | None:
        """The answer's next token, and the text that it completes, which tells words from numbers and rulers. Returns a
        warning once for each loop, when it becomes one."""
        place = len(self._ids)
        self._ids.append(token)
        is_word, digits = _kind_of(text)
        self._words.append(self._words[-1] + is_word)
        self._gram = (*self._gram[1:], _NUMBER if digits else token)
        before = self._last.get(self._gram)
        self._last[self._gram] = place + 1
        if self._period and self._ids[place - self._period] == token:
            self._copy(place, is_word, digits)
        elif before is not None:
            self._take_up(place, place + 1 - before)
        else:
            self._miss(place, digits)
        return self._warning(place)

    def _copy(self, place: int, is_word: bool, digits: str) -> None:
        """A token like the one a period before."""
        if self._gap:
            self._start, self._gap = place, 0
        if not digits:
            self._end_number()
        elif self._number:
            self._number += digits
        self._copied += 1
        self._copied_words += is_word

    def _take_up(self, place: int, period: int) -> None:
        """The last four tokens stood `period` before, numbers aside: a copy begins or goes on with another period, and
        the new tokens among them were none."""
        self._end_number()
        begin = place + 1 - _GRAM
        same = [self._ids[earlier] == self._ids[earlier - period] for earlier in range(begin, place + 1)]
        if not self._period:
            self._forget(begin)
            self._warned = False
            again = sum(same[:-1])
        elif abs(period - self._period) > _SHIFT:
            again = 0
            self._new += _GRAM
        else:
            again = sum(same[-1 - min(self._gap, _GRAM - 1) : -1])
            self._new = max(0, self._new - again)
        self._copied += again + 1
        self._copied_words += self._words[place + 1] - self._words[place - again]
        self._start = place + 1
        while self._start > begin and same[self._start - 1 - begin]:
            self._start -= 1
        self._period, self._gap = period, 0
        self._longest = max(self._longest, period)

    def _miss(self, place: int, digits: str) -> None:
        """A new token."""
        if not self._period:
            return
        if digits:
            self._number += digits
            self._number_new += 1
        else:
            self._end_number()
        self._gap += 1
        self._new += 1
        if self._gap > _LONGEST_GAP:
            self._period, self._warned = 0, False
            self._forget(place + 1)

    def _end_number(self) -> None:
        """A number with new digits is complete: one that counts on from the last such number was not new."""
        if not self._number:
            return
        value = int(self._number[-9:])
        if self._counter is not None and abs(value - self._counter) <= 1:
            self._new = max(0, self._new - self._number_new)
        self._counter, self._number, self._number_new = value, "", 0

    def _forget(self, place: int) -> None:
        """Nothing before `place` counts as copied any more."""
        self._since, self._longest = place, 0
        self._copied = self._copied_words = self._new = self._gap = 0
        self._number, self._number_new, self._counter = "", 0, None

    def _warning(self, place: int) -> LoopWarning | None:
        if self._warned or not self._period or self._gap:
            return None
        repeated = place + 1 - self._start
        has_word = self._words[place + 1] > self._words[max(0, place + 1 - self._period)]
        if repeated >= max(WORD_LOOP if has_word else WORDLESS_LOOP, COPIES * self._period):
            self._warned = True
            return LoopWarning("period", self._period, self._start, repeated)
        if (
            self._copied >= max(RECURRING_LOOP, RECURRING_COPIES * self._longest)
            and self._new * _COPIED_PER_NEW <= self._copied
            and self._copied_words * _COPIED_PER_WORD >= self._copied
        ):
            self._warned = True
            return LoopWarning("recurring", self._period, self._since, place + 1 - self._since)
        return None


@lru_cache(maxsize=4096)
def _kind_of(text: str) -> tuple[bool, str]:
    """Whether a token's text has a letter, and its digits if it is a part of a number."""
    bare = text.strip()
    return any(map(str.isalpha, text)), bare if bare.isascii() and bare.isdigit() else ""
