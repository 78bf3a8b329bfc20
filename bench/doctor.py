"""What checking a data set costs: `python -m bench.doctor [ROWS] [FILE]`.

ROWS: how many rows to make, 200,000 if omitted. FILE: a file of your own instead. Runs the doctor and the statistics as
the terminal does, in their child process, without a cache and from the cache, and prints time, CPU time, rows a second
and the peak memory of its processes together. The rows are word problems in three languages, most of them correct, a
few per cent wrong in the ways the doctor knows.
"""

from __future__ import annotations

import json
import os
import random
import resource
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil

_NAMES = (
    "Natalia",
    "Weng",
    "Betty",
    "Julie",
    "James",
    "Mark",
    "Albert",
    "Ken",
    "Alexis",
    "Tina",
    "Mina",
    "Toula",
    "Carlos",
    "Maria",
    "Yuki",
    "Chen",
)
_THINGS = (
    "clips",
    "letters",
    "flowers",
    "boxes",
    "pages",
    "cupcakes",
    "tickets",
    "stamps",
    "pencils",
    "marbles",
    "shirts",
    "coins",
    "bottles",
)
_PLACES = (
    "a market",
    "the school fair",
    "her office",
    "the station",
    "a bakery",
    "the library",
    "the harbour",
    "a farm",
    "the museum",
    "a garage",
)
_EXTRAS = (
    "On the way home it rains and nobody talks about it.",
    "The shop closes at nine in the evening.",
    "A friend watches and counts along.",
    "It is the third summer in which they do this.",
    "Nothing else is sold on that day.",
    "The manager writes every number into a book.",
)


def write_rows(path: Path, rows: int, seed: int = 3442) -> None:
    """About half a kilobyte each."""
    draw = random.Random(seed)
    with path.open("w", encoding="utf-8") as file:
        earlier: list[dict[str, str]] = []
        for number in range(rows):
            row = _row(draw)
            if draw.random() < 0.05:
                row = _spoilt(row, earlier, draw)
            earlier = [*earlier[-50:], row]
            row["sysflag"] = "test" if number % 20 == 0 else "train"
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def _row(draw: random.Random) -> dict[str, str]:
    name, other = draw.sample(_NAMES, 2)
    thing, location, first, second = (
        draw.choice(_THINGS),
        draw.choice(_PLACES),
        draw.randrange(3, 900),
        draw.randrange(3, 900),
    )
    extra = " ".join(draw.sample(_EXTRAS, draw.randrange(1, 4)))
    kind = draw.random()
    if kind < 0.6:
        question = (
            f"{name} brings {first} {thing} to {location}, and {other} adds {second} more. {extra} "
            f"How many {thing} are there in the end?"
        )
        steps = (
            f"At first there are {first} {thing}, which {name} brought. {other} adds {second}.\n"
            f"So {first} + {second} = {first + second}."
        )
        return {
            "instruction": question,
            "input": "",
            "reasoning": steps,
            "output": str(first + second),
            "syslang": "English",
        }
    if kind < 0.8:
        question = (
            f"{name}さんは{first}円の本と{second}円のノートを買いました。"
            f"店の外で{other}さんに会いました。代金は合わせて何円ですか。"
        )
        steps = (
            f"本は{first}円、ノートは{second}円です。\n合わせて {first} + {second} = {first + second} 円になります。"
        )
        return {
            "instruction": question,
            "input": "",
            "reasoning": steps,
            "output": str(first + second),
            "syslang": "Japanese",
        }
    question = (
        f"{name}在书店买了一本{first}元的书和一支{second}元的钢笔，回家的路上遇到了{other}。请问他一共花了多少元钱？"
    )
    steps = f"书的价格是{first}元，钢笔的价格是{second}元。\n一共是 {first} + {second} = {first + second} 元。"
    return {
        "instruction": question,
        "input": "",
        "reasoning": steps,
        "output": str(first + second),
        "syslang": "Chinese",
    }


