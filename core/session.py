"""Where the user was, restored on the next start: `<home>/session.json`, replaced atomically.

It is above the data room because it stores `RowFilters`, and in core because the command line reads it too.
"""

from __future__ import annotations

import errno

import msgspec

from core.base import files, folders
from core.data.filters import RowFilters


class Session(msgspec.Struct, frozen=True):
    """What is open, and what the user has typed."""

    data: str = "demo"
    """A path, pattern or hub name; `demo` for the embedded data set."""
    split: str = ""
    """The split of a hub name; empty for its default."""
    model: str = "demo"
    """A folder or hub name; `demo` for the embedded model."""
    adapter: str = ""
    """The id of the run whose adapter answers in the chat; empty for the base model."""
    server: str = ""
    """The URL of the server that answers in the chat instead of `model`; empty for none."""
    server_model: str = ""
    """The model of that server."""
    row: int = 0
    """The selected row, by its index in the source."""
    filters: RowFilters = RowFilters()
    """Which rows the Data room shows, and in which order."""
    screen: str = "data"
    """The room in front."""
    theme: str = "suiron-dark"
    """The theme's name."""
    template: str = "alpaca-reasoning"
    """The template of the chat's prompts."""
    template_draft: str = ""
    """The text of a template that is being written in the Prompts room and is in no file."""
    instruction: str = ""
    """The text in the chat's instruction field."""
    input: str = ""
    """The text in the chat's input field."""
    train: dict[str, str | int | float | bool] = {}
    """The settings of the next run, by key, where they differ from the preset."""


def load_session() -> Session:
    """The last session; a new one where it is missing or unreadable."""
    try:
        return msgspec.json.decode((folders.home() / "session.json").read_bytes(), type=Session)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return Session()


def save_session(session: Session) -> None:
    """Raises OSError where it cannot be written."""
    try:
        content = msgspec.json.encode(session)
    except UnicodeEncodeError as error:  # a file name's bytes, which Python carries as lone surrogates
        raise OSError(errno.EILSEQ, "a name in it is not UTF-8") from error
    files.replace_file(folders.home() / "session.json", content)
