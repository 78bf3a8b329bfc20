"""Proposes the next tokens of an answer from what stood there before, and says how many of them are right.

Pure: ids in, ids out. The old answer is followed token by token; after a difference it is taken up again where the last
tokens recur in it, nearest to where it was left. Elsewhere the last tokens are looked up in the prompt and in the new
answer itself. A token costs constant time, beside a search among the places of one sequence of tokens.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

MATCH = 3
"""Tokens that must recur before a place is taken up. With two, common pairs of words lead astray; with more, each
difference costs as many tokens without drafts."""
_LEAST = 1
_PATIENCE = 3
_PAUSE = 16
_LONGEST_PAUSE = 256

Gram = tuple[int, ...]


class DraftSource:
    """The drafts of one answer: `push` each of its tokens, and `propose` when a step begins."""

    def __init__(self, old: Sequence[int], prompt: Sequence[int] = ()) -> None:
        """old: the answer that stood here before; may be empty. prompt: the ids before the new answer."""
        self._old = list(old)
        self._places: dict[Gram, list[int]] = {}
        for end in range(MATCH, len(self._old)):
            self._places.setdefault(tuple(self._old[end - MATCH : end]), []).append(end)
        self._next = 0  # the place in the old answer that the next token is expected to equal
        self._follows = bool(self._old)  # whether it is followed now; at the very start it is
        self._text: list[int] = []  # the prompt and the new answer
        self._last: dict[Gram, int] = {}  # the last place behind a sequence of tokens
        self._copied: int | None = None  # the place in `_text` that is copied now
        for token in prompt:
            self._add(token)

    def push(self, token: int) -> None:
        """The answer's next token."""
        if self._old[self._next : self._next + 1] != [token]:
            self._follows = False
        self._next += 1  # after a difference, where the old answer would go on if one token was replaced
        known = self._copied
        self._add(token)
        if known is not None and self._text[known] == token:
            self._copied = known + 1
        if not self._follows and (place := self._nearest_place()) is not None:
            self._next, self._follows = place, True

    def propose(self, count: int) -> list[int]:
        """At most `count` tokens that may follow; empty where nothing is known."""
        if self._follows and self._next < len(self._old):
            return self._old[self._next : self._next + count]
        if self._copied is None:
            return []
        return self._text[self._copied : self._copied + count]

    def _nearest_place(self) -> int | None:
        """The place in the old answer behind the last tokens, nearest to the expected one."""
        places = self._places.get(tuple(self._text[-MATCH:]))
        if not places:
            return None
        after = bisect_left(places, self._next)
        return min(places[max(0, after - 1) : after + 1], key=lambda place: abs(place - self._next))

    def _add(self, token: int) -> None:
        self._text.append(token)
        gram = tuple(self._text[-MATCH:])
        if len(gram) < MATCH:
            return
        self._copied = self._last.get(gram)
        self._last[gram] = len(self._text)


def accepted_tokens(drafted: Sequence[int], chosen: Sequence[int]) -> list[int]:
    """The answer's next tokens after a verifying step, at least one: exactly those that single steps would have chosen.

    drafted: the proposed tokens. chosen: the tokens chosen behind what the row held and behind each drafted one
    (one more than drafted), with the seed and the position that each has. A token chosen behind a wrong draft is worth
    nothing. The row must be cut to what it held plus the drafts among the result.
    """
    for count, token in enumerate(drafted):
        if chosen[count] != token:
            return list(chosen[: count + 1])
    return list(chosen)


class AnswerDrafts:
    """The drafts of one answer, of a length that fits how they go."""

    MOST = 16
    """Tokens of a draft: a pass over so many costs little more than one over a single token."""

    def __init__(self, old: Sequence[int], prompt: Sequence[int]) -> None:
        """As for `DraftSource`."""
        self._source = DraftSource(old, prompt)
        self._length = DraftLength(self.MOST)
        self.right = 0
        """Tokens of the answer that a draft had right."""

    def push(self, token: int) -> None:
        """The answer's next token."""
        self._source.push(token)

    def propose(self, most: int) -> list[int]:
        """At most so many tokens that may follow, to be verified; empty where none are known or drafts rest."""
        drafted = self._source.propose(min(most, self._length.length)) if most > 0 else []
        if not drafted:
            self._length.report(0, 0)
        return drafted

    def report(self, drafted: int, right: int) -> None:
        """Of `drafted` proposed tokens, the first `right` were right."""
        self.right += right
        self._length.report(drafted, right)


class DraftLength:
    """How many tokens are proposed, by how the last drafts went.

    The length doubles when a draft was right to its end and falls to what was right when it was not. After three drafts
    in a row of which nothing was right there are none for 16 tokens, then for 32, up to 256.
    """

    def __init__(self, most: int) -> None:
        """most: the free columns of the step."""
        self._most = most
        self._length = min(most, 2 * MATCH)
        self._failed = 0
        self._pause, self._rest = _PAUSE, 0

    @property
    def length(self) -> int:
        """Tokens to propose now; 0 while drafts rest."""
        return 0 if self._rest else self._length

    @property
    def why(self) -> str:
        """Why there are no drafts now, as a clause; empty where there are."""
        if self._most < 1:
            return "the step has no free column"
        return f"the last {_PATIENCE} drafts were wrong from the start" if self._rest else ""

    def report(self, drafted: int, right: int) -> None:
        """A step was fed `drafted` proposed tokens, of which the first `right` were right."""
        if not drafted:
            self._rest = max(0, self._rest - 1)
            return
        if right:
            self._failed, self._pause = 0, _PAUSE
            self._length = min(self._most, 2 * self._length) if right == drafted else max(_LEAST, right)
            return
        self._failed += 1
        self._length = min(self._most, _LEAST)
        if self._failed >= _PATIENCE:
            self._failed, self._rest = 0, self._pause
            self._pause = min(2 * self._pause, _LONGEST_PAUSE)
