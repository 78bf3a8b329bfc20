"""`python -m core.engine`: the inference server. Ends by a client, after idle time, or on SIGTERM, SIGINT or SIGHUP."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import faulthandler
import logging
import os
import signal
import socket
import sys
from collections.abc import Generator
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from core.base.errors import SuironError
from core.base.paths import absolute_name, existing_path
from core.base.without_tokens import without_tokens
from core.engine import launch
from core.engine.engine_process import DUMP_SIGNAL
from core.engine.protocol import EngineStatus
from core.engine.status_file import StatusFile
from core.runs.console_stream import DiskFullSafeStream

if TYPE_CHECKING:
    import uvicorn

    from core.engine.model_worker import ModelWorker

_log = logging.getLogger("suiron.engine")
_ENDING_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_GRACE_SECONDS = 5  # for answers in progress to send their last events


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        "python -m core.engine",
        description="Answer on a Unix socket, and on a loopback port where asked; never on a network.",
    )
    parser.add_argument(
        "--socket", type=Path, metavar="PATH", help="where to listen; the folder must be closed to other users"
    )
    parser.add_argument(
        "--model", default="", metavar="NAME", help="load this model at once: a folder, a name on the hub, or demo"
    )
    parser.add_argument(
        "--adapter", default="", metavar="RUN_OR_FOLDER", help="load the adapter of this run, or in this folder"
    )
    parser.add_argument(
        "--idle",
        type=float,
        default=launch.IDLE_SECONDS,
        metavar="SECONDS",
        help="end after so long without a request; 0: never (%(default)g)",
    )
    parser.add_argument(
        "--port", type=int, metavar="N", help="listen on this port of 127.0.0.1 too, for requests with the key"
    )
    options = parser.parse_args(arguments)
    if options.adapter and not options.model:
        parser.error("--adapter needs --model")
    # A crash of the interpreter itself, and a stack on demand, go into the log too.
    faulthandler.enable(sys.__stderr__ or sys.stderr)
    faulthandler.register(DUMP_SIGNAL, sys.__stderr__ or sys.stderr)
    sys.stderr = DiskFullSafeStream(sys.stderr)  # a full disk must not end an answer
    # Until the server installs its handlers, so that an end during the imports also releases lock and socket.
    for number in _ENDING_SIGNALS:
        signal.signal(number, lambda *_: sys.exit(0))
    # OpenMP's threads spin while they wait for each other, unless this is set before torch is loaded. Beside a training
    # run that keeps every core busy, spinning turned 16 tokens a second into 0.7 (SmolLM2-135M, 2 cores).
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    _log_to(sys.stderr)
    for noisy in ("httpx", "uvicorn.error"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    try:
        first = (absolute_name(options.model), _adapter_folder(options.adapter)) if options.model else None
        with launch.claim_engine(options.socket) as listener:
            status_file = StatusFile()
            # before the server's libraries are imported: until then it replies to nobody
            status_file.write(EngineStatus(state="empty", message="the server is starting", pid=os.getpid()))
            try:
                port = _keyed_port(options.port)
                unfinished = asyncio.run(_serve(listener, first, options.idle, port, status_file))
            finally:
                status_file.remove()
    except SuironError as error:
        print(without_tokens(str(error)), file=sys.stderr)
        return error.exit_code
    _log.info("ended")
    if unfinished:
        # The worker thread is in a load or a forward pass, which cannot be interrupted; the interpreter's normal exit
        # would crash.
        logging.shutdown()
        os._exit(0)
    return 0


class _LogFormatter(logging.Formatter):
    """Keeps tokens of the hub out of the log, also those in the text of a library's error."""

    def format(self, record: logging.LogRecord) -> str:
        return without_tokens(super().format(record))


def _log_to(stream: Any) -> None:
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_LogFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(handlers=[handler], level=logging.INFO)


def _adapter_folder(name: str) -> str:
    if not name:
        return ""
    folder = existing_path(name)
    if folder is not None and os.path.isdir(folder):
        return folder
    from core.runs.run_folder import find_run

    run = find_run(name)
    return str(run.newest_adapter() or run.adapter)


def _keyed_port(port: int | None) -> tuple[socket.socket, str] | None:
    """The socket on a loopback port, and its key; None for none."""
    if port is None:
        return None
    from core.engine.loopback_port import listen_on_loopback, port_key

    key = port_key().key
    return listen_on_loopback(port), key


async def _serve(
    listener: socket.socket,
    first: tuple[str, str] | None,
    idle: float,
    port: tuple[socket.socket, str] | None,
    status_file: StatusFile,
) -> bool:
    """Serve until the end. Returns whether the worker thread was still busy then. port: a second socket, and its
    key."""
    import uvicorn

    from core.engine.loopback_port import KeyedPort
    from core.engine.server import make_app

    class Server(uvicorn.Server):
        """uvicorn's server. It also ends quietly on the signals of a closing terminal, and first ends the answers that
        keep connections open."""

        @contextlib.contextmanager
        def capture_signals(self) -> Generator[None, None, None]:
            def leave(number: int, frame: FrameType | None) -> None:
                self.should_exit = True

            for number in _ENDING_SIGNALS:
                signal.signal(number, leave)
            yield

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if idle > 0:
                self.watch = asyncio.create_task(_end_when_idle(app.state.worker, self, idle))

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            app.state.worker.stop_all()
            await super().shutdown(sockets)

    def end() -> None:
        server.should_exit = True

    app = make_app(end=end, first=first, on_status=status_file.write)
    options: dict[str, Any] = {"http": "h11", "ws": "none", "lifespan": "on", "log_config": None, "access_log": False}
    shown = app if port is None else KeyedPort(app, port[1])
    server = Server(uvicorn.Config(shown, **options, server_header=False, timeout_graceful_shutdown=_GRACE_SECONDS))
    _log.info("listening on %s, process %d", listener.getsockname(), os.getpid())
    if port is not None:
        _log.info("listening on port %d of 127.0.0.1 too", port[0].getsockname()[1])
    await server.serve(sockets=[listener] if port is None else [listener, port[0]])
    return bool(app.state.worker.busy)


async def _end_when_idle(worker: ModelWorker, server: uvicorn.Server, idle: float) -> None:
    while (left := idle - worker.idle_seconds) > 0:  # noqa: ASYNC110 - an event at every request would cost more than a check when the time is up
        await asyncio.sleep(left)
    _log.info("no request for %g seconds", idle)
    server.should_exit = True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
