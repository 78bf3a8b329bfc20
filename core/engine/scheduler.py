"""Whose turn it is: loads, answers that begin, prompts that are fed in parts, and steps of all live answers.

Pure policy: it knows tickets and the names of models, and runs nothing. Answers begin in the order of their requests,
as far as there are rows. While a prompt is fed, every other turn is a step of the live answers. A load waits until it
is ready (checked, or its weights read, both beside the thread) and until the answers of the models that it changes have
ended; it is passed by answers of other models only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import msgspec

Model = str
"""The name of a base model: what a load changes and an answer needs."""


class Ticket(msgspec.Struct, frozen=True):
    """A place in the queue."""

    id: int
    """A number of its own."""
    kind: Literal["load", "answer"]
    """What it waits for."""
    model: Model
    """The base model that is loaded, or that answers."""


class Turn(msgspec.Struct, frozen=True):
    """The next thing to do. load, begin: of a ticket, which leaves the queue. feed: the next part of a prompt. advance:
    one step of all live answers. wait: there is nothing to do until something arrives."""

    kind: Literal["load", "begin", "feed", "advance", "wait"]
    """What to do."""
    ticket: Ticket | None = None
    """For whom; None for a step of all, and for waiting."""


class Scheduler:
    """Not safe for several threads: the worker's thread owns it."""

    def __init__(self, most_rows: int) -> None:
        """most_rows: answers at once, over all models."""
        self._most = most_rows
        self._queue: list[Ticket] = []
        self._feeding: list[Ticket] = []
        self._live: list[Ticket] = []
        self._fed_last = False

    @property
    def queue(self) -> tuple[Ticket, ...]:
        """Those that wait, in order."""
        return tuple(self._queue)

    @property
    def running(self) -> tuple[Ticket, ...]:
        """Answers that have a row."""
        return (*self._live, *self._feeding)

    def add(self, ticket: Ticket) -> None:
        """Queue a ticket."""
        self._queue.append(ticket)

    def add_first(self, ticket: Ticket, behind: Ticket | None = None) -> None:
        """Queue a ticket before all others but `behind`, where that is the first."""
        self._queue.insert(int(behind is not None and self._queue[:1] == [behind]), ticket)

    @property
    def first_load(self) -> Ticket | None:
        """The load whose turn is next."""
        return next((ticket for ticket in self._queue if ticket.kind == "load"), None)

    def drop(self, ticket: Ticket) -> None:
        """Forget a ticket, wherever it is: it has ended."""
        for tickets in (self._queue, self._feeding, self._live):
            if ticket in tickets:
                tickets.remove(ticket)

    def fed(self, ticket: Ticket) -> None:
        """The whole prompt of a ticket is fed: it is live."""
        self._feeding.remove(ticket)
        self._live.append(ticket)

    def next_turn(
        self,
        changes: Callable[[Ticket], frozenset[Model]],
        has_row: Callable[[Ticket], bool] = lambda _: True,
        is_ready: Callable[[Ticket], bool] = lambda _: True,
    ) -> Turn:
        """What to do now. changes: the models that a load changes or removes. has_row: whether an answer's model has a
        row for it. is_ready: whether a load can be made, or begun, now."""
        if turn := self._from_queue(changes, has_row, is_ready):
            return turn
        if self._feeding and not (self._live and self._fed_last):
            self._fed_last = True
            return Turn("feed", self._feeding[0])
        self._fed_last = False
        return Turn("advance") if self._live else Turn("wait")

    def _from_queue(
        self,
        changes: Callable[[Ticket], frozenset[Model]],
        has_row: Callable[[Ticket], bool],
        is_ready: Callable[[Ticket], bool],
    ) -> Turn | None:
        busy = {ticket.model for ticket in self.running}
        held: set[Model] = set()  # models of which an earlier ticket waits
        load_waits = False
        for ticket in self._queue:
            if ticket.kind == "load":
                changed = changes(ticket)
                if not load_waits and is_ready(ticket) and not changed & (busy | held):
                    self._queue.remove(ticket)
                    return Turn("load", ticket)
                load_waits = True
                held |= changed | {ticket.model}
                continue
            if ticket.model not in held and len(self.running) < self._most and has_row(ticket):
                self._queue.remove(ticket)
                self._feeding.append(ticket)
                return Turn("begin", ticket)
            held.add(ticket.model)
        return None
