"""Turns: order, fairness, loads between answers. Random histories are played against a small world of rows."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from core.engine.scheduler import Scheduler, Ticket, Turn

ROWS = 3


def changes_own(ticket: Ticket) -> frozenset[str]:
    return frozenset({ticket.model})


def answer(number: int, model: str = "a") -> Ticket:
    return Ticket(number, "answer", model)


def load(number: int, model: str = "a") -> Ticket:
    return Ticket(number, "load", model)


def test_a_prompt_that_is_fed_leaves_every_other_turn_to_live_answers() -> None:
    scheduler = Scheduler(ROWS)
    one, two = answer(1), answer(2)
    for ticket in (one, two):
        scheduler.add(ticket)
        assert scheduler.next_turn(changes_own) == Turn("begin", ticket)
        if ticket is one:
            assert scheduler.next_turn(changes_own) == Turn("feed", one)
            scheduler.fed(one)
    kinds = [scheduler.next_turn(changes_own).kind for _ in range(6)]
    assert kinds in (["advance", "feed"] * 3, ["feed", "advance"] * 3)
    scheduler.fed(two)
    assert [scheduler.next_turn(changes_own).kind for _ in range(3)] == ["advance"] * 3


def test_a_load_waits_for_answers_of_what_it_changes_and_others_pass_it() -> None:
    scheduler = Scheduler(ROWS)
    running, new, behind, beside = answer(1), load(2), answer(3), answer(4, "b")
    scheduler.add(running)
    assert scheduler.next_turn(changes_own).kind == "begin"
    scheduler.fed(running)
    for ticket in (new, behind, beside):
        scheduler.add(ticket)
    assert scheduler.next_turn(changes_own) == Turn("begin", beside)
    assert scheduler.next_turn(changes_own).kind in ("feed", "advance")
    scheduler.drop(running)
    assert scheduler.next_turn(changes_own) == Turn("load", new)
    assert scheduler.next_turn(changes_own) == Turn("begin", behind)


def test_a_load_that_changes_nothing_of_theirs_is_done_between_two_steps() -> None:
    scheduler = Scheduler(ROWS)
    scheduler.add(answer(1))
    scheduler.next_turn(changes_own)
    scheduler.fed(answer(1))
    scheduler.add(load(2, "b"))
    assert scheduler.next_turn(changes_own) == Turn("load", load(2, "b"))
    assert scheduler.next_turn(changes_own) == Turn("advance")


EVENTS = st.lists(
    st.tuples(st.sampled_from(["answer", "load", "end", "cancel"]), st.sampled_from("ab"), st.integers(0, 9)),
    max_size=40,
)


@given(EVENTS)
def test_whatever_happens_everyone_gets_a_turn_in_order(events: list[tuple[str, str, int]]) -> None:
    scheduler = Scheduler(ROWS)
    added: list[Ticket] = []
    begun: list[Ticket] = []
    live: set[Ticket] = set()
    cancelled: set[Ticket] = set()

    def turn() -> str:
        now = scheduler.next_turn(changes_own)
        if now.kind in ("begin", "load"):
            assert now.ticket is not None
            begun.append(now.ticket)
        if now.kind == "load":
            assert now.ticket is not None
            assert all(ticket.model != now.ticket.model for ticket in scheduler.running)
        if now.kind == "feed":
            assert now.ticket is not None
            scheduler.fed(now.ticket)
            live.add(now.ticket)
        assert len(scheduler.running) <= ROWS
        return now.kind

    for number, (kind, model, which) in enumerate(events):
        if kind in ("answer", "load"):
            ticket = Ticket(number, "answer" if kind == "answer" else "load", model)
            scheduler.add(ticket)
            added.append(ticket)
        elif kind == "end" and live:
            ticket = sorted(live, key=lambda ticket: ticket.id)[which % len(live)]
            live.discard(ticket)
            scheduler.drop(ticket)
        elif kind == "cancel" and scheduler.queue:
            ticket = scheduler.queue[which % len(scheduler.queue)]
            cancelled.add(ticket)
            scheduler.drop(ticket)
        turn()
    while (kind := turn()) != "wait":
        if kind == "advance":
            for ticket in live:
                scheduler.drop(ticket)
            live.clear()
    assert set(begun) == set(added) - cancelled, "somebody waits for ever"
    for model in "ab":
        mine = [ticket for ticket in begun if ticket.model == model]
        assert mine == sorted(mine, key=lambda ticket: ticket.id), "the order of one model's requests changed"
