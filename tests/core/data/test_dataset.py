"""Filters, pages, places and batches: the same answers from rows in memory and from a mapped file."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from core.base.errors import DataError
from core.data import source as source_module
from core.data.dataset import DataSet
from core.data.filters import RowFilters
from core.data.source import open_data

WORDS = ("apple", "Apple", "100%", "a_b", "it's", "立山", "りんご", "\\d", ".*", "x")
_NUMBER = count()  # a file of its own each time: two rewrites within one tick of the clock look alike
ROWS = [
    {
        "instruction": f"{WORDS[i % 10]} {i}",
        "reasoning": "" if i % 4 == 0 else " " if i % 4 == 1 else f"because of what stands in sentence {i}",
        "output": WORDS[(i * 7) % 10],
        "syslang": ("English", "Japanese", "")[i % 3],
        "sysflag": "test" if i % 5 == 0 else "train",
    }
    for i in range(700)
]


def opened(folder: Path, rows: list[dict[str, str]], mapped: bool) -> DataSet:
    path = folder / f"rows-{next(_NUMBER)}.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source_module, "_SMALL", -1 if mapped else 2_000_000)
        patch.setattr("core.data.formats.text_decoding.BLOCK", 8192)  # several batches
        patch.setattr("core.data.formats.text_decoding.split_blocks.__defaults__", (4096,))
        return open_data(str(path))


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[DataSet, DataSet]:
    folder = tmp_path_factory.mktemp("pair")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SUIRON_CACHE", str(folder / "cache"))
        return opened(folder, ROWS, False), opened(folder, ROWS, True)


@pytest.fixture(params=[0, 1], ids=["held", "mapped"])
def data(request: pytest.FixtureRequest, pair: tuple[DataSet, DataSet]) -> DataSet:
    return pair[request.param]


@pytest.mark.parametrize(
    "text", ["APPLE", "100%", "%", "_", "it's", "立山", "んご", "\\D", ".*", "nowhere", "x 9", '"', "$", "(", "a" * 600]
)
def test_text_is_sought_as_it_stands_in_any_case(data: DataSet, text: str) -> None:
    found = [row.index for row in data.select(RowFilters(text=text)).page(0, 1000)]
    assert found == [i for i, row in enumerate(ROWS) if any(text.lower() in cell.lower() for cell in row.values())]


def test_filters_together(data: DataSet) -> None:
    chosen = data.select(RowFilters(syslang="Japanese", sysflag="test", text="立山"))
    wanted = [
        i for i, row in enumerate(ROWS)
        if row["syslang"] == "Japanese" and row["sysflag"] == "test" and any("立山" in cell for cell in row.values())
    ]  # fmt: skip
    assert wanted and [row.index for row in chosen.page(0, 1000)] == wanted
    assert len(data.select(RowFilters(syslang="'; DROP TABLE rows; --"))) == 0


def test_pages_and_places(data: DataSet) -> None:
    everything, test = data.select(RowFilters()), data.select(RowFilters(sysflag="test"))
    assert len(everything) == 700 and len(test) == 140
    assert [row.index for row in everything.page(690, 50)] == list(range(690, 700))
    assert [row.index for row in test.page(2, 3)] == [10, 15, 20]
    assert everything.page(700, 5) == test.page(140, 5) == test.page(0, 0) == []
    assert (
        test.position(15) == 3
        and test.position(16) is None
        and test.position(9999) is None
        and everything.position(650) == 650
    )
    assert data.row(699).instruction == "x 699"
    for beyond in (-1, 700):
        with pytest.raises(IndexError):
            data.row(beyond)


def test_counts(data: DataSet) -> None:
    facets = data.facets()
    assert facets["syslang"] == [("English", 234), ("", 233), ("Japanese", 233)]
    assert facets["sysflag"] == [("train", 560), ("test", 140)]


def test_batches(data: DataSet) -> None:
    assert [row.index for batch in data.batches() for row in batch] == list(range(700))
    assert [row.index for batch in data.batches("test") for row in batch] == list(range(0, 700, 5))
    assert max(len(batch) for batch in data.batches()) <= 256
    assert list(data.batches("nothing")) == [] and data.empty_reasoning("nothing") == 0
    assert data.empty_reasoning() == 350 and data.empty_reasoning("test") == sum(
        i % 5 == 0 and i % 4 < 2 for i in range(700)
    )


def test_from_several_threads(data: DataSet) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = list(
            pool.map(
                lambda i: [row.index for row in data.select(RowFilters(text=f"apple {i}")).page(0, 9)], range(0, 50)
            )
        )
    assert found == [[r.index for r in data.select(RowFilters(text=f"apple {i}")).page(0, 9)] for i in range(50)]


@pytest.mark.parametrize("mapped", [False, True])
def test_a_source_without_optional_columns(tmp_path: Path, mapped: bool) -> None:
    data = opened(tmp_path, [{"instruction": "q", "output": "a"}] * 3, mapped)
    assert data.columns == ("instruction", "output") and data.facets() == {"syslang": [], "sysflag": []}
    assert sum(map(len, data.batches("train"))) == 3 and data.empty_reasoning("train") == 3
    assert len(data.select(RowFilters(text="A"))) == 3


_text = st.text(st.sampled_from("aAbB%_'\\(.*あ山é \n\0"), max_size=6)


_row = st.fixed_dictionaries({"instruction": _text.map("q".__add__), "output": _text, "sysflag": _text})


@given(rows=st.lists(_row, min_size=1, max_size=10), text=_text)
@hypothesis_settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_both_storages_answer_alike(tmp_path: Path, rows: list[dict[str, str]], text: str) -> None:
    held, mapped = opened(tmp_path, rows, False), opened(tmp_path, rows, True)
    for filters in (RowFilters(text=text), RowFilters(sysflag=text), RowFilters()):
        assert held.select(filters).page(0, 99) == mapped.select(filters).page(0, 99)
    assert held.facets() == mapped.facets()


def test_the_demo_opens() -> None:
    data = open_data("demo")
    assert data.name == "demo" and len(data) >= 400 and data.problem_count == 0
    with pytest.raises(DataError):
        open_data("demo", "train")
