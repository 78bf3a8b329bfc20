"""Lengths and groups as screens read them: equal to what lists of all numbers give."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from core.quality.findings import Findings
from core.quality.registry import FINDING_KINDS
from core.quality.report import (
    DataSetStatistics,
    LengthDistribution,
    QualityReport,
    decode_result,
    encode_result,
    unpack_integers,
)

sizes = st.lists(st.integers(0, 5000), min_size=1, max_size=200)


@given(sizes, st.sampled_from([0.5, 0.95, 0.99, 1.0]))
def test_percentiles_are_nearest_rank(values: list[int], share: float) -> None:
    lengths = LengthDistribution.of(Counter(values))
    ranked = sorted(values)
    assert lengths.length_keeping(share) == ranked[math.ceil(round(share * len(values), 6)) - 1]
    assert (lengths.rows, lengths.total, lengths.max) == (len(values), sum(values), max(values))
    assert math.isclose(lengths.mean, sum(values) / len(values))


@given(sizes, st.integers(-1, 5001))
def test_above_counts_the_longer(values: list[int], limit: int) -> None:
    assert LengthDistribution.of(Counter(values)).rows_above(limit) == sum(value > limit for value in values)


@given(sizes, st.integers(1, 60), st.none() | st.integers(1, 6000))
def test_bins_hold_every_row_once(values: list[int], number: int, upto: int | None) -> None:
    bins = LengthDistribution.of(Counter(values)).bins(number, upto)
    assert len(bins) <= number
    assert [one.low for one in bins[1:]] == [one.high + 1 for one in bins[:-1]]
    assert [one.count for one in bins] == [sum(one.low <= value <= one.high for value in values) for one in bins]
    assert sum(one.count for one in bins) == len(values)


def test_no_rows_have_no_lengths() -> None:
    empty = LengthDistribution.of({})
    assert (empty.rows, empty.mean, empty.max, empty.length_keeping(0.99), empty.rows_above(0), empty.bins(5)) == (
        0,
        0.0,
        0,
        0,
        0,
        [],
    )


@given(
    st.lists(st.tuples(st.integers(0, 40), st.sampled_from(["", "input", "output"]), st.integers(-1, 5)), min_size=1)
)
def test_findings_added_in_any_order_and_by_several(added: list[tuple[int, str, int]]) -> None:
    whole, first, second = Findings(), Findings(), Findings()
    for number, (row, column, other) in enumerate(added):
        whole.add("duplicate", row, column, other)
        (first if number < len(added) // 2 else second).add("duplicate", row, column, other)
    first.add_dumped(second.dump())
    (group,), joined = whole.groups(FINDING_KINDS), first.groups(FINDING_KINDS)
    assert joined == (group,)
    assert list(group.indices) == sorted({row for row, _, _ in added})
    for position, row in enumerate(group.indices):
        mine = [one for one in added if one[0] == row]
        assert set(group.columns(position)) == {column for _, column, _ in mine} - {""}
        assert group.other(position) == (mine[0][2] if mine[0][2] >= 0 else None)


def test_rows_of_a_group_rise() -> None:
    findings = Findings()
    for row in (9, 3, 5):
        findings.add("too_long", row)
    (group,) = findings.groups(FINDING_KINDS)
    assert (list(group.indices), group.count) == ([3, 5, 9], 3)
    assert (group.columns(0), group.other(0)) == ((), None)


def test_results_cross_processes() -> None:
    findings = Findings()
    findings.add("leakage", 7, other=2)
    findings.add("blank_edges", 1, "output")
    report = QualityReport("a", "b", "c", 9, findings.groups(FINDING_KINDS), ("note",))
    assert decode_result(encode_result(report)) == report
    assert [group.kind for group in report.groups] == ["leakage", "blank_edges"]
    assert report.groups[0].severity == "error"
    statistics = DataSetStatistics(
        "a",
        "",
        "c",
        3,
        (("en", "train", 2), ("ja", "train", 1)),
        {},
        "tokens",
        {},
        LengthDistribution.of({4: 3}),
        LengthDistribution.of({2: 3}),
        {},
    )
    assert decode_result(encode_result(statistics)) == statistics
    assert (statistics.rows_by_syslang, statistics.rows_by_sysflag) == ({"en": 2, "ja": 1}, {"train": 3})
    assert (
        statistics.effect_of_max_length(3).lose_eos,
        statistics.effect_of_max_length(3).lose_answer,
        statistics.effect_of_max_length(2).lose_answer,
        statistics.effect_of_max_length(4).kept,
    ) == (3, 0, 3, 1.0)


def test_a_million_rows_are_eight_bytes_each() -> None:
    findings = Findings()
    for row in range(1000):
        findings.add("duplicate", row)
    (group,) = findings.groups(FINDING_KINDS)
    assert len(group.rows) == 8000
    assert np.array_equal(np.asarray(unpack_integers(group.rows)), np.arange(1000))
