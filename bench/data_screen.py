"""Opening, paging and searching through the app, in a real pseudo-terminal of 120x40.

Time runs from a key to its rows on the screen. Rows are recognised by the number that their instruction begins with.
Page and jump are timed during the import and again after it.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

from bench.data_peers import peak_memory
from bench.data_table import Line
from bench.terminal import Terminal

ROOT = Path(__file__).resolve().parents[1]
_PAGES = 20


def _seconds(terminal: Terminal, keys: tuple[str, ...], *words: str) -> float:
    start = time.perf_counter()
    terminal.send(*keys)
    terminal.wait_for(*words, seconds=60)
    return time.perf_counter() - start


def _paint(terminal: Terminal, key: str) -> float:
    """From a key to the last byte of what it painted: the screen is then still for 15 ms (the row in the pane follows
    60 ms later)."""
    start, before = time.perf_counter(), terminal.received
    terminal.send(key)
    terminal.wait_bytes(before, 5)
    while terminal.wait_bytes(terminal.received, 0.015) is not None:
        pass
    return terminal.stamps[-1][0] - start


def _written(terminal: Terminal, text: str, since: int) -> float:
    """When `text` had been written, after the byte `since`."""
    wanted, deadline = text.encode(), time.perf_counter() + 60
    while (offset := terminal.raw.find(wanted, since)) < 0:
        if time.perf_counter() > deadline:
            raise TimeoutError(f"{text!r} was not written; the screen shows:\n{terminal.text()}")
        terminal.wait_bytes(terminal.received, 1)
    return next(stamp for stamp, total in terminal.stamps if total >= offset + len(wanted))


def on_screen(path: Path, rows: int, first_words: str) -> list[Line]:
    """`path`: a file of `bench.data_rows`, not imported before; first_words: what its first instruction begins with."""
    kind = path.suffix[1:]
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            "SUIRON_HOME": f"{folder}/home",
            "SUIRON_CONFIG": f"{folder}/config",
            "SUIRON_CACHE": f"{folder}/cache",
        }
        with Terminal([sys.executable, "-m", "tui"], env=environment, cwd=str(ROOT)) as terminal:
            terminal.wait_for("554 rows")
            terminal.send("o")
            terminal.wait_for("Open data")
            terminal.send("\x15", str(path))  # Ctrl+U empties the field
            terminal.wait_for(path.name)
            time.sleep(1)  # the dialog has listed the folder
            start, since = time.perf_counter(), terminal.received
            terminal.send("Enter")
            first = _written(terminal, first_words, since) - start
            counted = _written(terminal, f"{rows:,} rows", since) - start
            early = [_paint(terminal, "PageDown") for _ in range(_PAGES)]
            jump_early = _seconds(terminal, ("End",), f"{rows - 1} ")
            terminal.wait(lambda text: "import" not in text.lower(), seconds=120)
            ready = time.perf_counter() - start
            terminal.send("Home")
            terminal.wait_for("    0 ")
            later = [_paint(terminal, "PageDown") for _ in range(_PAGES)]
            jump = _seconds(terminal, ("End",), f"{rows - 1} ")
            terminal.send("/")
            search = _seconds(terminal, ("needle",), f"shown {rows // 1000:,} ")
            memory = peak_memory(terminal.process.pid)
    return [
        Line(f"{kind}, from the key that opens it: first page", first, "s", 0.3),
        Line("exact count", counted, "s", 0.5),
        Line("page down while it is imported, p95", statistics.quantiles(early, n=20)[-1] * 1000, "ms", 30),
        Line("jump to the last row while it is imported", jump_early * 1000, "ms", 100),
        Line("import done, filters and edits available", ready, "s", None),
        Line("page down, p95", statistics.quantiles(later, n=20)[-1] * 1000, "ms", 30),
        Line("jump to the last row", jump * 1000, "ms", 100),
        Line("a word typed into the search until all hits are counted", search, "s", 0.8),
        Line("memory of the app, peak", memory, "MB", None),
    ]
