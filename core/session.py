"""Where the person was: restored on the next start. Lives in `<home>/session.json`, replaced atomically."""

from __future__ import annotations

import errno

import msgspec

from core.base import files, folders
from core.data.filters import Filters


class Session(msgspec.Struct, frozen=True):
    """data: a path or hub name, `demo` for the embedded one; row: its index in the source; adapter: a run's id, empty
    for the base model."""

    data: str = "demo"
    split: str = ""
    model: str = "demo"
    adapter: str = ""
    row: int = 0
    filters: Filters = Filters()
    screen: str = "data"
    theme: str = "suiron-dark"
    template: str = "alpaca-reasoning"
    instruction: str = ""
    input: str = ""
    train: dict[str, str | int | float | bool] = {}


def load_session() -> Session:
    """The last session; a missing or unreadable one is a new one."""
    try:
        return msgspec.json.decode((folders.home() / "session.json").read_bytes(), type=Session)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return Session()


def save_session(session: Session) -> None:
    """Raises OSError where it cannot be kept."""
    try:
        content = msgspec.json.encode(session)
    except UnicodeEncodeError as error:  # a file name that is no UTF-8, whose bytes Python carries as lone surrogates
        raise OSError(errno.EILSEQ, "a name in it is no UTF-8") from error
    files.replace_file(folders.home() / "session.json", content)
