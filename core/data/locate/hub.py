"""Data sets by hub name: `python -m core.data.locate.hub NAME SPLIT OUT` fetches one into a folder; `fetch` runs that,
its failures become errors.

A name is `owner/name`, with `:configuration` and `@revision` where they matter. The child alone imports `datasets`, and
no code of a data set's author is ever run. What was fetched is opened from the cache from then on, without a network,
and says which commit it was; removing its folder below `<cache>/hub/` fetches it anew. $SUIRON_HUB names a folder of
`owner/name` folders that stands in for the hub.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

from core.base import folders
from core.base.child import environment
from core.base.errors import DataError
from core.base.files import private_dir

_NOTE = "hub.json"  # beside what was fetched: its name and commit
_UNREACHABLE = (
    "ConnectionError", "ConnectError", "ConnectTimeout", "ReadTimeout", "Timeout", "TimeoutError", "ProxyError", "SSLError",
    "OfflineModeIsEnabled", "LocalEntryNotFoundError", "MaxRetryError", "NameResolutionError", "gaierror",
)  # fmt: skip


def fetch(name: str, split: str) -> tuple[Path, str]:
    """The folder of the hub data set, fetched where it is not in the cache, and its commit, empty where the hub named
    none. Raises DataError."""
    folder = private_dir(folders.cache() / "hub")
    out = folder / quote(f"{name}@{split}", safe="")
    if out.is_dir():
        return out, _revision(out)
    quiet = environment(HF_HUB_DISABLE_PROGRESS_BARS="1", HF_DATASETS_DISABLE_PROGRESS_BARS="1")
    # -P and a folder of ours: neither an import nor a data set's name may pick up what lies where the person happens to
    # stand
    done = subprocess.run(
        [sys.executable, "-P", "-m", "core.data.locate.hub", name, split, str(out)],
        cwd=folder, env=quiet, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False,
    )  # fmt: skip
    if done.returncode == 0 and out.is_dir():
        return out, _revision(out)
    try:
        said = json.loads(done.stdout.strip().rpartition("\n")[2])
        what, do = str(said["what"]), str(said["do"])
    except (ValueError, KeyError, TypeError):
        tail = done.stderr.strip().rpartition("\n")[2][:300]
        what = f"fetching it from the hub ended with status {done.returncode}" + (f": {tail}" if tail else "")
        do = "Run it by hand to see more: python -m core.data.locate.hub NAME SPLIT FOLDER"
    raise DataError(what, name, do)


def _revision(folder: Path) -> str:
    """As the child wrote it down; what was fetched before it did so has none."""
    try:
        said = json.loads((folder / _NOTE).read_bytes())
    except (OSError, ValueError):
        return ""
    return str(said.get("revision", "")) if isinstance(said, dict) else ""


def main(name: str, split: str, out: Path) -> int:
    """The child: the last line of its standard output says what failed, as JSON."""
    for old in out.parent.glob("*.part"):
        if time.time() - old.stat().st_mtime > 86_400:
            shutil.rmtree(old, ignore_errors=True)
    work = Path(tempfile.mkdtemp(prefix=f"{out.name[:100]}.", suffix=".part", dir=out.parent))
    try:
        _save(name, split, work, out)
    except Exception as error:  # whatever datasets raises becomes words; the parent shows them
        what, do = _words(error, split)
        print(json.dumps({"what": what, "do": do}))
        return 1
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return 0


def _save(name: str, split: str, work: Path, out: Path) -> None:
    import datasets

    named, _, revision = name.partition("@")
    repository, _, config = named.partition(":")
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
    (work / "saved" / _NOTE).write_text(json.dumps({"name": name, "split": split, "revision": commit}))
    try:
        os.rename(work / "saved", out)
    except OSError:
        if not out.is_dir():  # another fetch of the same came first otherwise
            raise


def _commit(repository: str, revision: str) -> str:
    """The commit that the revision (or the newest state) is now, so that what is fetched is what is written down."""
    import huggingface_hub

    try:
        return huggingface_hub.HfApi().dataset_info(repository, revision=revision or None).sha or revision
    # whatever stands in the way stands in the way of the fetching too, which says it better; a copy kept on disk may
    # still serve
    except Exception:
        return revision


def _words(error: BaseException, split: str) -> tuple[str, str]:
    chain: list[BaseException] = []
    link: BaseException | None = error
    while link is not None and link not in chain:
        chain.append(link)
        link = link.__cause__ or link.__context__
    said = (str(error).strip().split("\n")[0] or type(error).__name__)[:300].rstrip(".")
    if any(isinstance(one, OSError) and one.errno in (errno.ENOSPC, errno.EDQUOT) for one in chain):
        return "the disk is full while fetching the data set", "Free space there, or set SUIRON_CACHE to another disk"
    if any(kind.__name__ in _UNREACHABLE for one in chain for kind in type(one).__mro__):
        return (
            "the hub cannot be reached",
            "Check the network, or open a local file: csv, tsv, json, jsonl and parquet all work",
        )
    if any(kind.__name__ == "GatedRepoError" for one in chain for kind in type(one).__mro__):
        return "the hub gives this data set to people who asked for it only", "Ask on its page, then set HF_TOKEN"
    if any(kind.__name__ == "RevisionNotFoundError" for one in chain for kind in type(one).__mro__):
        return (
            f"the hub has no such revision of it ({said})",
            "Name a branch, tag or commit it has: owner/name@revision",
        )
    if type(error).__name__ == "DatasetNotFoundError":
        return f"the hub has no such data set, or hides it ({said})", "Check owner/name; for a private one set HF_TOKEN"
    if "Unknown split" in said or isinstance(error, ValueError):
        return (
            said,
            "Name a split it has"
            if split and "split" in said.lower()
            else "Name a configuration with owner/name:configuration",
        )
    return f"the data set cannot be fetched ({said})", "Download one of its files by hand and open that"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], Path(sys.argv[3])))