def _spoilt(row: dict[str, str], earlier: list[dict[str, str]], draw: random.Random) -> dict[str, str]:
    ways: tuple[Callable[[], dict[str, str]], ...] = (
        lambda: dict(draw.choice(earlier)) if earlier else row,
        lambda: {**draw.choice(earlier), "reasoning": "It was the same question."} if earlier else row,
        lambda: {**row, "output": ""},
        lambda: {**row, "output": str(int(row["output"]) + 1)},
        lambda: {**row, "reasoning": row["output"]},
        lambda: {**row, "reasoning": row["instruction"]},
        lambda: {**row, "instruction": row["instruction"] + " caf\u00c3\u00a9"},
        lambda: {**row, "instruction": row["instruction"] + "\u200b"},
        lambda: {**row, "output": row["output"] + " "},
        lambda: {**row, "reasoning": "", "output": f"<think>{row['reasoning']}</think>{row['output']}"},
        lambda: {**row, "syslang": "Japanese" if row["syslang"] == "English" else "English"},
        lambda: {**earlier[-1], "instruction": "Well. " + earlier[-1]["instruction"]} if earlier else row,
        lambda: {**row, "instruction": f"{row['instruction']} (Answer: {row['output']})"},
        lambda: {**row, "instruction": row["output"], "output": row["instruction"]},
        lambda: {**row, "instruction": "<image>\n" + row["instruction"]},
        lambda: {**row, "reasoning": row["reasoning"].replace("\n", "\\n")},
        lambda: {**row, "reasoning": row["reasoning"] + " Wait, let me check that again." * 12},
        lambda: {**row, "reasoning": f"<p>{row['reasoning']}</p>"},
        lambda: {**row, "reasoning": row["reasoning"][: len(row["reasoning"]) // 2]},
        lambda: {**row, "output": row["output"] + "\n\nHuman: And tomorrow?"},
        lambda: {**row, "output": "I'm sorry, but I can't help with that."},
        lambda: {**row, "output": json.dumps([row["output"]])},
    )
    return draw.choice(ways)()


class _Watch(threading.Thread):
    """The highest memory of all children of this process together, in MB."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak = 0.0
        self.over = threading.Event()

    def run(self) -> None:
        while not self.over.wait(0.05):
            together = 0.0
            for child in psutil.Process().children(recursive=True):
                try:
                    together += child.memory_info().rss / 1e6
                except psutil.Error:
                    continue
            self.peak = max(self.peak, together)


def _measured(name: str, rows: int, work: Callable[[], object]) -> None:
    watch, start, cpu = _Watch(), time.perf_counter(), _cpu()
    watch.start()
    work()
    took = time.perf_counter() - start
    watch.over.set()
    watch.join()
    print(
        f"{name:<28} {took:8.2f} s {_cpu() - cpu:8.2f} s of CPU {rows / took:12,.0f} rows/s {watch.peak:8,.0f} MB at "
        "most",
        flush=True,
    )


def _cpu() -> float:
    """Seconds that the children of this process, and theirs, have computed."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main(rows: int, file: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for variable in ("HOME", "CACHE", "CONFIG"):
            os.environ[f"SUIRON_{variable}"] = str(Path(folder) / variable.lower())
        from core.data.source import open_data
        from core.quality import quality_job

        source = file or str(Path(folder) / "rows.jsonl")
        if not file:
            write_rows(Path(source), rows)
        start = time.perf_counter()
        data = open_data(source)
        size, took = Path(source).stat().st_size / 1e6, time.perf_counter() - start
        print(f"{len(data):,} rows, {size:.0f} MB, opened in {took:.2f} s; load {os.getloadavg()[0]:.1f}", flush=True)
        _measured("doctor", len(data), lambda: quality_job.run_quality_job("doctor", source))
        _measured(
            "doctor, from the cache",
            len(data),
            lambda: quality_job.run_quality_job("doctor", source, fingerprint=data.fingerprint),
        )
        _measured("statistics, in characters", len(data), lambda: quality_job.run_quality_job("statistics", source))
        for group in quality_job.run_quality_job("doctor", source, fingerprint=data.fingerprint).groups:
            print(f"  {group.severity:<8} {group.kind:<26} {group.count:>9,}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200_000, sys.argv[2] if len(sys.argv) > 2 else "")
