"""A user's way through the app by keyboard, in a real pseudo-terminal.

The journey test checks it and the CUDA journey repeats it. Each step waits for what the user would see before it
continues, and raises TimeoutError with the screen if that does not appear.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from bench.terminal import Terminal

LOADING = 240.0  # seconds a model may take to load where both cores are busy


def look_around(terminal: Terminal) -> None:
    """Wait for the demo's rows, keep one language, search in it, and show all again."""
    terminal.wait_for("554 rows")
    terminal.send("l", "l")
    terminal.wait(lambda text: "syslang: Chinese" in text or "syslang: Japanese" in text)
    terminal.send("/")
    terminal.send("17", "Enter")
    terminal.wait(lambda text: "/17" in text and re.search(r"shown [1-9]", text) is not None)
    terminal.send("x")
    terminal.wait(lambda text: "syslang: " not in text and "English 442" in text)


def start_training(terminal: Terminal, steps: int) -> None:
    """Set the number of steps and start the run; waits for its first logged step."""
    terminal.send("F3")
    terminal.wait_for("steps", "learning rate")
    terminal.send("Down", "End", *["Backspace"] * 6, str(steps))
    terminal.send("F5")
    terminal.wait_for(f"/{steps}", seconds=LOADING)
    terminal.wait(lambda text: "training" in text and re.search(r"loss \d+\.\d+", text) is not None, LOADING)


def leave(terminal: Terminal) -> None:
    terminal.send("F9")
    terminal.process.wait(15)


def come_back(terminal: Terminal) -> None:
    """The app opens where it was: on the run, with its curve from the first step."""
    terminal.wait(lambda text: re.search(r"(training|finished).* step", text) is not None)
    terminal.wait(lambda text: re.search(r"loss \d+\.\d+", text) is not None)


def wait_until_trained(terminal: Terminal, seconds: float) -> None:
    terminal.wait_for("finished", seconds=seconds)


def talk(
    terminal: Terminal, instruction: str, sections: Sequence[str] = ("reasoning", "response"), tuned: bool = True
) -> str:
    """Ask the newest tuned model (or the base) and wait for the end of the answer; the named panels must have filled.
    Returns the screen."""
    terminal.send("F4")
    terminal.wait_for("Instruction", "Template")
    if tuned:
        terminal.send("\x0f")  # Ctrl+O: the newest tuned model
        terminal.wait(lambda text: re.search(r"Asks\s+tuned", text) is not None)
    terminal.send(instruction)
    terminal.wait_for(instruction.split()[-1])
    terminal.send("F5")
    terminal.wait(lambda text: "tok/s" in text, LOADING)
    return terminal.wait(lambda text: not any(f"The {section} appears here" in text for section in sections))
