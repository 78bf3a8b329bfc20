"""The child process of `hub`: fetches a data set with `datasets` and saves it to a folder.

Only this module imports `datasets`. It is run by name and never imported: the terminal must not import torch, on which
`datasets` depends. Code of a data set's author is never run.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from core.base.child_main import ReportProgress, answer_parent
from core.base.errors import DataError
from core.data.locate.hub import NOTE

_UNREACHABLE = (
    "ConnectionError",
    "ConnectError",
    "ConnectTimeout",
    "ReadTimeout",
    "Timeout",
    "TimeoutError",
    "ProxyError",
    "SSLError",
    "OfflineModeIsEnabled",
    "LocalEntryNotFoundError",
    "MaxRetryError",
    "NameResolutionError",
    "gaierror",
)
_LEFTOVER_SECONDS = 86_400  # an unfinished folder of that age is no longer in use


def fetch_for_parent(request: dict[str, str], _: ReportProgress) -> None:
    """Fetch `request["name"]`, its split `request["split"]`, into the folder `request["folder"]`. Raises DataError."""
    name, split, folder = request["name"], request["split"], Path(request["folder"])
    for old in folder.parent.glob("*.part"):
        if time.time() - old.stat().st_mtime > _LEFTOVER_SECONDS:
            shutil.rmtree(old, ignore_errors=True)
    work = Path(tempfile.mkdtemp(prefix=f"{folder.name[:100]}.", suffix=".part", dir=folder.parent))
    try:
        _save(name, split, work, folder)
    except Exception as error:  # `datasets` passes on all kinds of errors of its libraries
        what, do = _explain(error, split)
        raise DataError(what, name, do) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _save(name: str, split: str, work: Path, folder: Path) -> None:
    import datasets

    full_name, _, revision = name.partition("@")
    repository, _, config = full_name.partition(":")
    mirror = os.environ.get("SUIRON_HUB")
    if mirror:
        repository = str(Path(mirror).expanduser() / repository)
    commit = revision if mirror else _commit(repository, revision)
    data: Any = datasets.load_dataset(
        repository,
        config or None,
        split=split or None,
        cache_dir=str(work / "cache"),
        revision=None if mirror else commit or None,
    )
    data.save_to_disk(str(work / "saved"))
    (work / "saved" / NOTE).write_text(json.dumps({"name": name, "split": split, "revision": commit}))
    try:
        os.rename(work / "saved", folder)
    except OSError:
        if not folder.is_dir():  # otherwise another fetch of the same data set was faster
            raise


def _commit(repository: str, revision: str) -> str:
    """The current commit of the revision (or of the newest state), so that the recorded commit is the fetched one."""
    import huggingface_hub

    try:
        return huggingface_hub.HfApi().dataset_info(repository, revision=revision or None).sha or revision
    # The same cause stops the fetch too, which explains it better; or a copy on disk is used.
    except Exception:
        return revision


def _explain(error: BaseException, split: str) -> tuple[str, str]:
    """The message for the user, and what to do."""
    causes = _causes(error)
    class_names = {kind.__name__ for cause in causes for kind in type(cause).__mro__}
    line = (str(error).strip().split("\n")[0] or type(error).__name__)[:300].rstrip(".")
    if any(isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT) for cause in causes):
        return "the disk is full while fetching the data set", "Free space there, or set SUIRON_CACHE to another disk"
    if not class_names.isdisjoint(_UNREACHABLE):
        do = "Check the network, or open a local file: csv, tsv, json, jsonl and parquet all work"
        return "the hub cannot be reached", do
    if "GatedRepoError" in class_names:
        do = "Request access on its page, then set HF_TOKEN"
        return "the hub gives this data set only to users who have been granted access", do
    if "RevisionNotFoundError" in class_names:
        do = "Name one of its branches, tags or commits: owner/name@revision"
        return f"the data set has no such revision on the hub ({line})", do
    if type(error).__name__ == "DatasetNotFoundError":
        do = "Check owner/name; for a private data set set HF_TOKEN"
        return f"the hub has no such data set, or it is private ({line})", do
    if "Unknown split" in line or isinstance(error, ValueError):
        about_split = split and "split" in line.lower()
        return line, "Name a split it has" if about_split else "Name a configuration with owner/name:configuration"
    return f"the data set cannot be fetched ({line})", "Download one of its files yourself and open it"


def _causes(error: BaseException) -> list[BaseException]:
    """The error, its cause, the cause of that, and so on."""
    causes: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in causes:
        causes.append(cause)
        cause = cause.__cause__ or cause.__context__
    return causes


if __name__ == "__main__":
    answer_parent(fetch_for_parent)
