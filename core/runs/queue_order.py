"""The order of runs that share devices: which one has its turn, behind which ones it stands, and how it is moved.

Pure: knows tickets, no files and no processes. Tickets of different hosts, or without a common device, do not meet.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

Move = Literal["up", "down", "first"]
"""How a run that waits is moved: before the one in front of it, behind the next one, or before all."""


class QueueTicket(msgspec.Struct, frozen=True, kw_only=True):
    """A run's place in the queue of its devices. Only runs that are alive, or were interrupted, have one that
    counts."""

    run: str
    """The run's id."""
    host: str
    """The machine whose devices it takes."""
    gpus: tuple[str, ...] = ()
    """Its devices, as CUDA_VISIBLE_DEVICES names them; empty for the CPU."""
    place: int = 0
    """Lower ones come first; the run's id decides between equal ones."""
    started: bool = False
    """Whether it has had its turn: then it works, or begins to."""
    options: tuple[str, ...] = ()
    """Options of the command that does its work."""
    wait_memory_gib: float = 0.0
    """It waits until each of its GPUs has this much free memory, in GiB; 0: it does not."""
    asked: float = 0.0
    """When it was put into the queue, seconds since the epoch, by the clock of whoever asked."""


def in_order(tickets: Iterable[QueueTicket]) -> list[QueueTicket]:
    """By their places; those that have started first."""
    return sorted(tickets, key=lambda ticket: (not ticket.started, ticket.place, ticket.run))


def share_a_device(one: QueueTicket, other: QueueTicket) -> bool:
    """Whether the two cannot work at the same time. The CPU of a host is one device."""
    if one.host != other.host:
        return False
    return bool(set(one.gpus) & set(other.gpus)) or not (one.gpus or other.gpus)


def runs_before(ticket: QueueTicket, tickets: Iterable[QueueTicket]) -> list[QueueTicket]:
    """The tickets, of all those that count, that `ticket` waits for, in order: those that have started on one of its
    devices, and those that wait in front of it for one of them. It has its turn where there are none."""
    before: list[QueueTicket] = []
    for other in in_order(tickets):
        if other.run == ticket.run:
            break
        if share_a_device(ticket, other):
            before.append(other)
    return before


def next_place(tickets: Iterable[QueueTicket]) -> int:
    """The place behind all `tickets`."""
    return max((ticket.place for ticket in tickets), default=0) + 1


def moved(run: str, how: Move, tickets: Sequence[QueueTicket]) -> list[QueueTicket]:
    """The tickets that change when the one of `run`, which waits, is moved among those that wait for one of its
    devices; none where it stands there already. The order of all others stays."""
    waiting = [ticket for ticket in in_order(tickets) if not ticket.started]
    index = next(position for position, ticket in enumerate(waiting) if ticket.run == run)
    rivals = [position for position, ticket in enumerate(waiting) if share_a_device(waiting[index], ticket)]
    rank = rivals.index(index)
    target = {"up": rank - 1, "down": rank + 1, "first": 0}[how]
    if target == rank or not 0 <= target < len(rivals):
        return []
    order = [ticket for position, ticket in enumerate(waiting) if position != index]
    order.insert(rivals[target], waiting[index])
    low = min(ticket.place for ticket in waiting)
    placed = (msgspec.structs.replace(ticket, place=low + position) for position, ticket in enumerate(order))
    before = {ticket.run: ticket.place for ticket in waiting}
    return [ticket for ticket in placed if ticket.place != before[ticket.run]]


def place_words(ticket: QueueTicket, before: Sequence[QueueTicket]) -> str:
    """`2nd in the queue for GPU 0, after RUN`, or `next in ...`. before: what `runs_before` returned."""
    waiting = sum(not other.started for other in before)
    place = _ordinal(waiting + 1) if waiting else "next"
    words = f"{place} in the queue for {device_words(ticket.gpus)}"
    return f"{words}, after {before[-1].run}" if before else words


def device_words(gpus: Sequence[str]) -> str:
    """`GPU 0`, `GPUs 0, 1`, `the CPU`."""
    if not gpus:
        return "the CPU"
    return f"GPU {gpus[0]}" if len(gpus) == 1 else f"GPUs {', '.join(gpus)}"


def _ordinal(number: int) -> str:
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"
