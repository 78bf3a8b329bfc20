"""The follower tells of runs that end, to the rooms and to the terminal."""

from __future__ import annotations

import pytest

from core.runs.run_folder import create_run_folder
from core.runs.run_summary import RunSummary
from core.runs.status_file import RunStatus
from core.session import Session, save_session
from tests.support.rooms import until
from tests.support.run_folders import spec_of
from tui import follower
from tui.app import SuironApp
from tui.follower import end_words, notification


async def test_the_end_of_a_run_rings_and_is_sent_to_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follower, "WORKING_PAUSE", 0.01)
    monkeypatch.setattr(follower, "QUIET_PAUSE", 0.01)
    monkeypatch.setenv("TERM", "foot")
    run = create_run_folder(spec_of("長い推論"))
    run.write_status(RunStatus("training", 1, 9, pid=1, host="elsewhere", heartbeat=1e12))
    save_session(Session(screen="runs"))
    app = SuironApp()
    sent: list[str] = []
    async with app.run_test() as pilot:
        monkeypatch.setattr(app, "bell", lambda: sent.append("bell"))
        monkeypatch.setattr(app, "tell_terminal", sent.append)
        await until(pilot, lambda: app.follower is not None and app.follower._watcher._seen)
        run.write_status(RunStatus("finished", 9, 9, over=True))
        await until(pilot, lambda: len(sent) == 2)
    assert sent == ["bell", "\x1b]777;notify;Suiron;長い推論 finished at step 9\x07"]


def test_a_name_cannot_end_the_sequence_or_add_to_it() -> None:
    words = end_words(RunSummary("id", name="a\x07\x1b]0;b;c\x9c\n", state="failed", step=3, loss=0.5))
    sequence = notification(words, "xterm-256color")
    assert sequence.startswith("\x1b]9;Suiron: a") and sequence.endswith(", loss 0.5000\x07")
    body = sequence[len("\x1b]9;") : -1]
    assert not any(ord(character) < 32 or 127 <= ord(character) < 160 or character == ";" for character in body)
