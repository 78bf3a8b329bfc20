"""What it costs to search, sort and edit a large data set.

The search is compared with `datasets.Dataset.filter` with a lambda over the same rows.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from bench.data_rows import JAPANESE, NEEDLE
from bench.data_table import Line

_ROOT = Path(__file__).resolve().parents[1]

_CHILD = """
import json, sys, tempfile, time
from pathlib import Path
from core.data.editing.editor import open_editor
from core.data.export import save_rows
from core.data.source import open_data
import core.data.filters
Filters = core.data.filters.RowFilters
data = open_data(sys.argv[1])
words, japanese = sys.argv[2:]
facts = {}
def timed(name, work):
    start = time.perf_counter()
    result = work()
    facts[name] = time.perf_counter() - start
    return result
def first(filters):
    return next(found for found in data.search(filters) if len(found))
timed("facets", data.facets)
timed("cold_first", lambda: first(Filters(text=words)))
timed("cold", lambda: data.select(Filters(text=words)))
timed("first", lambda: first(Filters(text=words.title())))
found = timed("search", lambda: data.select(Filters(text=words.title())))
facts["found"] = len(found)
facts["found_japanese"] = len(timed("japanese", lambda: data.select(Filters(text=japanese))))
test = timed("flag", lambda: data.select(Filters(sysflag="test")))
timed("found_page", lambda: found.page(max(0, len(found) - 50), 50))
timed("length", lambda: data.select(Filters(sort="length", descending=True)))
sorted_rows = timed("text", lambda: data.select(Filters(sort="instruction")))
timed("sorted_page", lambda: sorted_rows.page(len(sorted_rows) // 2, 50))
timed("where", lambda: data.select(Filters(where=f"contains(reasoning, '{words}') AND length(output) < 200")))
with tempfile.TemporaryDirectory() as folder, open_editor(data, Path(folder)) as editor:
    everything = data.select(Filters()).indices
    edits = []
    for position in range(0, len(everything), max(1, len(everything) // 100)):
        start = time.perf_counter()
        editor.change(int(everything[position]), {"output": f"edited {position}"})
        edits.append(time.perf_counter() - start)
    facts["edit"] = sorted(edits)[len(edits) * 95 // 100]
    timed("first_fill", lambda: editor.fill(test.indices, "syslang", "Other"))
    timed("fill", lambda: editor.fill(everything, "syslang", "Another"))
    timed("split", lambda: editor.split(everything, 0.1, 3442))
    timed("undo", editor.undo)
    facts["journal"] = (Path(folder) / "edits.jsonl").stat().st_size
    data = editor.dataset
    facts["edited_found"] = len(timed("edited", lambda: data.select(Filters(text=words))))
    timed("edited_page", lambda: data.select(Filters()).page(len(data) * 9 // 10, 50))
    timed("saved", lambda: save_rows(data, Path(folder) / "out.parquet"))
status_file = Path("/proc/self/status")
status_lines = status_file.read_text().splitlines() if status_file.exists() else []
status = dict(line.split(":", 1) for line in status_lines)
facts["private"] = int(status["RssAnon"].split()[0]) // 1024 if "RssAnon" in status else 0
print(json.dumps(facts))
"""


def _theirs(path: Path, cache: Path) -> tuple[float, int]:
    import datasets

    datasets.disable_progress_bars()
    rows: Any = datasets.load_dataset("json", data_files=str(path), split="train", cache_dir=str(cache / "datasets"))
    columns = ("instruction", "input", "reasoning", "output", "syslang", "sysflag")
    start = time.perf_counter()
    found = len(
        rows.filter(lambda row: any(NEEDLE in row[column].lower() for column in columns), load_from_cache_file=False)
    )
    return time.perf_counter() - start, found


def searching(path: Path, cache: Path) -> list[Line]:
    environment = {
        **os.environ,
        "SUIRON_CACHE": str(cache),
        "SUIRON_HOME": str(cache / "home"),
        "PYTHONPATH": str(_ROOT),
    }
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, str(path), NEEDLE, JAPANESE],
        env=environment,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    facts: dict[str, Any] = json.loads(done.stdout)
    their_seconds, count = _theirs(path, cache)
    assert count == facts["found"], (count, facts["found"])
    return [
        Line(
            "search of all columns, first hits, the first time",
            facts["cold_first"],
            "s",
            0.15,
            "with the imports it needs",
        ),
        Line("search of all columns, any case, the first time", facts["cold"], "s", 0.8),
        Line("search of all columns, first hits", facts["first"], "s", 0.15),
        Line("search of all columns, any case", facts["search"], "s", 0.8, f"{facts['found']:,} rows found"),
        Line("search (Japanese)", facts["japanese"], "s", 0.8, f"{facts['found_japanese']:,} rows found"),
        Line("datasets.filter", their_seconds, "s", None, f"{their_seconds / facts['search']:.0f} times our search"),
        Line("our search, of the time datasets.filter takes", 100 * facts["search"] / their_seconds, "%", 10),
        Line("filter by sysflag", facts["flag"], "s"),
        Line("counts per value", facts["facets"], "s"),
        Line("SQL condition, in a process of its own", facts["where"], "s"),
        Line("sort by length of the whole row", facts["length"], "s", 1.0),
        Line("sort by text", facts["text"], "s", 1.0),
        Line("last page of what is found", facts["found_page"] * 1000, "ms", 30),
        Line("middle page of what is sorted", facts["sorted_page"] * 1000, "ms", 30),
        Line("edit of one row, on disk, p95 of 100", facts["edit"] * 1000, "ms", 30),
        Line(
            "first column set in all rows of sysflag test", facts["first_fill"], "s", None, "with the keys of all rows"
        ),
        Line("column set in all rows", facts["fill"], "s"),
        Line("split of all rows", facts["split"], "s"),
        Line("its undo", facts["undo"] * 1000, "ms", 100),
        Line(
            "search of all columns, after these edits",
            facts["edited"],
            "s",
            0.8,
            f"{facts['edited_found']:,} rows found",
        ),
        Line("page at 90 %, after these edits", facts["edited_page"] * 1000, "ms", 100),
        Line("saved as Parquet", facts["saved"], "s"),
        Line("journal of these edits", facts["journal"] / 1e6, "MB"),
        Line("private memory after all of it", facts["private"], "MB", 500),
    ]
