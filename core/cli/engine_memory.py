"""Asks the inference server of this home to free its memory for a run that starts on the same GPU."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from core.base.errors import EngineError
from core.base.safe_text import safe_line
from core.engine import launch
from core.engine.protocol import EngineStatus
from core.runs.cuda_devices import first_gpu

_SECONDS = 15.0  # the server may take for a short reply
_UNLOAD_SECONDS = 600.0  # it may take to end its answers in progress and free its memory


class EngineOfThisHome:
    """The server that runs for this home on this host, if one does. It frees its memory at POST /suiron/unload, with
    the reason in `why` for its clients, and replies when it has."""

    def pid_on(self, gpus: Sequence[str]) -> int | None:
        """The id of its process, where it may use one of `gpus`; else None."""
        try:
            pid = launch.lock_holder()
        except EngineError:
            return None  # no home, no server
        return pid if pid is not None and _gpu_of(pid) in gpus else None

    def free(self, gpus: Sequence[str], why: str) -> str:
        """What came of asking, in words; empty where no server holds a model on `gpus`. A server that cannot free its
        memory, or does not answer, is said in words: the run starts all the same."""
        socket = launch.find_engine() if self.pid_on(gpus) is not None else None
        if socket is None:
            return ""
        import httpx

        try:
            return _ask(socket, why)
        except httpx.TimeoutException:
            return "the inference server does not answer, and may hold memory"
        except httpx.TransportError:
            return "the inference server has ended"


def _ask(socket: Path, why: str) -> str:
    """Raises httpx.TransportError."""
    import httpx

    # trust_env: a proxy in the environment is not for a local socket.
    transport = httpx.HTTPTransport(uds=str(socket))
    with httpx.Client(transport=transport, base_url="http://engine", timeout=_SECONDS, trust_env=False) as client:
        try:
            status = msgspec.json.decode(client.get("/suiron/status").content, type=EngineStatus)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return "the inference server's status cannot be read, and it may hold memory"
        if status.state == "empty":
            return ""
        held = "memory" if status.memory_gib is None else f"{status.memory_gib:.1f} GiB"
        timeout = httpx.Timeout(_SECONDS, read=_UNLOAD_SECONDS)
        reply = client.post("/suiron/unload", json={"why": why}, timeout=timeout)
    if reply.status_code == httpx.codes.NOT_FOUND:
        return f"the inference server holds {held} and cannot be asked to free it"
    if reply.is_error:
        return f"the inference server holds {held} and did not free it ({safe_line(reply.text, 200)})"
    return f"the inference server freed {held}"


def _gpu_of(pid: int) -> str:
    """The GPU that the process takes where it takes one."""
    import psutil

    try:
        return first_gpu(psutil.Process(pid).environ())
    except psutil.Error:
        return first_gpu({})
