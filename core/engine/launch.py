"""Starts an engine detached and finds a running one, by its socket, lock and log. Light: no HTTP, no torch.

There is one engine per home and host. It keeps a lock on `<home>/engine/<host>.lock` and writes its socket's path into
that file, so that it is found from any environment. The kernel drops the lock when the process ends, even by `kill -9`;
the next owner of the lock may remove the file that is left. `engine_process` sees whether it still moves, and ends it.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import re
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from core.base import folders
from core.base.child import environment
from core.base.errors import EngineError
from core.base.files import private_dir

IDLE_SECONDS = 1800.0  # seconds without a request after which the engine ends
PATH_LIMIT = 103 if sys.platform == "darwin" else 107  # bytes of a Unix socket's path, without its closing NUL
_LOG_LIMIT = 1_000_000  # bytes; a larger log is removed when an engine is started
_LOCK_PATIENCE = 0.2  # seconds; whoever looks at the lock has it for some microseconds
_children: dict[int, subprocess.Popen[bytes]] = {}


class EngineAddress(msgspec.Struct, frozen=True):
    """The content of the lock file: the engine that has the lock, or had it last."""

    pid: int
    """The id of its process."""
    socket: str
    """The path of its socket."""


def engine_folder() -> Path:
    """The private folder of this home's engine, created where it is missing. Raises EngineError."""
    try:
        return private_dir(folders.home() / "engine")
    except OSError as error:
        raise _unusable_home(error) from error


def log_path() -> Path:
    """The engine's log."""
    return engine_folder() / "engine.log"


def status_path() -> Path:
    """The file with the engine's last status, see `status_file`."""
    return engine_folder() / f"{_host()}.status.json"


def socket_path() -> Path:
    """The path of the socket for this home's engine: in the session's runtime folder where that is private, else in the
    home, else, where that path is too long for a socket, in a private temporary folder. Raises EngineError where every
    path is too long."""
    name = _home_hash()
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if runtime and is_private(Path(runtime)):
        path = Path(runtime) / "suiron" / f"{name}.sock"
        if _fits(path):
            return path
    path = engine_folder() / f"{name}.sock"
    if _fits(path) and is_private(path.parent):
        return path
    path = Path(tempfile.gettempdir()) / f"suiron-{os.getuid()}-{name}" / "engine.sock"
    if _fits(path):
        return path
    raise EngineError(
        "no folder is short enough for a socket",
        str(path),
        f"Set TMPDIR or SUIRON_HOME to a path of at most {PATH_LIMIT - 30} bytes",
    )


def find_engine() -> Path | None:
    """The socket of the running engine of this home, or None. Connects to it, which takes well under a millisecond."""
    address = _read_address()
    if address is None:
        return None
    path = Path(address.socket)
    # A socket in a folder that others may write to could belong to another user, for example in a temporary folder that
    # was cleaned and then created by somebody else.
    if not is_private(path.parent):
        return None
    return path if _answers(path) else None


def engine_running() -> bool:
    """Whether an engine runs for this home."""
    return find_engine() is not None


def lock_holder() -> int | None:
    """The id of the process that has this home's lock on this host, whether it answers or not; None where no process
    has it, or it has not said yet which it is. Raises EngineError."""
    try:
        lock = os.open(_lock_path(), os.O_RDONLY)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unusable_home(error) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        address = _read_address()
        return None if address is None else address.pid
    finally:
        os.close(lock)
    return None


def start_engine(idle: float = IDLE_SECONDS) -> int:
    """Start an engine as a detached process (own session, own log, no pipes) and return its process id, without waiting
    for it. idle: seconds without a request after which it ends.

    Where an engine is running already, the new one ends with status 75. Raises EngineError where the process cannot be
    started.
    """
    try:
        log = log_path()
        if log.exists() and log.stat().st_size > _LOG_LIMIT:
            log.unlink()
        with open(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "core.engine", "--idle", str(idle)],
                # not the terminal's folder, which may be unmounted or removed while the engine runs
                cwd=log.parent,
                env=environment(PYTHONUNBUFFERED="1"),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
    except OSError as error:
        what = f"the inference server cannot be started ({error.strerror or error})"
        raise EngineError(what, str(error.filename or ""), "Free some memory or disk space and try again") from error
    _children[process.pid] = process
    # Collected as soon as it ends: a terminal that stays open would keep it as a zombie.
    threading.Thread(target=process.wait, name="engine's end", daemon=True).start()
    return process.pid


def exit_status(pid: int) -> int | None:
    """The exit status of an engine started by this process, None while it runs. Negative: ended by that signal."""
    process = _children.get(pid)
    return None if process is None else process.poll()


