"""`serve`: the inference server in the foreground, or `--status`, `--unload` and `--stop` for the running one."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys

from core.base.command_output import CommandOutput
from core.base.plural import counted
from core.base.safe_text import safe_line
from core.engine.client import EngineClient
from core.engine.launch import lock_holder, socket_path
from core.engine.protocol import EngineStatus


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", default="", help="load this model at once: a folder, hub name or `demo`")
    parser.add_argument("--adapter", default="", help="the folder of an adapter for it")
    parser.add_argument(
        "--idle", type=float, default=0.0, help="exit after this many seconds without a request; 0: never"
    )
    parser.add_argument(
        "--port",
        type=int,
        metavar="N",
        help="listen on this port of 127.0.0.1 too; requests need the key in SUIRON_API_KEY, or one that is drawn",
    )
    parser.add_argument(
        "--status",
        action="store_true",
        help="show what the running server has in memory, how it answers, and its queue",
    )
    parser.add_argument(
        "--unload",
        action="store_true",
        help="free the running server's memory: answers in progress end, models and caches go",
    )
    parser.add_argument("--stop", action="store_true", help="stop the running server")


_ENDED = {
    "asked": "has stopped",
    "terminated": "did not answer, and was ended by SIGTERM",
    "killed": "did not answer, nor end by SIGTERM, and was killed",
}


def status_lines(status: EngineStatus) -> list[str]:
    """The server's status for people: what was loaded last, each model in memory with its path and caches, the
    queue."""
    state = f"{status.state}  model {status.model or '(none)'}  adapter {status.adapter or '(none)'}"
    lines = [state if status.state == "ready" else f"{state}: {status.message}"]
    if status.backend:
        lines.append(status.backend)
    for model in status.loaded:
        form = f" as {model.form}" if model.form else ""
        held = f", held by {', '.join(model.held_by)}" if model.held_by else ""
        lines.append(f"in memory: {model.model}{form}{held}")
        if not model.alone:
            lines.append("  only with an adapter: asked alone, the base model has another form")
        lines += [f"  note: {note}" for note in model.notes]
        lines += [f"  adapter {adapter}" for adapter in model.adapters]
        lines.append(f"  answers on the {model.path} path" + "".join(f"; {why}" for why in model.path_why))
        lines.append(
            f"  caches {model.cache_gib:.2f} GiB of {model.cache_budget_gib:.1f},"
            f" {counted(model.kept_sequences, 'earlier sequence')} kept"
        )
    memory = f", {status.memory_gib:.2f} GiB" if status.memory_gib is not None else ""
    lines.append(
        f"process {status.pid}{memory}: {counted(status.running, 'answer')} in progress, {status.queued} waiting"
    )
    return [safe_line(line) for line in lines]


def run(arguments: argparse.Namespace, output: CommandOutput) -> int:
    client = EngineClient()
    if arguments.stop:
        return _stop(client, output)
    if arguments.unload:
        return _unload(client, output)
    if arguments.status:
        status = asyncio.run(client.status())
        if status is None:
            output.record({"running": False})
            output.text("No server is running.")
        else:
            output.record({"running": True, "socket": str(socket_path()), "status": status})
            output.text("\n".join([*status_lines(status), f"socket {socket_path()}"]))
        return 0
    output.record({"socket": str(socket_path())})
    output.text(
        f"Socket {socket_path()}; Ctrl-C stops the server. For example:\n"
        f"  curl --unix-socket {socket_path()} http://localhost/v1/models"
    )
    if arguments.port is not None:
        _tell_port(arguments.port, output)
    command = [sys.executable, "-m", "core.engine", "--idle", str(arguments.idle)]
    for name in ("model", "adapter"):
        if getattr(arguments, name):
            command += [f"--{name}", getattr(arguments, name)]
    if arguments.port is not None:
        command += ["--port", str(arguments.port)]
    os.execv(sys.executable, command)  # the server replaces this process, so that signals reach it directly


def _unload(client: EngineClient, output: CommandOutput) -> int:
    before = asyncio.run(_unloaded(client))
    if before is None:
        output.record({"running": False})
        output.text("No server is running.")
    else:
        output.record({"running": True, "unloaded": [model.model for model in before.loaded]})
        names = " and ".join(safe_line(model.model) for model in before.loaded)
        output.text(f"Unloaded {names}. The server is empty." if names else "The server had no model in memory.")
    return 0


async def _unloaded(client: EngineClient) -> EngineStatus | None:
    """The status before all was unloaded; None where no server runs."""
    before = await client.status()
    after = await client.unload()
    return before if after is not None else None


def _tell_port(port: int, output: CommandOutput) -> None:
    """Say where the port is and where its key comes from; a key that was drawn just now is shown, this once."""
    from core.engine.loopback_port import KEY_VARIABLE, LOOPBACK, listen_on_loopback, port_key

    listen_on_loopback(port).close()  # an error belongs to this command, not to the server's log
    key = port_key()
    url = f"http://{LOOPBACK}:{port}/v1"
    output.record({"url": url, "key_file": str(key.path or ""), "key_variable": "" if key.path else KEY_VARIABLE})
    if key.is_new:
        where = f"this key, shown once and kept in {key.path}:\n  {key.key}"
    else:
        where = f"the key in {key.path or KEY_VARIABLE}"
    output.text(f"OpenAI API at {url}, with {where}")


def _stop(client: EngineClient, output: CommandOutput) -> int:
    pid = lock_holder()
    how = asyncio.run(client.end())
    if pid is None or how == "none":
        output.record({"running": False})
        output.text("No server is running.")
    else:
        output.record({"running": False, "stopped_pid": pid, "how": how})
        output.text(f"The server (process {pid}) {_ENDED[how]}.")
    return 0
