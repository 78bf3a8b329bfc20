"""Starts a run as a detached process with its own session and log and no pipes, independent of the terminal."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time

from core.base.child import environment
from core.base.errors import RunError
from core.runs.run_folder import RunFolder, create_run_folder
from core.runs.spec import RunSpec, check_run_spec
from core.runs.status_file import FailureCause, RunStatus


def start_run(spec: RunSpec) -> RunFolder:
    """Create the run's folder and start its process. Returns as soon as the process exists; its status has the rest.

    Raises RunError where a setting is out of range, the folder cannot be created or the process cannot be started.
    """
    check_run_spec(spec)
    try:
        run = create_run_folder(spec)
    except OSError as error:
        raise RunError(
            f"the run's folder cannot be created ({error.strerror})",
            error.filename or "",
            "Free some space, or set SUIRON_HOME to another folder",
        ) from error
    try:
        with open(run.console, "ab") as console:
            process = subprocess.Popen(
                [sys.executable, "-m", "core.training", str(run.path)],
                cwd=run.path,  # libraries that write into the working directory write here
                env=environment(PYTHONUNBUFFERED="1"),
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                close_fds=True,
            )
    except OSError as error:
        trouble = FailureCause(
            f"the run's process cannot be started ({error.strerror})",
            run.id,
            "Free some memory or disk space and start it again",
        )
        with contextlib.suppress(OSError):  # a full disk: then the run counts as lost
            run.write_status(RunStatus(state="failed", started=time.time(), error=trouble))
        raise RunError(trouble.what, trouble.where, trouble.do) from error
    _reap(process)
    return run


def _reap(process: subprocess.Popen[bytes]) -> None:
    """Collect the exit status of a run that ends before this process; otherwise it stays a zombie, which looks
    alive."""
    import threading

    threading.Thread(target=process.wait, name=f"reap-{process.pid}", daemon=True).start()
