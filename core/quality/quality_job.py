"""Gets statistics and the doctor's report from the cache, or else from a child process that can be cancelled.

Made for threads of the terminal: imports nothing heavy, and computes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Literal, overload

import msgspec

from core.base.child import Child, ChildDied
from core.base.child import ChildProgress as ChildProgress
from core.base.errors import SuironError
from core.quality import quality_request
from core.quality.quality_request import QualityOptions as QualityOptions
from core.quality.quality_request import QualityRequest, QualityTask
from core.quality.report import DataSetStatistics, QualityReport, decode_result

OnProgress = Callable[[ChildProgress], None]
IsCancelled = Callable[[], bool]


class JobCancelled(Exception):
    """The user cancelled the job; no process is left running."""


@overload
def run_quality_job(
    what: Literal["statistics"],
    source: str,
    split: str = ...,
    options: QualityOptions = ...,
    progress: OnProgress | None = ...,
    cancelled: IsCancelled | None = ...,
    fingerprint: str = ...,
) -> DataSetStatistics: ...
@overload
def run_quality_job(
    what: Literal["doctor"],
    source: str,
    split: str = ...,
    options: QualityOptions = ...,
    progress: OnProgress | None = ...,
    cancelled: IsCancelled | None = ...,
    fingerprint: str = ...,
) -> QualityReport: ...
def run_quality_job(
    what: QualityTask,
    source: str,
    split: str = "",
    options: QualityOptions = QualityOptions(),  # noqa: B008  (frozen)
    progress: OnProgress | None = None,
    cancelled: IsCancelled | None = None,
    fingerprint: str = "",
) -> DataSetStatistics | QualityReport:
    """The statistics of the rows of `source` with the user's edits applied, or the doctor's report on them.

    Blocks; `progress` and `cancelled` are called from this thread, about ten times a second. fingerprint:
    `DataSet.fingerprint` where it is known, so that a result in the cache needs no process. Raises SuironError,
    JobCancelled.
    """
    if fingerprint and (known := cached_result(what, source, fingerprint, options)) is not None:
        return known
    try:
        request = QualityRequest(what, source, split, options, str(quality_request.results_folder()))
        path = _run_child(request, progress, cancelled or (lambda: False))
        return decode_result(path.read_bytes())
    except msgspec.DecodeError as error:
        raise SuironError(
            f"the result cannot be read ({error})", str(path), "Delete this file and try again"
        ) from error
    except OSError as error:
        where = str(error.filename or "")
        do = "Free space or memory, or set SUIRON_CACHE to a folder that can be written"
        raise SuironError(f"the rows cannot be checked ({error.strerror or error})", where, do) from error


def cached_result(
    what: QualityTask,
    source: str,
    fingerprint: str,
    options: QualityOptions = QualityOptions(),  # noqa: B008  (frozen)
) -> DataSetStatistics | QualityReport | None:
    """The result in the cache, or None. Raises ModelError for a model that does not exist, UsageError for a template
    that does not."""
    from core.models.tokenizer_folder import tokenizer_folder
    from core.quality import model_tokenizer

    tokenizer = ""
    if options.model and (folder := tokenizer_folder(options.model)) is not None:
        tokenizer = model_tokenizer.tokenizer_fingerprint(folder)
    name = quality_request.result_file_name(what, source, fingerprint, options, tokenizer)
    with suppress(OSError, msgspec.DecodeError):
        return decode_result((quality_request.results_folder() / name).read_bytes())
    return None


def _run_child(request: QualityRequest, progress: OnProgress | None, cancelled: IsCancelled) -> Path:
    def check() -> None:
        if cancelled():
            raise JobCancelled

    # in its own session, so that its helper processes end with it
    with Child("core.quality", msgspec.to_builtins(request), own_session=True) as child:
        try:
            return Path(child.answer(progress, check))
        except ChildDied as death:
            work, do = "the process that checks the rows", "Report this: the program is at fault"
            raise death.explain(SuironError, work, request.source, do) from None
