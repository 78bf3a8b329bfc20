"""What it costs to open and page a large source, in a fresh process that has the app imported.

The imports that opening needs beyond the app's own (NumPy, DuckDB, pyarrow) are in the figures. Nothing is in Suiron's
cache the first time.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from bench.data_table import Line

_ROOT = Path(__file__).resolve().parents[1]
_PAGE = 40  # rows of a tall terminal

_CHILD = """
import json, random, resource, sys, time
import tui.app, tui.data.screen
from core.data.source import count_rows, finish_import, open_early
import core.data.filters
Filters = core.data.filters.RowFilters
PAGE = int(sys.argv[2])

def memory(name):
    return next(int(line.split()[1]) / 1024 for line in open("/proc/self/status") if line.startswith(name + ":"))

def p95(times):
    return sorted(times)[int(len(times) * 0.95)]

def timed(work):
    start = time.perf_counter()
    work()
    return time.perf_counter() - start

def paging(data, name):
    everything, draw = data.select(Filters()), random.Random(3442)
    where = len(data) // 2
    facts[name + "page_down"] = p95([timed(lambda: everything.page(where + i * PAGE, PAGE)) for i in range(200)])
    jumps = [timed(lambda: everything.page(draw.randrange(len(data) - PAGE), PAGE)) for _ in range(200)]
    facts[name + "jump"] = p95(jumps)

facts = {"empty_mb": memory("VmRSS")}
start = time.perf_counter()
data = open_early(sys.argv[1])
first = data.select(Filters()).page(0, PAGE)
facts["first_page"] = time.perf_counter() - start
assert len(first) == PAGE
if not data.counted:
    data = count_rows(data)
facts["count"] = time.perf_counter() - start
facts["counted"], facts["rows"], facts["was_ready"] = data.counted, len(data), data.ready
if not data.ready:
    paging(data, "early_")
    facts["early_mb"] = memory("VmRSS")
    facts["import"] = timed(lambda: globals().update(data=finish_import(data)))
    facts["child_peak_mb"] = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
paging(data, "")
facts["rows_imported"] = len(data)
facts["rss_mb"], facts["peak_mb"], facts["own_mb"] = memory("VmRSS"), memory("VmHWM"), memory("RssAnon")
print(json.dumps(facts))
"""


def measure(path: Path, cache: Path) -> dict[str, Any]:
    environment = {
        **os.environ,
        "SUIRON_CACHE": str(cache),
        "SUIRON_HOME": str(cache / "home"),
        "PYTHONPATH": str(_ROOT),
    }
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, str(path), str(_PAGE)],
        env=environment,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    facts: dict[str, Any] = json.loads(done.stdout)
    return facts


def opening(path: Path, cache: Path, rows: int) -> list[Line]:
    """The lines of the table for one source: opened for the first time, and again."""
    path.open("rb").close()
    first, again = measure(path, cache), measure(path, cache)
    assert first["rows_imported"] == again["rows"] == rows and not first["was_ready"] and again["was_ready"]
    megabytes = path.stat().st_size / 1e6
    imported = f"{megabytes / first['import']:.0f} MB/s, its peak {first['child_peak_mb']:.0f} MB"
    memory = f"{first['empty_mb']:.0f} before, its own {first['own_mb']:.0f}, the rest is file cache"
    what = f"{path.suffix[1:]}, {rows:,} rows, {megabytes:.0f} MB"
    return [
        Line(f"{what}: first page", first["first_page"], "s", 0.3),
        Line(
            "exact count" if first["counted"] else "count, at least",
            first["count"],
            "s",
            0.5,
            f"{first['rows']:,} rows",
        ),
        Line("page down before the import, p95", first["early_page_down"] * 1000, "ms", 30),
        Line("jump before the import, p95", first["early_jump"] * 1000, "ms", 100),
        Line("import, in a process of its own", first["import"], "s", None, imported),
        Line("page down after the import, p95", first["page_down"] * 1000, "ms", 30),
        Line("jump after the import, p95", first["jump"] * 1000, "ms", 100),
        Line("memory of the app, peak", first["peak_mb"], "MB", 500, memory),
        Line("opened again: first page and count", again["count"], "s", 0.3, f"memory {again['peak_mb']:.0f} MB"),
    ]
