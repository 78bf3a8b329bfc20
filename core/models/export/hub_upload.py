"""Uploads an exported folder to the hub: private unless asked otherwise, with a token from the environment alone."""

from __future__ import annotations

import os
import re
from pathlib import Path

import msgspec

from core.base.errors import ModelError, UsageError

TOKEN_VARIABLE = "HF_TOKEN"  # noqa: S105 - the name of a variable
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_PRIVATE_FILES = ("suiron.json",)  # has names of folders on this machine


class UploadPlan(msgspec.Struct, frozen=True):
    """What would be uploaded."""

    repository: str
    """The name on the hub, `owner/name`."""
    private: bool
    """Whether only its owner will see it."""
    files: tuple[tuple[str, int], ...]
    """Each file's path in the folder, and its bytes."""

    @property
    def lines(self) -> list[str]:
        """The plan in words, one line for each file."""
        seen = "private" if self.private else "public: everybody can read it"
        total = sum(size for _, size in self.files)
        listed = [f"  {size:>15,}  {name}" for name, size in self.files]
        return [f"Upload to {self.repository} ({seen}), {total:,} bytes:", *listed]


def check_upload(repository: str) -> str:
    """The token, where `repository` is a name on the hub and the environment has one. Raises UsageError and
    ModelError."""
    if not _NAME.fullmatch(repository) or repository.endswith(".git"):
        raise UsageError("this is not a name on the hub", repository, "Name it as owner/name")
    token = os.environ.get(TOKEN_VARIABLE, "")
    if not token:
        what = f"there is no token to upload with: {TOKEN_VARIABLE} is not set"
        raise ModelError(what, repository, f"Set {TOKEN_VARIABLE} to a token that may write, and upload again")
    return token


def plan_upload(folder: Path, repository: str, *, public: bool = False) -> UploadPlan:
    """What an upload of `folder` would send. Raises ModelError for an empty folder."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name not in _PRIVATE_FILES)
    if not paths:
        raise ModelError("there is nothing to upload", str(folder), "Export the run again")
    files = tuple((str(path.relative_to(folder)), path.stat().st_size) for path in paths)
    return UploadPlan(repository, not public, files)


def upload(folder: Path, plan: UploadPlan) -> str:
    """Send the files of `plan`; returns the address. Raises ModelError, also where the environment has no token."""
    token = check_upload(plan.repository)
    from huggingface_hub import HfApi
    from huggingface_hub import errors as hub

    api = HfApi(token=token)
    try:
        made = api.create_repo(plan.repository, private=plan.private, exist_ok=True)
        api.upload_folder(
            repo_id=plan.repository,
            folder_path=str(folder),
            ignore_patterns=list(_PRIVATE_FILES),
            commit_message="Exported by Suiron",
        )
    except hub.HfHubHTTPError as error:  # its text may quote the request's headers
        status = getattr(getattr(error, "response", None), "status_code", "unknown")
        what = f"the hub refused the upload (status {status})"
        raise ModelError(what, plan.repository, "Check the token's rights and the name") from None
    except (OSError, ValueError) as error:
        what = f"the upload failed ({type(error).__name__})"
        raise ModelError(what, plan.repository, "Check the network, and upload again") from None
    return str(made)
