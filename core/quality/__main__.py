"""The child process that checks or counts rows. It writes its result to the cache and answers with the path."""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from core.base import files
from core.base.child_main import ReportProgress, answer_parent
from core.base.errors import DataError, SuironError
from core.data.source_record import source_record
from core.quality import doctor, model_tokenizer, quality_request, statistics
from core.quality.quality_request import QualityRequest
from core.quality.report import decode_result, encode_result

_NICE = 10
_RESULTS_KEPT = 200  # in the cache; the oldest are deleted


def main(message: Any, progress: ReportProgress) -> str:
    """The path of the file with the result. Raises SuironError."""
    os.nice(_NICE)
    request = msgspec.convert(message, QualityRequest)
    try:
        return str(_write_result(request, progress))
    except MemoryError as error:
        what = "there is not enough memory to check the rows"
        raise SuironError(what, request.source, "Free some memory and try again") from error
    except OSError as error:
        what = f"a file or folder cannot be used ({error.strerror or error})"
        do = "Free space there, or set SUIRON_CACHE to a folder that can be written"
        raise SuironError(what, str(error.filename or ""), do) from error


def _write_result(request: QualityRequest, progress: ReportProgress) -> Path:
    from core.examples.run_rows import open_rows

    tokenizer, why = model_tokenizer.load_model_tokenizer(request.options.model)
    identity = model_tokenizer.tokenizer_fingerprint(Path(tokenizer.where)) if tokenizer is not None else ""
    data = open_rows(request.data, lambda done, total: progress("opening the data set", done, total))
    if not data.fingerprint:
        raise DataError("the data set has no fingerprint", request.source, "Report this: the program is at fault")
    path = Path(request.results_folder) / quality_request.result_file_name(
        request.what, request.source, data.fingerprint, request.options, identity
    )
    with suppress(OSError, msgspec.DecodeError):  # none yet, or damaged by a full disk or a crash
        decode_result(path.read_bytes())
        path.touch()
        return path
    if "pyarrow" in sys.modules:
        sys.modules["pyarrow"].default_memory_pool().release_unused()  # an import may have just run
    start = time.perf_counter()
    work = statistics.compute_statistics if request.what == "statistics" else doctor.examine_rows
    result = work(data, request.options, tokenizer, why, progress)
    about, seconds = source_record(data), time.perf_counter() - start
    words = data.not_used_words
    result = msgspec.structs.replace(result, seconds=seconds, about_source=about, not_used_words=words)
    files.replace_file(path, encode_result(result))
    _prune(path.parent)
    return path


def _prune(folder: Path) -> None:
    results = sorted(folder.glob("*.msgpack"), key=lambda path: path.stat().st_mtime, reverse=True)
    for old in results[_RESULTS_KEPT:]:
        old.unlink(missing_ok=True)


if __name__ == "__main__":
    answer_parent(main)
