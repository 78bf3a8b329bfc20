"""Opens a field in the user's own editor while the app is suspended. Knows no data set.

The text is in a file, in a folder, that only its owner can read. The file is removed once the text has been saved,
never before: the text survives an editor that failed, a full disk, and a lost connection.
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
from tui.actions import key_of

COMMON_EDITORS = ("nano", "vim", "vi", "emacs")  # tried where no variable names one


def editor_command() -> list[str]:
    """The words that start the user's editor. Raises UsageError where there is none."""
    for variable in ("VISUAL", "EDITOR"):
        value = os.environ.get(variable, "").strip()
        if value:
            return _command_of(f"${variable}", value)
    for name in COMMON_EDITORS:
        if path := shutil.which(name):
            return [path]
    raise UsageError("no editor is set", "$EDITOR", f"Set $EDITOR to your editor, or use {key_of('data.edit_field')}")


def _command_of(variable: str, value: str) -> list[str]:
    try:
        words = shlex.split(value)
    except ValueError as error:
        raise UsageError(
            f"it cannot be read as a command ({error})", variable, f"Set {variable} to your editor"
        ) from error
    if shutil.which(words[0]) is None:
        raise UsageError(f"there is no program {words[0]}", variable, f"Set {variable} to an editor that is installed")
    return words


def edit_in_external_editor(app: App[object], name: str, text: str) -> tuple[str, Path]:
    """The text as the user left it, and its file, which the caller removes once the text is saved.

    Blocks the app until the editor ends. name: the beginning of the file's name, safe. Raises UsageError, DataError.
    """
    command = editor_command()
    path = _write_file(name, text)
    code = _run_editor(app, command, path)
    edited = _read_file(path)
    if code:
        how = f"was ended by signal {-code}" if code < 0 else f"ended with error {code}"
        if edited == text:
            path.unlink(missing_ok=True)
            raise UsageError(
                f"the editor {how}; nothing was written",
                command[0],
                f"Use {key_of('data.edit_field')}, which edits here, or set $EDITOR",
            )
        raise DataError(f"the editor {how}, so the row is unchanged", str(path), "Your text is still in that file")
    return edited, path


def _write_file(name: str, text: str) -> Path:
    try:
        handle, file = tempfile.mkstemp(prefix=f"{name}-", suffix=".txt", dir=private_dir(folders.home() / "editing"))
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as out:
            out.write(text + "\n")  # editors end a file with a line break; `_read_file` takes one off again
    except OSError as error:
        raise DataError(
            f"the text cannot be written for the editor ({error.strerror})",
            str(error.filename or ""),
            "Free some disk space",
        ) from error
    return Path(file)


def _run_editor(app: App[object], command: list[str], path: Path) -> int:
    """The exit code of the editor; negative for a signal."""
    try:
        with app.suspend(), _ignore_interrupt():
            return subprocess.run([*command, str(path)], check=False).returncode
    except SuspendNotSupported as error:
        path.unlink(missing_ok=True)
        raise UsageError(
            "this terminal cannot be handed to another program",
            command[0],
            f"Use {key_of('data.edit_field')}, which edits here",
        ) from error
    except OSError as error:
        path.unlink(missing_ok=True)
        raise UsageError(
            f"the editor does not start ({error.strerror})", command[0], "Set $EDITOR to an editor that is installed"
        ) from error


def _read_file(path: Path) -> str:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            edited = file.read()
    except FileNotFoundError as error:
        raise DataError(
            "the editor removed the file, so the row is unchanged", str(path), "Save in the editor, then leave it"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            "the editor left text that is not UTF-8, so the row is unchanged",
            str(path),
            "Correct the file; it is still there",
        ) from error
    return edited[:-1] if edited.endswith("\n") else edited


@contextmanager
def _ignore_interrupt() -> Iterator[None]:
    """Ctrl+C in the editor's terminal reaches this process too; it is meant for the editor."""
    before = signal.signal(signal.SIGINT, lambda number, frame: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
