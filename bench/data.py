"""What opening, paging and searching a large data set costs: `python -m bench.data [ROWS]` (default 200,000; about 0.5 KB a row).

Writes a JSONL file into a temporary folder, imports it in a fresh process (time and peak memory), opens it again in another, and searches it beside
`datasets.Dataset.filter` with a lambda over the same rows. Every figure is printed with the one it is compared to, from this run.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).resolve().parents[1]
_WORDS = ("the", "a", "train", "leaves", "station", "with", "apples", "box", "holds", "than", "twice", "sold", "left", "山", "りんご", "个苹果")

_OPEN = """
import json, resource, sys, time
start = time.perf_counter()
from core.data.source import open_data
from core.session import Filters
data = open_data(sys.argv[1])
opened = time.perf_counter() - start
def timed(work):
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result
facts = {"rows": len(data), "open": opened, "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}
place = len(data) * 9 // 10
everything = data.select(Filters())
facts["page"], page = timed(lambda: everything.page(place, 50))
assert [row.index for row in page] == list(range(place, place + 50))
facts["facets"], _ = timed(data.facets)
facts["first_search"], found = timed(lambda: data.select(Filters(text="needle")))
facts["search"], found = timed(lambda: data.select(Filters(text="Needle")))
facts["search_japanese"], japanese = timed(lambda: data.select(Filters(text="立山")))
facts["flag"], flagged = timed(lambda: data.select(Filters(sysflag="test")))
facts["found"], facts["found_japanese"] = len(found), len(japanese)
facts["found_page"], _ = timed(lambda: found.page(max(0, len(found) - 50), 50))
print(json.dumps(facts))
"""


def write_rows(path: Path, rows: int, seed: int = 3442) -> None:
    draw = random.Random(seed)
    texts = [" ".join(draw.choices(_WORDS, k=30)) for _ in range(2000)]
    with path.open("w", encoding="utf-8") as file:
        for i in range(rows):
            one, two, three = draw.choices(texts, k=3)
            mark = "a needle" if i % 1000 == 7 else "立山" if i % 1000 == 8 else ""
            row = {
                "instruction": f"{i} {one}", "input": "", "reasoning": f"{two} {mark} {three}", "output": str(draw.randrange(1000)),
                "syslang": draw.choice(("English", "Japanese", "Chinese")), "sysflag": "test" if i % 10 == 0 else "train",
            }  # fmt: skip
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def _fresh(path: Path, cache: Path) -> dict[str, Any]:
    environment = {**os.environ, "SUIRON_CACHE": str(cache), "PYTHONPATH": str(_ROOT)}
    done = subprocess.run([sys.executable, "-c", _OPEN, str(path)], env=environment, check=True, capture_output=True, text=True)
    facts: dict[str, Any] = json.loads(done.stdout)
    return facts


def _filter_by_datasets(path: Path, cache: Path) -> tuple[float, int]:
    import datasets

    datasets.disable_progress_bars()
    rows: Any = datasets.load_dataset("json", data_files=str(path), split="train", cache_dir=str(cache / "datasets"))
    columns = ("instruction", "input", "reasoning", "output", "syslang", "sysflag")
    return _timed(lambda: len(rows.filter(lambda row: any("needle" in row[column].lower() for column in columns), load_from_cache_file=False)))


def _timed(work: Callable[[], int]) -> tuple[float, int]:
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def main(rows: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        path, cache = Path(name) / "rows.jsonl", Path(name) / "cache"
        write_rows(path, rows)
        size = path.stat().st_size / 1e6
        first, again = _fresh(path, cache), _fresh(path, cache)
        assert first["rows"] == again["rows"] == rows
        theirs, count = _filter_by_datasets(path, cache)
        assert count == again["found"], (count, again["found"])
        print(f"{rows:,} rows, {size:.0f} MB of JSONL")
        print(f"first opening (import)     {first['open']:8.2f} s   {size / first['open']:.0f} MB/s, peak memory {first['peak_mb']:.0f} MB")
        ratio = first["open"] / again["open"]
        print(f"later opening              {again['open']:8.3f} s   {ratio:.0f} times as fast, peak memory {again['peak_mb']:.0f} MB")
        print(f"page of 50 at 90 %         {again['page']:8.4f} s")
        print(f"counts per value           {again['facets']:8.3f} s")
        print(f"first search (any case)    {again['first_search']:8.3f} s   with the import of DuckDB")
        print(f"search (any case)          {again['search']:8.3f} s   {again['found']:,} rows found")
        print(f"search (Japanese)          {again['search_japanese']:8.3f} s   {again['found_japanese']:,} rows found")
        print(f"filter by sysflag          {again['flag']:8.3f} s")
        print(f"last page of what is found {again['found_page']:8.4f} s")
        print(f"datasets.filter            {theirs:8.2f} s   {theirs / again['search']:.0f} times our search (any case)")


if __name__ == "__main__":
    main(int(sys.argv[1].replace(",", "").replace("_", "")) if len(sys.argv) > 1 else 200_000)
