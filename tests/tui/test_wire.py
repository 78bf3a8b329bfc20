"""What reaches a real terminal: nothing that a row brought along, and the line that hangs up ends the app."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import struct
import sys
import termios
import time
from pathlib import Path

import pytest

from bench.terminal import Terminal
from tests.support.rooms import row, write_rows

ROOT = Path(__file__).resolve().parents[2]
HOSTILE = {
    "instruction": "hidden \x1b]52;c;aGFja2Vk\x07 [/] [@click=app.quit]x[/] \x9b31m \x90q\x9c \u202edlrow",
    "input": "\x1b[2J\x1b[31m [b]bold[/b] x[/think]",
    "reasoning": "\x1bP$q\x1b\\ \x1b[6n \x05 <think>[/]",
    "output": "\x1b]0;title\x07 \x07\x08\x7f",
    "syslang": "[red]\x1b[7m",
    "sysflag": "tr\x1bain",
}


@pytest.mark.parametrize(("columns", "lines"), [(80, 24), (120, 40)])
def test_nothing_in_a_row_is_written_to_the_terminal_as_a_command(tmp_path: Path, columns: int, lines: int) -> None:
    path = write_rows(tmp_path / "rows[/].jsonl".replace("/", "b"), [HOSTILE, row(1)])
    with path.open("a", encoding="utf-8") as file:
        file.write('"\x1b]52;c;aGFja2Vk\x07 [/] no object"\n' + json.dumps(["\x1b[31m"]) + "\n")
    with Terminal([sys.executable, "-m", "tui", str(path)], columns, lines, cwd=str(ROOT)) as terminal:
        terminal.wait_for("hidden")
        if columns < 110:
            terminal.send("Enter")  # where the pane is not open anyway
        terminal.wait_for("instruction", "row 0")
        terminal.send("l")  # the filter's line quotes the row
        terminal.wait_for("shown 1")
        terminal.send("x", "p")
        terminal.wait_for(
            "2 rows could not be read", "row 4", "Esc closes"
        )  # else Escape and q come in one packet, which is Alt+Q
        terminal.send("Escape")
        terminal.wait(lambda text: "Esc closes" not in text)
        terminal.send("q")
        terminal.process.wait(10)
        written = re.sub(rb"\x1b\]22;[a-z]*\x07", b"", bytes(terminal.raw))  # Textual's own: the mouse pointer's shape
    for command in (
        b"\x1b]52",
        b"\x1b]0;",
        b"\x1bP",
        b"\x1b[6n",
        b"\x1b[31m",
        b"\x05",
        b"\x07",
        b"\x7f",
        "\u202e".encode(),
    ):
        assert command not in written
    text = written.decode("utf-8")
    assert not [character for character in text if "\x80" <= character <= "\x9f"]


def test_a_lost_line_ends_the_app_and_keeps_the_place(rows_file: Path) -> None:
    pid, line = pty.fork()
    if pid == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        os.chdir(ROOT)
        os.execv(sys.executable, [sys.executable, "-m", "tui", str(rows_file)])
    written = b""
    try:
        for wanted, keys in ((b"450 rows", b"\x1b[B\x1b[B\x1b[B"), (b"What is 3", b"")):
            limit = time.monotonic() + 30
            while wanted not in written:
                assert time.monotonic() < limit
                if select.select([line], [], [], 0.5)[0]:
                    written += os.read(line, 65536)
            os.write(line, keys)
    finally:
        os.close(line)
    limit, ended = time.monotonic() + 20, 0
    while not ended:
        assert time.monotonic() < limit, "the app lives on without a terminal"
        ended = os.waitpid(pid, os.WNOHANG)[0]
        time.sleep(0.01)
    session = json.loads((Path(os.environ["SUIRON_HOME"]) / "session.json").read_bytes())
    assert session["data"] == str(rows_file)
