"""The other ranks of a run on this machine, as rank 0 starts and watches them. Imports no torch.

They write nothing into the run's folder: what they print goes through a pipe into rank 0's console. One that dies ends
the run; all of them end with rank 0, however it ends.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import threading
from collections import deque
from types import TracebackType

from core.base.child import environment
from core.base.errors import RunError, SuironError
from core.base.safe_text import safe_line
from core.runs.process import JobProcess
from core.runs.status_file import FailureCause
from core.training.rank_place import LOOPBACK, RankPlace, variables_of_rank

SECONDS_TO_EXPLAIN = 8.0
"""After another rank is gone, a rank waits this long before it ends itself, so that the first one to die is known."""
_SECONDS_TO_NOTICE = 4.0  # that rank 0 has to end by itself, with its own words, once another rank is dead
_LAST_LINES = 12
_PR_SET_PDEATHSIG = 1


class RankProcesses:
    """Starts the other ranks of `place` for the run of `job`, where it is theirs to start. A context manager; they are
    gone at its end."""

    def __init__(self, job: JobProcess, place: RankPlace) -> None:
        self._job, self._place = job, place
        self.listening: socket.socket | None = None
        """The socket at which they find rank 0."""
        self.death: FailureCause | None = None
        """The first rank that died, in words; None where none has."""
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self._found = threading.Event()
        self._over = threading.Event()
        self._lock = threading.Lock()

    def __enter__(self) -> RankProcesses:
        if not self._place.starts_others:
            return self
        self.listening = socket.create_server((LOOPBACK, 0), backlog=self._place.count)
        port = self.listening.getsockname()[1]
        for rank in range(1, self._place.count):
            self._start(rank, port)
        threading.Thread(target=self._pass_signal_on, name="signal-to-ranks", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        from_another = self._processes and error is not None and is_from_another(error)
        if from_another:
            self._found.wait(_SECONDS_TO_NOTICE)
        self.let_end()
        for process in self._processes.values():
            if error is not None:
                process.kill()
        for process in self._processes.values():
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
        if self.listening is not None:
            self.listening.close()

    def let_end(self) -> None:
        """From now on the others may end."""
        with self._lock:
            self._over.set()

    def _start(self, rank: int, port: int) -> None:
        run = self._job.run
        try:
            process = subprocess.Popen(
                [sys.executable, "-m", "core.training", str(run.path)],
                cwd=run.path,
                env=environment(PYTHONUNBUFFERED="1", **variables_of_rank(rank, self._place.count, port, run.id)),
                stdin=subprocess.PIPE,  # closes when this process ends
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                close_fds=True,
            )
        except OSError as error:
            what = f"rank {rank} cannot be started ({error.strerror})"
            raise RunError(what, run.id, "Free some memory, or lower train.gpus") from error
        self._processes[rank] = process
        threading.Thread(target=self._watch, args=(rank, process), name=f"rank-{rank}", daemon=True).start()

    def _watch(self, rank: int, process: subprocess.Popen[bytes]) -> None:
        last: deque[str] = deque(maxlen=_LAST_LINES)
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        for line in process.stdout:
            text = line.decode(errors="replace").rstrip()
            last.append(text)
            print(f"[rank {rank}] {text}", file=sys.stderr, flush=True)
        code = process.wait()
        with self._lock:
            if self._over.is_set() or self.death is not None:
                return
            self.death = _death(rank, code, list(last), self._job.run.id)
        self._found.set()
        if not self._over.wait(_SECONDS_TO_NOTICE):
            self._kill_all()
            self._job.fail_now(self.death, RunError.exit_code)

    def _pass_signal_on(self) -> None:
        self._job.termination.wait()
        for process in self._processes.values():
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)

    def _kill_all(self) -> None:
        for process in self._processes.values():
            process.kill()


def is_from_another(error: BaseException) -> bool:
    """Whether the error of this rank may only be the effect of another one that died."""
    from core.training.ranks import RanksLost

    return isinstance(error, RanksLost) or not isinstance(error, SuironError)


def end_with_parent() -> None:
    """End this rank once rank 0, which has started it, is gone: at once by the kernel on Linux, and where the pipe at
    standard input closes. Only in the main thread."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)

    def wait() -> None:
        while os.read(0, 4096):
            pass
        os._exit(1)

    threading.Thread(target=wait, name="end-with-parent", daemon=True).start()


def _death(rank: int, code: int, lines: list[str], run_id: str) -> FailureCause:
    if code < 0:
        try:
            how = f"was killed by {signal.Signals(-code).name}"
        except ValueError:
            how = f"was killed by signal {-code}"
    else:
        how = f"ended with exit status {code}"
    said = [line for line in lines if line.strip()]
    words = f"; it last said: {safe_line(said[-1], 300)}" if said else ""
    do = "See console.log for all that it said"
    if code == -signal.SIGKILL:
        do += "; the system kills a process where the memory of the machine runs out"
    return FailureCause(f"rank {rank} of the run {how}{words}", run_id, f"{do}. Then resume the run")
