"""The order of the queue, for any tickets: who has its turn, and what moving changes."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.runs.queue_order import (
    Move,
    QueueTicket,
    in_order,
    moved,
    next_place,
    place_words,
    runs_before,
    share_a_device,
)

devices = st.lists(st.sampled_from(["0", "1", "2"]), max_size=2, unique=True).map(tuple)


@st.composite
def queues(draw: st.DrawFn) -> list[QueueTicket]:
    count = draw(st.integers(1, 7))
    return [
        QueueTicket(
            run=f"run-{number}",
            host=draw(st.sampled_from(["here", "there"])),
            gpus=draw(devices),
            place=draw(st.integers(-2, 4)),  # equal ones too: a process may be killed while it moves one
        )
        for number in draw(st.permutations(range(count)))
    ]


def with_turn(tickets: list[QueueTicket]) -> list[QueueTicket]:
    return [ticket for ticket in tickets if not ticket.started and not runs_before(ticket, tickets)]


def start(ticket: QueueTicket, tickets: list[QueueTicket]) -> list[QueueTicket]:
    return [msgspec.structs.replace(one, started=True) if one == ticket else one for one in tickets]


@given(queues(), st.data())
def test_every_run_has_its_turn_alone_on_its_devices_and_after_those_before_it(
    tickets: list[QueueTicket], data: st.DataObject
) -> None:
    order = in_order(tickets)
    has_started: list[QueueTicket] = []
    while tickets:
        free, working = with_turn(tickets), [ticket for ticket in tickets if ticket.started]
        assert free or working  # nobody waits for ever
        for ticket in free:
            assert not any(share_a_device(ticket, other) for other in working)
        assert not any(share_a_device(one, other) for one in free for other in free if one is not other)
        if free and (not working or data.draw(st.booleans())):
            ticket = data.draw(st.sampled_from(free))
            has_started.append(ticket)
            tickets = start(ticket, tickets)
        else:  # it ends, or is killed
            tickets = [ticket for ticket in tickets if ticket != data.draw(st.sampled_from(working))]
    for position, ticket in enumerate(order):
        for later in order[position + 1 :]:
            if share_a_device(ticket, later):
                assert has_started.index(ticket) < has_started.index(later)


@given(queues(), st.sampled_from(["up", "down", "first"]), st.data())
def test_moving_changes_the_order_of_one_run_alone(tickets: list[QueueTicket], how: Move, data: st.DataObject) -> None:
    for ticket in data.draw(st.lists(st.sampled_from(tickets), max_size=2, unique_by=lambda one: one.run)):
        tickets = start(ticket, tickets)
    waiting = [ticket for ticket in in_order(tickets) if not ticket.started]
    if not waiting:
        return
    chosen = data.draw(st.sampled_from(waiting))
    changed = {ticket.run: ticket for ticket in moved(chosen.run, how, tickets)}
    after = [changed.get(ticket.run, ticket) for ticket in tickets]
    order = [ticket.run for ticket in in_order(after)]
    others = [ticket.run for ticket in in_order(tickets) if ticket.run != chosen.run]
    assert [run for run in order if run != chosen.run] == others
    assert [ticket.run for ticket in after] == [ticket.run for ticket in tickets]
    assert all(msgspec.structs.replace(new, place=0) in _without_places(tickets) for new in changed.values())
    rivals = [ticket.run for ticket in waiting if share_a_device(chosen, ticket)]
    rank = rivals.index(chosen.run)
    wanted = {"up": max(0, rank - 1), "down": min(len(rivals) - 1, rank + 1), "first": 0}[how]
    assert [run for run in order if run in rivals].index(chosen.run) == wanted
    assert bool(changed) or wanted == rank


def _without_places(tickets: list[QueueTicket]) -> list[QueueTicket]:
    return [msgspec.structs.replace(ticket, place=0) for ticket in tickets]


@given(queues())
def test_a_new_run_is_the_last_one(tickets: list[QueueTicket]) -> None:
    new = QueueTicket(run="a", host="here", place=next_place(tickets))
    assert in_order([*tickets, new])[-1] == new


@pytest.mark.parametrize(
    ("waiting", "started", "words"),
    [
        (0, 0, "next in the queue for GPU 0"),
        (0, 1, "next in the queue for GPU 0, after s0"),
        (1, 1, "2nd in the queue for GPU 0, after w0"),
        (2, 0, "3rd in the queue for GPU 0, after w1"),
        (10, 0, "11th in the queue for GPU 0, after w9"),
        (21, 0, "22nd in the queue for GPU 0, after w20"),
    ],
)
def test_a_place_in_words(waiting: int, started: int, words: str) -> None:
    before = [QueueTicket(run=f"s{number}", host="", gpus=("0",), started=True) for number in range(started)]
    before += [QueueTicket(run=f"w{number}", host="", gpus=("0",)) for number in range(waiting)]
    assert place_words(QueueTicket(run="me", host="", gpus=("0",)), before) == words
