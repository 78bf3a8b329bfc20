"""What a streamed answer sends, and how keys fare meanwhile, in the Chat room in a real pseudo-terminal.

    python -m bench.stream [--rate 100] [--seconds 10]

The terminal is 120x40; 100 tokens arrive a second for ten seconds. Prints JSON: bytes a second for the Chat room and
for a baseline that appends every token to a Markdown widget (two panels and an editor of the same sizes, the same
words), their ratio, and for both the time from a keystroke to its character on the screen (p50 and p95) while it
streams.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

from bench.terminal import Terminal

ROOT = Path(__file__).resolve().parents[1]
WORDS = (
    "first",
    "look",
    "at",
    "what",
    "is",
    "given",
    "then",
    "the",
    "sum",
    "of",
    "both",
    "numbers",
    "follows",
    "because",
    "it",
    "one",
    "a",
)
REASONING = 0.6  # share of the tokens
PACE = (0.08, 0.2)  # seconds between two keystrokes


def tokens(count: int) -> list[tuple[str, str]]:
    """(section, text) of each token: words, paragraphs, now and then a bold one or a list."""
    rng = random.Random(3442)
    pairs: list[tuple[str, str]] = []
    for index in range(count):
        section = "reasoning" if index < count * REASONING else "response"
        word = rng.choice(WORDS)
        text = f"{word} "
        if rng.random() <= 0.06:
            text = f"**{word}**\n\n" if section == "response" else f"{word}.\n\n"
        pairs.append((section, text))
    return pairs


async def paced(count: int, rate: float) -> AsyncIterator[tuple[str, str]]:
    """The tokens, each at its time."""
    begun = time.perf_counter()
    for index, token in enumerate(tokens(count)):
        wait = begun + index / rate - time.perf_counter()
        if wait > 0:
            await asyncio.sleep(wait)
        yield token


def suiron(count: int, rate: float) -> None:
    from core.engine.protocol import AnswerEvent, AnswerPiece, ChatQuestion
    from core.session import Session, save_session
    from tests.support.scripted_engine import ScriptedEngine, finish
    from tui.app import SuironApp

    class PacedEngine(ScriptedEngine):
        async def ask(self, question: ChatQuestion) -> AsyncIterator[AnswerEvent]:
            async for section, text in paced(count, rate):
                yield AnswerPiece("reasoning" if section == "reasoning" else "response", text)
            yield finish(tokens=count)

    save_session(Session(screen="chat", instruction="go "))
    SuironApp(engine=PacedEngine()).run()


def naive(count: int, rate: float) -> None:
    """What one would write first: Markdown.append for every token, scrolled to its end."""
    from textual.app import App, ComposeResult
    from textual.binding import Binding
    from textual.containers import Horizontal, VerticalScroll
    from textual.widgets import Markdown, Static, TextArea

    class Naive(App[None]):
        CSS = """
        VerticalScroll { width: 1fr; border-top: solid green; }
        Horizontal { height: 1fr; }
        TextArea { height: 7; }
        Static { height: 2; }
        """
        BINDINGS = [Binding("f5", "ask", priority=True)]  # noqa: RUF012 - the bench's own

        def compose(self) -> ComposeResult:
            with Horizontal():
                for section in ("reasoning", "response"):
                    with VerticalScroll(id=section, can_focus=False):
                        yield Markdown()
            yield Static("F5 asks", id="state")
            editor = TextArea("go ", compact=True)
            editor.cursor_blink = False
            yield editor

        def action_ask(self) -> None:
            self.run_worker(self.answer())

        async def answer(self) -> None:
            async for section, text in paced(count, rate):
                panel = self.query_one(f"#{section}", VerticalScroll)
                await panel.query_one(Markdown).append(text)
                panel.scroll_end(animate=False)
            self.query_one("#state", Static).update("End of answer")

    Naive().run()


def stream(kind: str, count: int, rate: float, keys: bool) -> tuple[float, list[float]]:
    """Bytes a second from the first to the last token, and seconds from each keystroke to its character (only where
    `keys` is set)."""
    with tempfile.TemporaryDirectory(prefix="suiron-bench-") as home:
        argv = [sys.executable, "-m", "bench.stream", "--child", kind, "--count", str(count), "--rate", str(rate)]
        with Terminal(
            argv,
            env={"SUIRON_HOME": home, "SUIRON_CACHE": f"{home}/cache", "SUIRON_CONFIG": f"{home}/config"},
            cwd=str(ROOT),
        ) as terminal:
            terminal.wait_for("F5 asks")
            while terminal.wait_bytes(terminal.received, 1.0) is not None:
                pass
            before, begun = terminal.received, time.perf_counter()
            terminal.send("F5")
            limit = begun + 0.95 * count / rate
            seconds: list[float] = []
            pace = random.Random(0)
            while keys and time.perf_counter() < limit:
                seconds.append(keystroke(terminal, chr(0x4E00 + len(seconds))))
                time.sleep(pace.uniform(*PACE))
            ended = written(terminal, b"End of answer", before)
            return (terminal.received - before) / (ended - begun), seconds


def keystroke(terminal: Terminal, character: str) -> float:
    """Seconds until the character, which nothing else writes, comes back from the program."""
    start, sent = terminal.received, time.perf_counter()
    terminal.send(character)
    return written(terminal, character.encode(), start) - sent


def written(terminal: Terminal, text: bytes, start: int) -> float:
    """When `text` had come out of the program, after its first `start` bytes."""
    seen = start
    while terminal.raw.find(text, max(start, seen - 64)) < 0:
        before, seen = seen, terminal.received
        if seen == before and terminal.wait_bytes(seen, 20.0) is None:
            raise TimeoutError(f"{text!r} was not written; the screen shows:\n{terminal.text()}")
    return time.perf_counter()


def p95(seconds: list[float]) -> float:
    return statistics.quantiles(seconds, n=20)[-1]


def main() -> None:
    parser = argparse.ArgumentParser(description="bytes and keystrokes while an answer streams")
    parser.add_argument("--rate", type=float, default=100.0, help="tokens a second")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--child", choices=("suiron", "naive"), help=argparse.SUPPRESS)
    parser.add_argument("--count", type=int, default=0, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        {"suiron": suiron, "naive": naive}[arguments.child](arguments.count, arguments.rate)
        return
    count = round(arguments.rate * arguments.seconds)
    report: dict[str, float | int] = {"rate": arguments.rate, "seconds": arguments.seconds}
    for kind in ("suiron", "naive"):
        bytes_a_second, _ = stream(kind, count, arguments.rate, keys=False)
        _, keys = stream(kind, count, arguments.rate, keys=True)
        report[f"{kind}_bytes_per_second"] = round(bytes_a_second)
        report[f"{kind}_key_p50_ms"] = round(1e3 * statistics.median(keys), 1)
        report[f"{kind}_key_p95_ms"] = round(1e3 * p95(keys), 1)
    report["bytes_ratio"] = round(report["suiron_bytes_per_second"] / report["naive_bytes_per_second"], 4)
    print(json.dumps(report))


if __name__ == "__main__":
    main()
