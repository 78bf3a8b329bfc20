"""The one follower of runs: looks at their folders, and tells the rooms what changed and the person what ended.

No room looks by itself; each reads what it shows when it hears that it has changed.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from functools import partial

from core.base.errors import SuironError
from core.base.safe_text import safe_line
from core.runs.run_folder import find_run
from core.runs.run_summary import RunSummary, summarise_run
from core.runs.run_watcher import RunChanges, RunWatcher
from tui.common.app_interface import AppInterface
from tui.messages import RunsChanged

WORKING_PAUSE = 0.5  # seconds between two looks while a run works
QUIET_PAUSE = 2.0  # and while none does
_TERMINALS_OF_777 = ("foot", "rxvt", "urxvt", "ghostty", "xterm-ghostty")


class RunFollower:
    """`follow` runs as long as the app."""

    def __init__(self, app: AppInterface) -> None:
        self._app = app
        self._watcher = RunWatcher()
        self._wake = asyncio.Event()

    def look_soon(self) -> None:
        """Look now instead of after the pause: something was started or asked."""
        self._wake.set()

    async def follow(self) -> None:
        while True:
            changes = RunChanges()
            with suppress(OSError):  # a folder that cannot be read now may be there again at the next look
                changes = await asyncio.to_thread(self._watcher.look)
            if changes.ids:
                self._app.post_to_rooms(partial(RunsChanged, changes.ids, changes.states))
            for run_id in sorted(changes.ended):
                await self._tell_end(run_id)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), WORKING_PAUSE if changes.some_work else QUIET_PAUSE)
            self._wake.clear()

    async def _tell_end(self, run_id: str) -> None:
        try:
            summary = await asyncio.to_thread(lambda: summarise_run(find_run(run_id)))
        except SuironError:
            return  # it was moved to the trash meanwhile
        words = end_words(summary)
        self._app.bell()
        self._app.tell_terminal(notification(words, os.environ.get("TERM", "")))


def end_words(run: RunSummary) -> str:
    """`careful finished at step 60, loss 0.4312`, safe text without separators of terminal sequences."""
    loss = "" if run.loss is None else f", loss {run.loss:.4f}"
    return safe_line(f"{run.name} {run.state} at step {run.step}{loss}", 120).replace(";", ",")


def notification(words: str, terminal: str) -> str:
    """The sequence that makes a terminal show `words` on the desktop: OSC 777 for terminals by the name `terminal` that
    know it, else OSC 9. Terminals that know neither ignore both."""
    if terminal.startswith(_TERMINALS_OF_777):
        return f"\x1b]777;notify;Suiron;{words}\x07"
    return f"\x1b]9;Suiron: {words}\x07"