def last_log_line() -> str:
    """The last line of the engine's log that is not empty. Foreign text."""
    return next((line.strip() for line in reversed(_log_end()) if line.strip()), "")


def last_crash() -> str:
    """The line with which the engine's log says that the interpreter crashed (a segmentation fault), where that is the
    last thing in it; else empty. Foreign text."""
    lines = _log_end()
    crashes = [at for at, line in enumerate(lines) if line.startswith("Fatal Python error: ")]
    started = [at for at, line in enumerate(lines) if ": listening on " in line]
    return lines[crashes[-1]] if crashes and (not started or started[-1] < crashes[-1]) else ""


def is_private(folder: Path) -> bool:
    """Whether `folder` is a real folder (not a link), belongs to this user, and is closed to all other users."""
    try:
        status = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid() and not status.st_mode & 0o077


# -- the engine's own side --


class AlreadyRunning(EngineError):
    """Another engine already runs for this home."""

    exit_code = 75  # EX_TEMPFAIL


@contextmanager
def claim_engine(path: Path | None = None) -> Iterator[socket.socket]:
    """Take this home's lock and listen on a Unix socket at `path` (default: `socket_path()`). The folder gets mode
    0700, the socket 0600.

    Both are released at the end of the block. Raises AlreadyRunning, or EngineError where the socket cannot be created.
    """
    path = (path or socket_path()).absolute()
    try:
        lock = os.open(_lock_path(), os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise _unusable_home(error) from error
    try:
        _take(lock)
        with _listener(path) as listener:
            try:
                os.pwrite(lock, msgspec.json.encode(EngineAddress(pid=os.getpid(), socket=str(path))), 0)
            except OSError as error:  # a full disk: unwritten, nobody could find this engine
                path.unlink(missing_ok=True)
                raise _unusable_home(error) from error
            try:
                yield listener
            finally:
                os.ftruncate(lock, 0)
                path.unlink(missing_ok=True)
    finally:
        os.close(lock)


def _take(lock: int) -> None:
    """Take the lock and remove what its last owner has written: until the new one has said its own, its process id must
    not be found there."""
    end = time.monotonic() + _LOCK_PATIENCE
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(lock, 0)
            return
        except BlockingIOError as error:
            if time.monotonic() < end:
                time.sleep(0.01)
                continue
            raise AlreadyRunning(
                "an inference server is already running for this home", str(folders.home()), "Use it, or end it first"
            ) from error
        except OSError as error:
            raise _unusable_home(error) from error


def _unusable_home(error: OSError) -> EngineError:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    what = "the disk is full" if full else f"the inference server's folder cannot be used ({error.strerror or error})"
    do = "Free some space, or set SUIRON_HOME to a folder that you may write to"
    return EngineError(what, str(error.filename or _home_word()), do)


def _home_word() -> str:
    """The home as a word for an error, which must not fail for the same reason."""
    return os.environ.get("SUIRON_HOME", "the home")


def _listener(path: Path) -> socket.socket:
    if not _fits(path):
        raise EngineError(
            f"the path is longer than the {PATH_LIMIT} bytes a socket may have",
            str(path),
            "Choose a shorter one with --socket",
        )
    listener = socket.socket(socket.AF_UNIX)
    try:
        private_dir(path.parent)
        if not is_private(path.parent):
            raise EngineError(
                "the socket's folder is open to other users",
                str(path.parent),
                "Choose a folder of your own with mode 0700",
            )
        if _answers(path):  # an engine of another home with the same --socket
            raise AlreadyRunning(
                "another server listens on this socket", str(path), "Choose another path with --socket"
            )
        if path.is_socket():
            path.unlink()  # left by an engine that was killed
        listener.bind(str(path))
        path.chmod(0o600)
        listener.listen(64)
    except OSError as error:
        listener.close()
        raise EngineError(
            f"the socket cannot be created ({error.strerror})", str(path), "Choose another path with --socket"
        ) from error
    except BaseException:
        listener.close()
        raise
    return listener


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True


def _log_end() -> list[str]:
    """The last lines of the engine's log."""
    try:
        with open(log_path(), "rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - 16_384))
            return log.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return []


def _read_address() -> EngineAddress | None:
    try:
        return msgspec.json.decode(_lock_path().read_bytes(), type=EngineAddress)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None


def _lock_path() -> Path:
    return engine_folder() / f"{_host()}.lock"


def _host() -> str:
    # A home on a network file system serves several hosts, each with its own engine.
    return re.sub(r"[^A-Za-z0-9.-]", "-", socket.gethostname()) or "host"


def _home_hash() -> str:
    return hashlib.blake2b(f"{_host()}:{folders.home()}".encode(), digest_size=6).hexdigest()


def _fits(path: Path) -> bool:
    return len(os.fsencode(path)) <= PATH_LIMIT
