"""From finding to finding, without a terminal."""

from __future__ import annotations

from core.base.row import COLUMNS
from core.quality.report import FindingGroup, pack_integers
from tui.data.findings_walk import FindingsWalk

OUTPUT = bytes([1 << COLUMNS.index("output")])
GROUP = FindingGroup(
    "empty_output",
    "error",
    "empty [/]",
    "why",
    "do",
    pack_integers([3, 21, 30]),
    pack_integers([-1, 3, -1]),
    OUTPUT * 3,
)


def test_without_a_group_there_is_no_finding() -> None:
    walk = FindingsWalk()
    assert walk.kind == "" and walk.first_finding() is None and walk.next_finding(0, 1) is None


def test_the_walk_goes_on_from_any_row_and_round_at_the_ends() -> None:
    walk = FindingsWalk()
    walk.choose_group(GROUP)
    assert walk.kind == "empty_output"
    following = [walk.next_finding(row, 1) for row in (0, 3, 25, 30, 99)]
    assert [finding.row for finding in following if finding] == [3, 21, 30, 3, 3]
    previous = [walk.next_finding(row, -1) for row in (99, 30, 22, 3, 0)]
    assert [finding.row for finding in previous if finding] == [30, 21, 21, 30, 30]


def test_a_finding_names_its_field_its_number_and_the_row_it_is_like() -> None:
    walk = FindingsWalk()
    walk.choose_group(GROUP)
    finding = walk.next_finding(3, 1)
    assert finding is not None and finding.field == "output"
    assert finding.words == "finding 2 of 3: empty [/], like row 3 · row 21"
    walk.choose_group(None)
    assert walk.first_finding() is None
