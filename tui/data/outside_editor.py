"""A field in the person's own editor. Suspends the app; knows no data set.

The text lies in a file that only its owner can read, in a folder like that. It is removed when the text has been kept,
never before: what was written outlives an editor that failed, a full disk, and a line that hung up.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from textual.app import App, SuspendNotSupported

from core.base import folders
from core.base.errors import DataError, UsageError
from core.base.files import private_dir

USUAL = ("nano", "vim", "vi", "emacs")  # looked for where no variable names one


def editor_command() -> list[str]:
    """The words that start the person's editor. Raises UsageError where there is none."""
    for variable in ("VISUAL", "EDITOR"):
        named = os.environ.get(variable, "").strip()
        if named:
            try:
                words = shlex.split(named)
            except ValueError as error:
                raise UsageError(
                    f"it cannot be read as a command ({error})", f"${variable}", f"Set ${variable} to your editor"
                ) from error
            if shutil.which(words[0]) is None:
                raise UsageError(
                    f"there is no program {words[0]}", f"${variable}", f"Set ${variable} to an editor that is installed"
                )
            return words
    for name in USUAL:
        if path := shutil.which(name):
            return [path]
    raise UsageError("no editor is named", "$EDITOR", "Set $EDITOR to your editor, or use e")


def edit_outside(app: App[object], name: str, text: str) -> tuple[str, Path]:
    """The text as the person left it, and the file it lies in, which is the caller's to remove once the text is kept.

    Holds up the app until the editor ends. name: the beginning of the file's name, safe. Raises UsageError, DataError.
    """
    command = editor_command()
    try:
        handle, file = tempfile.mkstemp(prefix=f"{name}-", suffix=".txt", dir=private_dir(folders.home() / "editing"))
        path = Path(file)
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as out:
            out.write(text + "\n")  # editors end a file with a line break; one is taken off again below
    except OSError as error:
        raise DataError(
            f"the text cannot be laid out for the editor ({error.strerror})",
            str(error.filename or ""),
            "Free some space",
        ) from error
    try:
        with app.suspend(), _unbroken():
            code = subprocess.run([*command, str(path)], check=False).returncode
    except SuspendNotSupported as error:
        path.unlink(missing_ok=True)
        raise UsageError(
            "this terminal cannot be handed to another program", command[0], "Use e, which edits here"
        ) from error
    except OSError as error:
        path.unlink(missing_ok=True)
        raise UsageError(
            f"the editor does not start ({error.strerror})", command[0], "Set $EDITOR to an editor that is installed"
        ) from error
    try:
        with path.open(encoding="utf-8", newline="") as file_back:
            written = file_back.read()
    except FileNotFoundError as error:
        raise DataError(
            "the editor removed the file, so the row stays as it was", str(path), "Save in the editor, then leave it"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            "what the editor left is no UTF-8 text, so the row stays as it was",
            str(path),
            "Mend the file; it is still there",
        ) from error
    written = written[:-1] if written.endswith("\n") else written
    if code:
        how = f"was ended by signal {-code}" if code < 0 else f"ended with error {code}"
        if written == text:
            path.unlink(missing_ok=True)
            raise UsageError(
                f"the editor {how}; nothing was written", command[0], "Use e, which edits here, or set $EDITOR"
            )
        raise DataError(f"the editor {how}, so the row stays as it was", str(path), "What was written lies there")
    return written, path


@contextmanager
def _unbroken() -> Iterator[None]:
    """Ctrl+C in the editor's terminal reaches this process too; it is meant for the editor."""
    before = signal.signal(signal.SIGINT, lambda number, frame: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
