"""The queue of runs as a person sees it: what waits for which device and behind which run, and how it is moved, taken
out, and started again after the machine was restarted."""

from __future__ import annotations

import socket
from typing import Literal

import msgspec

from core.base import folders
from core.base.errors import RunError
from core.runs.cuda_devices import gpus_of_this_process
from core.runs.gpu_memory import find_gpu, read_gpu_memory
from core.runs.launch import QueueWish, resume_run
from core.runs.queue_order import Move, QueueTicket, in_order, moved, place_words, runs_before
from core.runs.queue_tickets import changing_queue, read_tickets, remove_ticket, ticket_life, write_ticket
from core.runs.run_folder import RunFolder


class QueueEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A run that works on a device, or waits for one."""

    run: str
    """The run's id."""
    state: Literal["running", "waiting", "interrupted"]
    """interrupted: its process ended while it waited, by a signal or with the machine."""
    host: str
    """The machine whose devices it takes."""
    gpus: tuple[str, ...]
    """Its devices, as CUDA_VISIBLE_DEVICES names them; empty for the CPU."""
    place: int
    """1 for the next one of those that wait for its devices, and so on; 0 where it does not wait."""
    after: str
    """The run right before it, for which it waits; empty where there is none."""
    words: str
    """Its place in words."""
    wait_memory_gib: float
    """It waits until each of its GPUs has this much free memory, in GiB; 0: it does not."""
    asked: float
    """When it was put into the queue, seconds since the epoch."""


def read_queue() -> list[QueueEntry]:
    """All runs of all machines of this home that work, wait or were interrupted, each machine's in their order. Reads a
    few small files for each. Raises OSError."""
    tickets = read_tickets()
    lives = {ticket.run: ticket_life(ticket) for ticket in tickets}
    living = [ticket for ticket in tickets if lives[ticket.run] in ("running", "waiting")]
    entries = []
    for ticket in sorted(in_order(tickets), key=lambda ticket: ticket.host):
        state = lives[ticket.run]
        if state == "gone":
            continue
        before = runs_before(ticket, living) if state == "waiting" else []
        words = {
            "running": "runs",
            "waiting": place_words(ticket, before),
            "interrupted": "its process ended while it waited",
        }[state]
        entries.append(
            QueueEntry(
                run=ticket.run,
                state=state,
                host=ticket.host,
                gpus=ticket.gpus,
                place=1 + sum(not other.started for other in before) if state == "waiting" else 0,
                after=before[-1].run if before else "",
                words=words,
                wait_memory_gib=ticket.wait_memory_gib,
                asked=ticket.asked,
            )
        )
    return entries


def queue_wish(gpu: str = "", wait_memory_gib: float = 0.0) -> QueueWish:
    """The wish to wait for `gpu`, a number as `nvidia-smi` counts; empty for the one that a run takes anyway. Raises
    RunError where there is no such GPU, or it never has that much memory."""
    gpus = gpus_of_this_process()
    if not gpus and gpu:
        raise RunError("no GPU is visible here", f"GPU {gpu}", "Leave out --gpu, and the run waits for the CPU")
    if not gpus and wait_memory_gib:
        raise RunError("no GPU is visible here whose memory could be waited for", "", "Leave out --wait-memory")
    gpus = (gpu,) if gpu else gpus
    known = read_gpu_memory() if gpu or wait_memory_gib else []
    if not known:
        return QueueWish(gpus, wait_memory_gib)
    found = find_gpu(gpus[0], known)
    if found is None:
        raise RunError("there is no such GPU", f"GPU {gpus[0]}", f"Name one of {', '.join(one.index for one in known)}")
    if wait_memory_gib > found.total_gib:
        what = f"it has {found.total_gib:.0f} GiB in all, so that {wait_memory_gib:g} GiB are never free"
        raise RunError(what, f"GPU {found.index}", "Wait for less memory")
    return QueueWish(gpus, wait_memory_gib)


def move_in_queue(run: str, how: Move) -> bool:
    """Move a run that waits; whether it stands elsewhere now. Raises RunError, OSError."""
    with changing_queue():
        tickets = read_tickets()
        _waiting(run, tickets)
        changed = moved(run, how, [one for one in tickets if one.run == run or ticket_life(one) == "waiting"])
        for ticket in changed:
            write_ticket(ticket)
    return bool(changed)


def take_out_of_queue(run: str) -> None:
    """Take a run out that waits, or was interrupted: its process ends, and its folder stays. Raises RunError,
    OSError."""
    with changing_queue():
        _waiting(run, read_tickets())
        remove_ticket(run)


def restart_queue() -> list[RunFolder]:
    """Start the processes again of the runs of this machine that were interrupted while they waited, each in its place.
    Returns them in their order. Raises RunError, OSError."""
    here = socket.gethostname()
    tickets = [ticket for ticket in in_order(read_tickets()) if ticket.host == here]
    return [
        resume_run(
            RunFolder(folders.runs() / ticket.run),
            "--accept-changes" in ticket.options,
            QueueWish(ticket.gpus, ticket.wait_memory_gib),
        )
        for ticket in tickets
        if ticket_life(ticket) == "interrupted"
    ]


def _waiting(run: str, tickets: list[QueueTicket]) -> QueueTicket:
    ticket = next((ticket for ticket in tickets if ticket.run == run), None)
    life = "gone" if ticket is None else ticket_life(ticket)
    if ticket is None or life == "gone":
        raise RunError("the run is not in the queue", run, "`python -m core queue` lists those that are")
    if life == "running":
        raise RunError("the run has had its turn", run, f"`python -m core runs control {run} stop` ends it")
    return ticket
