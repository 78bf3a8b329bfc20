"""The tickets of the queue: one file a run in `<home>/queue/`, changed by one process at a time.

Nobody serves the queue. Every run that waits is a process of its own that looks at the tickets; whether the runs before
it are alive, their folders tell (lock and beats), so that neither `kill -9` nor a restart of the machine leaves the
queue blocked.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec

from core.base import folders
from core.base.errors import RunError
from core.base.files import private_dir, replace_file
from core.runs.job_lock import lock_is_held
from core.runs.queue_order import QueueTicket, next_place
from core.runs.run_folder import RunFolder

TicketLife = Literal["waiting", "running", "interrupted", "gone"]
"""What has become of a ticket's run. interrupted: its process ended before it had its turn, by a signal or with the
machine; it keeps its place, and nobody waits for it. gone: it has ended, and the ticket is of no use."""
_ENDING = ".ticket"
_PATIENCE = 10.0  # seconds; whoever has the lock has it for some milliseconds


def queue_folder() -> Path:
    """The folder of the tickets, created where it is missing. Raises OSError."""
    return private_dir(folders.home() / "queue")


@contextlib.contextmanager
def changing_queue() -> Iterator[None]:
    """While this lasts, no other process changes the tickets. Raises RunError where another one does not come to an
    end with it, OSError where the folder cannot be written."""
    path = queue_folder() / ".lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        end = time.monotonic() + _PATIENCE
        while not _took(descriptor):
            if time.monotonic() > end:
                what = f"another process has held the queue's lock for {_PATIENCE:.0f} seconds"
                raise RunError(what, str(path), "End that process (`fuser` names it), then try again")
            time.sleep(0.01)
        yield
    finally:
        os.close(descriptor)


def read_tickets() -> list[QueueTicket]:
    """All tickets, in no order. Files that cannot be read as one are left out. Raises OSError."""
    tickets = []
    for path in queue_folder().glob(f"*{_ENDING}"):
        try:
            ticket = msgspec.json.decode(path.read_bytes(), type=QueueTicket)
        except (FileNotFoundError, msgspec.DecodeError, UnicodeDecodeError):
            continue  # its run has just ended, or it is no ticket
        if path == _path(ticket.run):
            tickets.append(ticket)
    return tickets


def find_ticket(run: str) -> QueueTicket | None:
    """The ticket of the run; None where it has none."""
    return next((ticket for ticket in read_tickets() if ticket.run == run), None)


def ticket_life(ticket: QueueTicket) -> TicketLife:
    """See `TicketLife`. Reads the run's status."""
    run = RunFolder(folders.runs() / ticket.run)
    if not (run.path / "run.toml").is_file():
        return "gone"
    try:
        status = run.status()
    except RunError:  # damaged: only the lock can tell
        return ("running" if ticket.started else "waiting") if lock_is_held(run.path) else "gone"
    if not status.ended:
        return "running" if ticket.started else "waiting"
    return "interrupted" if not ticket.started and status.state in ("lost", "paused") else "gone"


def living_tickets() -> list[QueueTicket]:
    """The tickets of runs that wait or work, in no order: those that count."""
    return [ticket for ticket in read_tickets() if ticket_life(ticket) in ("waiting", "running")]


def add_ticket(
    run: str,
    gpus: tuple[str, ...],
    *,
    started: bool = False,
    options: tuple[str, ...] = (),
    wait_memory_gib: float = 0.0,
) -> QueueTicket:
    """Write the ticket of a run of this host, behind all others, or where its run had one before that did not have its
    turn, in that place. Tickets of no use are removed. Raises RunError, OSError."""
    with changing_queue():
        tickets = read_tickets()
        kept = next((ticket.place for ticket in tickets if ticket.run == run and not ticket.started), 0)
        ticket = QueueTicket(
            run=run,
            host=socket.gethostname(),
            gpus=gpus,
            place=kept or next_place(tickets),
            started=started,
            options=options,
            wait_memory_gib=wait_memory_gib,
            asked=time.time(),
        )
        write_ticket(ticket)
        for other in tickets:
            if other.run != run and ticket_life(other) == "gone":
                remove_ticket(other.run)
    return ticket


def write_ticket(ticket: QueueTicket) -> None:
    """Write or replace it; only within `changing_queue`. Raises OSError."""
    replace_file(_path(ticket.run), msgspec.json.encode(ticket))


def remove_ticket(run: str) -> None:
    """Remove the ticket of the run, if it has one; only within `changing_queue`. Raises OSError."""
    _path(run).unlink(missing_ok=True)


def _path(run: str) -> Path:
    return queue_folder() / f"{run}{_ENDING}"


def _took(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
