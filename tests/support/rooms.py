"""Rows to look at, and waiting for conditions instead of time: what the tests of the terminal share."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from textual.pilot import Pilot

LANGUAGES = ("English", "Japanese", "Chinese")


async def until(pilot: Pilot[Any], condition: Callable[[], object], seconds: float = 10.0) -> None:
    """Let the app work until `condition` holds."""
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, "the condition did not come to hold"
        await pilot.pause(0.01)


def row(index: int) -> dict[str, str]:
    """A row of three languages, every fifth for the test, every tenth without reasoning."""
    return {
        "instruction": (f"What is {index} plus one?", f"{index}に一を足すと？", f"{index}加一等于几？")[index % 3],
        "input": f"note {index}" if index % 4 == 0 else "",
        "reasoning": "" if index % 10 == 9 else f"{index} + 1 = {index + 1}.",
        "output": str(index + 1),
        "syslang": LANGUAGES[index % 3],
        "sysflag": "test" if index % 5 == 0 else "train",
    }


def write_rows(path: Path, rows: list[dict[str, str]]) -> Path:
    path.write_text("".join(json.dumps(one, ensure_ascii=False) + "\n" for one in rows), encoding="utf-8")
    return path
