"""The same Parquet file in Harlequin and in a plain Textual `DataTable`, each in a real pseudo-terminal.

Time runs from the key that asks for the file until a text of the first row is on the screen.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

from bench.data_table import Line
from bench.terminal import Terminal

_WAIT = 60.0  # seconds after which a figure is given up; the table then says so

_PLAIN = """
import sys
import pyarrow.parquet as pq
from textual.app import App
from textual.widgets import DataTable, Input

class Plain(App):
    def compose(self):
        yield Input(placeholder="file")
        yield DataTable()

    def on_input_submitted(self, event):
        table = self.query_one(DataTable)
        rows = pq.read_table(event.value)
        table.add_columns(*rows.column_names)
        for batch in rows.to_batches():
            table.add_rows(zip(*(column.to_pylist() for column in batch.columns)))

Plain().run()
"""


def peak_memory(process: int) -> float:
    """The most memory the process had, in MB, with that of its children now."""
    total = 0.0
    children = [int(name) for name in os.listdir("/proc") if name.isdecimal() and _parent(name) == process]
    for number in [process, *children]:
        with open(f"/proc/{number}/status", encoding="ascii", errors="replace") as status:
            total += next((int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM:")), 0.0)
    return total


def _parent(process: str) -> int:
    try:
        with open(f"/proc/{process}/stat", encoding="ascii", errors="replace") as stat:
            return int(stat.read().rpartition(")")[2].split()[1])
    except OSError:
        return -1


def plain_table(path: Path, first: str) -> list[Line]:
    """`first`: a text of the first row that nothing else on the screen holds."""
    with Terminal([sys.executable, "-c", _PLAIN]) as terminal:
        terminal.wait_for("file")
        terminal.send(str(path))
        terminal.wait_for(path.name)
        return [_until(terminal, "Enter", first, "plain DataTable: first page")]


def _until(terminal: Terminal, key: str, first: str, name: str) -> Line:
    start = time.perf_counter()
    terminal.send(key)
    note = ""
    try:
        terminal.wait_for(first, seconds=_WAIT)
    except TimeoutError:
        if terminal.process.poll() is not None:
            raise
        note = "given up, no row appeared by then; "
    return Line(
        name, time.perf_counter() - start, "s", None, f"{note}memory {peak_memory(terminal.process.pid):.0f} MB"
    )


def _typed(terminal: Terminal, text: str, seen: str) -> None:
    """Type until the text appears: keys are lost until the editor has the focus."""
    for _ in range(5):
        terminal.send(text)
        try:
            terminal.wait_for(seen, seconds=3)
            return
        except TimeoutError:
            if terminal.process.poll() is not None:
                raise
    terminal.wait_for(seen)


def harlequin(program: str, path: Path, first: str) -> list[Line]:
    """From the key that runs the query to the first rows: with its default of 100,000 rows, and with all."""
    lines = []
    with tempfile.TemporaryDirectory() as home:
        environment = {"HOME": home, "XDG_CONFIG_HOME": home, "XDG_DATA_HOME": home, "XDG_CACHE_HOME": home}
        for name, options in (("100,000 rows", []), ("all rows", ["--limit", "0"])):
            with Terminal([program, "--no-download-tzdata", *options], env=environment, cwd=home) as terminal:
                terminal.wait_for("Database Connected", seconds=60)
                _typed(terminal, f"select * from '{path}'", path.name)  # noqa: S608  (typed into another program)
                lines.append(_until(terminal, "\x0a", first, f"Harlequin, {name}: first page"))  # Ctrl+J runs the query
    return lines
