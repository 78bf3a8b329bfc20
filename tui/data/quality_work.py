"""Statistics and the doctor as work for the progress dialog: another process judges the rows, or the cache answers.
Knows no widget."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.data.dataset import DataSet
    from core.quality import client
    from core.quality.report import Report, Statistics
    from core.quality.request import Options, What
    from core.session import Session
    from tui.common.progress_dialog import Progress, Work


def training_options(session: Session, dataset: DataSet | None) -> Options:
    """How the rows would be trained with the settings of the session. Settings that cannot be read are the preset's."""
    from core.quality.request import Options
    from tui.common.run_settings import session_spec

    return Options.of(session_spec(session, dataset)[0])


def quality_work(what: What, dataset: DataSet, options: Options) -> Work[Statistics | Report]:
    """The work that judges the rows as they are now, with their edits. It runs in a thread, reports its progress in
    rows, and raises InterruptedError once it is cancelled."""
    from core.quality import client

    def judge(progress: Progress, cancelled: Callable[[], bool]) -> Statistics | Report:
        def report_progress(so_far: client.Progress) -> None:
            progress(so_far.done, so_far.total)

        try:
            return client.run(
                what, dataset.source, dataset.split, options, report_progress, cancelled, dataset.fingerprint
            )
        except client.Cancelled as error:
            raise InterruptedError("cancelled by the user") from error

    return judge
