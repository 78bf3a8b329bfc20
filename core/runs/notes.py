"""notes.json of a run: the person's name for it, words and verdict. Replaced atomically; the run never writes it."""

from __future__ import annotations

from pathlib import Path

import msgspec

from core.base.errors import RunError
from core.base.files import replace_file
from core.runs.known_names import did_you_mean

NOTES_FILE = "notes.json"
VERDICTS = ("good", "mixed", "bad")
"""What a person may judge of a run; empty where nothing is judged yet."""
_MOST = 20_000  # characters of a note
_MOST_NAME = 80


class RunNotes(msgspec.Struct, frozen=True):
    """notes.json."""

    name: str = ""
    """The person's name for the run; empty: the one in its specification. The folder keeps its id."""
    verdict: str = ""
    """One of `VERDICTS`, or empty."""
    note: str = ""
    """The person's words."""


def read_notes(folder: Path) -> RunNotes:
    """The notes of the run in `folder`; empty ones where there are none, or they cannot be read."""
    try:
        return msgspec.json.decode((folder / NOTES_FILE).read_bytes(), type=RunNotes)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return RunNotes()


def change_notes(
    folder: Path, name: str | None = None, verdict: str | None = None, note: str | None = None
) -> RunNotes:
    """Replace what is given and keep the rest; returns the notes now. Raises RunError."""
    if verdict and verdict not in VERDICTS:
        raise RunError(f"{verdict!r} is not a verdict", folder.name, did_you_mean(verdict, VERDICTS))
    for text, most, what in ((name, _MOST_NAME, "a name"), (note, _MOST, "a note")):
        if text is not None and len(text) > most:
            raise RunError(f"{what} has at most {most:,} characters, not {len(text):,}", folder.name, "Shorten it")
    changes = {"name": name and " ".join(name.split()), "verdict": verdict, "note": note and note.strip()}
    given = {key: value for key, value in changes.items() if value is not None}
    notes = msgspec.structs.replace(read_notes(folder), **given)
    try:
        replace_file(folder / NOTES_FILE, msgspec.json.format(msgspec.json.encode(notes), indent=1) + b"\n")
    except OSError as error:
        what = f"the notes of the run cannot be written ({error.strerror})"
        raise RunError(what, str(folder), "Free some disk space, or check the permissions of the folder") from error
    except UnicodeEncodeError as error:
        raise RunError("the text is not Unicode", folder.name, "Write it again") from error
    return notes
