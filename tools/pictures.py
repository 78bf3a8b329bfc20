"""Draws docs/{data,prompts,train,chat}.svg from the real app on the embedded demo.

    python -m tools.pictures

Real rows, a real run, a real answer. Uses the newest finished run of the demo in `$SUIRON_HOME` and trains one first
(minutes) if there is none.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from pathlib import Path

from textual.pilot import Pilot
from textual.widgets import Static, TextArea

from core.demo.make_rows import demo_rows
from core.demo.spec import demo_spec
from core.runs.launch import start_run
from core.runs.run_folder import list_runs
from core.runs.watch_run import progress_line, watch_run
from tui.app import SuironApp
from tui.chat.finish_line import FinishLine
from tui.train.run_status import RunStatusPanel

DOCS = Path(__file__).resolve().parents[1] / "docs"
SIZE = (120, 36)
ROW = 2  # a Japanese one


def main() -> None:
    if not any(run.spec().name == demo_spec().name and run.status().state == "finished" for run in list_runs()):
        for status, metrics in watch_run(start_run(demo_spec())):
            if metrics:
                print(progress_line(status, metrics[-1]))
    asyncio.run(draw())


async def draw() -> None:
    app = SuironApp(data="demo", model="demo")
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: app.dataset is not None)
        app.remember(adapter="")  # which the session may have from an earlier drawing
        await pilot.press("f2", "g", *["down"] * ROW)
        await pilot.pause(1.0)
        save(app, "data")
        await pilot.press("T")
        await until(pilot, lambda: "trained" in "".join(str(words.visual) for words in app.screen.query(Static)))
        await pilot.pause(1.0)
        save(app, "prompts")
        await pilot.press("f3")
        await until(
            pilot,
            lambda: "finished" in str(app.screen.query_one(RunStatusPanel).query_one("StatusRows").render_line(0).text),
        )
        await pilot.pause(1.0)
        save(app, "train")
        await pilot.press("f4", "ctrl+o")
        question = next(row for row in demo_rows("test") if row.syslang == "English" and row.input)
        app.screen.query_one("#instruction", TextArea).text = question.instruction
        app.screen.query_one("#input", TextArea).text = question.input
        await pilot.press("f5")
        await until(pilot, lambda: "tok/s" in app.screen.query_one(FinishLine).words, 300)
        await pilot.pause(1.0)
        save(app, "chat")
        if app.engine is not None:
            await app.engine.shutdown()


async def until(pilot: Pilot[None], condition: Callable[[], bool], seconds: float = 30) -> None:
    limit = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > limit:
            raise TimeoutError(str(pilot.app.screen))
        await pilot.pause(0.1)


def save(app: SuironApp, name: str) -> None:
    """Save the screen without the ids that differ between drawings, so that a picture changes only with the screen."""
    svg = re.sub(r"terminal-\d+", "terminal", app.export_screenshot(title=f"Suiron · {name}"))
    (DOCS / f"{name}.svg").write_text(svg, encoding="utf-8")
    print(DOCS / f"{name}.svg")


if __name__ == "__main__":
    main()
