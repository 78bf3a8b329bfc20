"""What each of the six columns is taken from. A mapping is data: it is shown, changed by one key a column, and saved. Knows no format of files."""

from __future__ import annotations

from typing import Literal

import msgspec

How = Literal["text", "first", "think", "answer", "user", "earlier", "assistant", "assistant_think", "best_think", "best_answer"]
"""How a column's value becomes text.

text: as it stands (`cells.cell`); first: the first element of a list. think, answer: the two sides of a text that carries its reasoning between
markers. user, earlier, assistant, assistant_think: of a list of chat turns the last question, what was said before it, the reply to it and that
reply's reasoning. best_think, best_answer: the two sides of the first generation that is marked correct and complete.
"""


class Pick(msgspec.Struct, frozen=True):
    """column: the source's name, empty where nothing fits; why: the reason for the choice, a few words, foreign text inside."""

    column: str
    how: How = "text"
    why: str = ""


class Mapping(msgspec.Struct, frozen=True):
    """picks: for each canonical column that has one its source; unclear: canonical columns a person should decide, with the candidates in order of
    likelihood (the first of them stands in `picks`); by_hand: whether a person chose any of it."""

    picks: dict[str, Pick] = {}
    unclear: dict[str, tuple[Pick, ...]] = {}
    by_hand: bool = False

    @property
    def plain(self) -> bool:
        """Whether every column is taken as it stands: readers then need not look at single records."""
        return all(pick.how == "text" for pick in self.picks.values())
