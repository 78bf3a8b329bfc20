"""Statistics and the doctor as work for the progress dialog; a child process or the cache answers.

Knows no widget.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.base.child import ChildProgress
    from core.data.dataset import DataSet
    from core.quality.quality_request import QualityOptions, QualityTask
    from core.quality.report import DataSetStatistics, QualityReport
    from core.session import Session
    from tui.data.dialogs.progress_dialog import DialogWork, WorkProgress


def training_options(session: Session, dataset: DataSet | None) -> QualityOptions:
    """How the rows would be trained with the settings of the session. Settings that cannot be read are the preset's."""
    from core.quality.quality_request import QualityOptions
    from tui.common.run_settings import session_spec

    return QualityOptions.of(session_spec(session, dataset)[0])


def quality_work(
    task: QualityTask, dataset: DataSet, options: QualityOptions
) -> DialogWork[DataSetStatistics | QualityReport]:
    """The work that checks the rows as they are now, with their edits. It runs in a thread, reports its progress in
    rows, and raises InterruptedError once it is cancelled."""
    from core.quality import quality_job

    def judge(progress: WorkProgress, cancelled: Callable[[], bool]) -> DataSetStatistics | QualityReport:
        def report_progress(so_far: ChildProgress) -> None:
            progress(so_far.done, so_far.total)

        try:
            return quality_job.run_quality_job(
                task, dataset.source, dataset.split, options, report_progress, cancelled, dataset.fingerprint
            )
        except quality_job.JobCancelled as error:
            raise InterruptedError("cancelled by the user") from error

    return judge
