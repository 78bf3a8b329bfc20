"""Training processes that start in a moment: forks of one process that has imported the heavy libraries and computed
nothing. Each is a real process with its own signals, lock and limits, which can be killed.

The server is this module run by itself; it reads a line of JSON for each process to start, and answers with its id.
"""

from __future__ import annotations

import gc
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import core
from core.runs.run_folder import RunFolder
from core.runs.spec import RunSpec, dump_run_spec

STEPS, EVERY = 12, 3  # of the runs that are disturbed, and between their checkpoints


class ForkServer:
    """Started once for all tests that need it."""

    def __init__(self, folder: Path) -> None:
        variables = {f"SUIRON_{name}": str(folder / name.lower()) for name in ("HOME", "CACHE", "CONFIG")}
        self._log = open(folder / "server.log", "wb")  # noqa: SIM115 - open as long as the server
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.run_forks"],
            cwd=Path(core.__file__).parents[1],
            env={**os.environ, **variables, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )

    def start(self, run: RunFolder, *options: str, **faults: Any) -> int:
        """Start the process of `run`; its id. faults: see `_suffer`."""
        return int(self._ask({"start": str(run.path), "options": options, "faults": faults}))

    def wait(self, process: int) -> int:
        """Wait until it ends; its exit status, negative where a signal killed it."""
        return int(self._ask({"wait": process}))

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)
        self._log.close()

    def _ask(self, command: dict[str, Any]) -> str:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        return self._process.stdout.readline()


class ForkedRun:
    """A run folder and its processes."""

    def __init__(self, server: ForkServer, folder: Path, spec: RunSpec) -> None:
        folder.mkdir(parents=True)
        (folder / "lock").touch()
        (folder / "run.toml").write_bytes(dump_run_spec(spec))
        self.server, self.run, self.process = server, RunFolder(folder), 0

    def start(self, *options: str, **faults: Any) -> None:
        self.process = self.server.start(self.run, *options, **faults)

    def end(self) -> int:
        return self.server.wait(self.process)

    def go(self, *options: str, **faults: Any) -> int:
        """Start a process and wait until it ends."""
        self.start(*options, **faults)
        return self.end()

    def until(self, holds: Callable[[RunFolder], bool], seconds: float = 120.0) -> None:
        """Wait until `holds` is true of the run, or its process is gone."""
        end = time.monotonic() + seconds
        while not holds(self.run):
            assert time.monotonic() < end, f"waited too long:\n{self.log()}"
            if not _exists(self.process):
                assert holds(self.run), f"the run ended early:\n{self.log()}"
            time.sleep(0.002)

    def signal(self, number: int) -> None:
        os.kill(self.process, number)

    def log(self) -> str:
        return self.run.console.read_text(errors="replace")[-3000:]


def losses(run: RunFolder) -> list[tuple[int, str]]:
    """The losses by step, to the last bit."""
    return [(metric.step, "none" if metric.loss is None else metric.loss.hex()) for metric in run.metrics()[0]]


def adapter_hash(run: RunFolder) -> str:
    return hashlib.sha256((run.adapter / "adapter_model.safetensors").read_bytes()).hexdigest()


def _exists(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


# -- the server --


def _serve() -> None:
    sys.modules.setdefault("torchvision", None)  # type: ignore[arg-type]
    from core.models.backend import prepare_imports

    prepare_imports()
    import transformers
    from peft import LoraConfig  # noqa: F401

    import core.training.__main__ as main
    import core.training.saving
    import core.training.step_callback
    import core.training.trainer  # noqa: F401

    transformers.AutoModelForCausalLM._model_mapping.keys()
    gc.collect()
    gc.freeze()  # the forks need not look at what is imported
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    for line in sys.stdin:
        command = json.loads(line)
        if "wait" in command:
            _, status = os.waitpid(command["wait"], 0)
            print(os.waitstatus_to_exitcode(status), file=out, flush=True)
            continue
        process = os.fork()
        if process == 0:
            _become(command, main.main)
        print(process, file=out, flush=True)


def _become(command: dict[str, Any], main: Callable[[list[str]], int]) -> None:
    """The rest of a fork's life."""
    status = 1
    try:
        os.setsid()
        os.chdir(command["start"])
        console = os.open("console.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for number, target in ((0, nothing), (1, console), (2, console)):
            os.dup2(target, number)
        sys.stdout, sys.stderr = (os.fdopen(os.dup(number), "w", buffering=1) for number in (1, 2))
        _suffer(**command["faults"])
        status = main([command["start"], *command["options"]])
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _suffer(
    kill_at: str = "",
    full_at: Sequence[str] = (),
    after: int = 0,
    file_bytes: int = 0,
    not_finite_at: int = 0,
    term_in_step: int = 0,
    modules: str = "",
) -> None:
    """kill_at: a phase of a save at which the process is killed, after that many times without. full_at: phases at
    which it finds the disk full, each once and in this order, the last one for ever where it is followed by `...`.
    file_bytes: no file may grow larger. not_finite_at: the step whose loss is no number.
    term_in_step: the step in which SIGTERM comes, before its first pass. modules: a folder of modules that can be
    imported."""
    from core.runs import checkpoint_folders

    seen, full = 0, list(full_at)
    if modules:
        sys.path.insert(0, modules)

    def reached(phase: str) -> None:
        nonlocal seen
        if phase == kill_at:
            seen += 1
            if seen > after:
                os.kill(os.getpid(), signal.SIGKILL)
        if full and phase == full[0]:
            if full[1:] != ["..."]:
                full.pop(0)
            raise OSError(28, "No space left on device", phase)

    if kill_at or full:
        checkpoint_folders.reached = reached
    if not_finite_at:
        _spoil_loss(not_finite_at)
    if term_in_step:
        _end_in_step(term_in_step)
    if file_bytes:
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))


def _end_in_step(step: int) -> None:
    """SIGTERM comes in `step`, when its rows are packed."""
    from core.training.trainer import RunTrainer

    run_packed = RunTrainer._run_packed

    def ended(trainer: Any) -> Any:
        if trainer.state.global_step == step - 1:
            os.kill(os.getpid(), signal.SIGTERM)
        return run_packed(trainer)

    RunTrainer._run_packed = ended  # type: ignore[method-assign]


def _spoil_loss(step: int) -> None:
    """The loss of `step` is no number, whether its rows are padded or packed."""
    from core.training.packed_model import PackedModel
    from core.training.trainer import RunTrainer

    compute_loss, run_packed, losses = RunTrainer.compute_loss, RunTrainer._run_packed, PackedModel.losses
    factor = 1.0

    def of_step(trainer: Any) -> float:
        return float("nan") if trainer.state.global_step == step - 1 else 1.0

    def spoilt_loss(trainer: Any, *args: Any, **kwargs: Any) -> Any:
        return compute_loss(trainer, *args, **kwargs) * of_step(trainer)

    def spoilt_packed(trainer: Any) -> Any:
        nonlocal factor
        factor = of_step(trainer)
        return run_packed(trainer)

    def spoilt_losses(model: Any, *args: Any, **kwargs: Any) -> Any:
        found = losses(model, *args, **kwargs)
        return found._replace(total=found.total * factor)

    RunTrainer.compute_loss = spoilt_loss  # type: ignore[method-assign]
    RunTrainer._run_packed = spoilt_packed  # type: ignore[method-assign]
    PackedModel.losses = spoilt_losses  # type: ignore[method-assign]


if __name__ == "__main__":
    _serve()
