"""Checks of all rows at once: statistics, the doctor, and moving from one finding to the next.

`core.quality` does the checking.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from core.base.safe_text import safe_line
from core.data.filters import RowFilters
from tui.actions import key_of
from tui.data.edit_actions import EditActions
from tui.data.findings_walk import Finding, FindingsWalk

if TYPE_CHECKING:
    from core.quality.quality_request import QualityTask
    from core.quality.report import DataSetStatistics, FindingGroup, QualityReport
    from tui.data.dialogs.doctor import FindingChoice
    from tui.data.dialogs.progress_dialog import WorkResult
    from tui.data.room_interface import DataRoom

    Judged = WorkResult[DataSetStatistics | QualityReport] | None


class QualityActions:
    """Holds the group of findings that the user walks through."""

    def __init__(self, room: DataRoom, edits: EditActions) -> None:
        self._room = room
        self._edits = edits
        self._walk = FindingsWalk()

    def forget_findings(self) -> None:
        """Forget the group: another source is being opened."""
        self._walk.choose_group(None)

    def show_statistics(self) -> None:
        self._judge("statistics", "Counting the rows", self._take_statistics)

    def _take_statistics(self, done: Judged) -> None:
        from core.quality.report import DataSetStatistics
        from tui.data.dialogs.statistics import StatisticsDialog
        from tui.data.quality_work import training_options

        if done is not None and isinstance(done.value, DataSetStatistics):
            # the counts are the same for any maximum length
            limit = training_options(self._room.suiron.session, self._room.dataset).max_length
            self._room.app.push_screen(StatisticsDialog(msgspec.structs.replace(done.value, max_length=limit)))

    def show_doctor(self) -> None:
        self._judge("doctor", "Checking every row", self._take_report)

    def _take_report(self, done: Judged) -> None:
        from core.quality.report import QualityReport
        from tui.data.dialogs.doctor import DoctorDialog

        if done is not None and isinstance(done.value, QualityReport):
            self._room.app.push_screen(DoctorDialog(done.value, self._walk.kind), self._take_group)

    def _judge(self, task: QualityTask, words: str, then: Callable[[Judged], None]) -> None:
        """Run statistics or the doctor on the rows as they are now, behind a progress dialog."""
        room = self._room
        dataset = room.dataset
        if not room.check_ready() or dataset is None:
            return
        from tui.data.dialogs.progress_dialog import ProgressDialog
        from tui.data.quality_work import quality_work, training_options

        work = quality_work(task, dataset, training_options(room.suiron.session, dataset))
        dialog = ProgressDialog(f"{words} of {safe_line(dataset.name, 60)}", work, where=dataset.name)
        room.app.push_screen(dialog, then)

    def _take_group(self, chosen: FindingChoice | None) -> None:
        if chosen is not None:
            self._choose_group(chosen.group, chosen.fix)

    def _choose_group(self, group: FindingGroup, fix: bool) -> None:
        self._walk.choose_group(group)
        if fix:
            self._edits.fix_rows(group)
        else:
            self._go_to_finding(self._walk.first_finding())

    def finding_by(self, by: int) -> None:
        """Go to the next finding (by 1) or the previous one (by -1)."""
        if not self._walk.kind:
            keys = f"{key_of('data.next_finding')} and {key_of('data.previous_finding')}"
            self._room.say(f"{key_of('data.show_doctor')} runs the doctor; {keys} then go to its findings.")
        else:
            self._go_to_finding(self._walk.next_finding(self._room.queries.anchor, by))

    def _go_to_finding(self, finding: Finding | None) -> None:
        room = self._room
        selection = room.queries.selection
        if finding is None or selection is None:
            return
        room.queries.anchor = finding.row  # even if it is deleted: the next key continues from there
        room.rows.go_to_field(finding.field)
        if room.filters != RowFilters() and selection.position(finding.row) is None:
            room.query_view.clear_filters()  # the filters hide the finding
            room.query_view.select(room.filters, finding.row)
            room.say(f"{finding.words} · all rows are shown again")
        else:
            room.query_view.go_to(finding.row, finding.words)
