"""`doctor`: what is installed, which backend is used and why, GPU and memory, whether the hub can be reached."""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform
import shutil
import sys
from typing import Any

from core.base import folders
from core.base.command_output import CommandOutput
from core.base.cpu_cores import available_cores

PACKAGES = (
    *("textual", "plotext", "duckdb", "pyarrow", "msgspec"),
    *("torch", "transformers", "tokenizers", "safetensors", "huggingface_hub"),
    *("peft", "trl", "accelerate", "datasets", "bitsandbytes", "unsloth"),
    *("starlette", "uvicorn", "httpx"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--offline", action="store_true", help="do not try to reach the hub")


def run(arguments: argparse.Namespace, output: CommandOutput) -> int:
    terminal = {name: os.environ.get(name, "") for name in ("TERM", "COLORTERM", "LANG")}
    facts: dict[str, Any] = {
        "python": f"{platform.python_version()} at {sys.executable}",
        "platform": platform.platform(),
        "terminal": " ".join(f"{name}={value}" for name, value in terminal.items()),
        "packages": {name: _version(name) for name in PACKAGES},
        **_machine(),
        **_backend(),
        "folders": _folders(),
        "hub": "not tried" if arguments.offline else _hub(),
    }
    output.record(facts)
    for name, fact in facts.items():
        if isinstance(fact, dict):
            output.text(f"{name}:")
            for key, value in fact.items():
                output.text(f"  {key:<16} {value}")
        else:
            output.text(f"{name:<18} {fact}")
    return 0


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _machine() -> dict[str, Any]:
    import psutil

    memory = psutil.virtual_memory()
    return {
        "cores": available_cores(),
        "memory": _free(memory.available, memory.total),
    }


def _backend() -> dict[str, Any]:
    from core.models.backend import choose_backend, prepare_imports

    gpus: dict[str, str] = {}
    try:
        prepare_imports()
        import torch

        for index in range(torch.cuda.device_count()):
            free, total = torch.cuda.mem_get_info(index)
            gpus[f"cuda:{index}"] = f"{torch.cuda.get_device_name(index)}, {_free(free, total)}"
        backend = choose_backend(load_in_4bit=True).line
    # A broken installation or driver can raise anything, and is what this command is for.
    except Exception as error:
        backend = f"none: {type(error).__name__}: {error}"
    return {"gpu": gpus or "none that torch can see", "backend": backend}


def _folders() -> dict[str, str]:
    facts = {}
    for name, get_folder in (("home", folders.home), ("cache", folders.cache), ("config", folders.config)):
        try:
            folder = get_folder()
            usage = shutil.disk_usage(folder)
            warning = "" if os.access(folder, os.W_OK) else ", NOT WRITABLE"
            facts[name] = f"{folder} ({_free(usage.free, usage.total)}{warning})"
        except OSError as error:
            facts[name] = f"cannot be used: {error}; set SUIRON_{name.upper()} to another folder"
    return facts


def _without_credentials(address: str) -> str:
    """An address without its user name and password."""
    scheme, separator, rest = address.rpartition("://")
    host, slash, path = rest.partition("/")
    return scheme + separator + host.rpartition("@")[2] + slash + path


def _hub() -> str:
    import httpx

    endpoint = os.environ.get("HF_ENDPOINT", "https://huggingface.co")
    address = _without_credentials(endpoint)
    try:
        answer = httpx.get(f"{endpoint}/api/models?limit=1", timeout=5.0)
    # The last two come from a proxy in the environment that httpx cannot use.
    except (httpx.HTTPError, httpx.InvalidURL, ImportError, ValueError) as error:
        return f"{address} cannot be reached ({type(error).__name__}); local folders work without it"
    return f"{address} answers" if answer.is_success else f"{address} answers with status {answer.status_code}"


def _free(free: int, total: int) -> str:
    return f"{free / 2**30:.1f} of {total / 2**30:.1f} GiB free"
