"""Chooses the library and device for training and answers, and prepares the environment for importing the libraries.

Nothing heavy is imported at the top. `prepare_imports` and the functions that choose import torch: only processes that
load a model call them.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import threading
from pathlib import Path
from typing import Literal

import msgspec

from core.base import folders
from core.base.cpu_cores import available_cores
from core.base.plural import counted

BackendKind = Literal["unsloth", "transformers"]
DTYPES = ("bfloat16", "float16", "float32")
"""The number formats for weights that are not quantised."""
MAKING_MODULES = threading.RLock()
"""Held while torch modules are made or loaded. transformers and peft change the default number format and the making of
parameters for the whole process meanwhile: two threads at once would make each other's modules. Decoding needs no lock:
a check leaves both as they are."""
_NAMES: dict[BackendKind, str] = {"unsloth": "Unsloth", "transformers": "Transformers + PEFT"}


class Backend(msgspec.Struct, frozen=True):
    """The library that trains or answers, and its device."""

    kind: BackendKind
    """The library."""
    device: str
    """The device's name in torch: `cpu` or `cuda:0`."""
    why: str
    """The reason for the choice, as a clause."""
    machine: str = ""
    """The device in words."""
    four_bit: bool = False
    """Whether the weights are in NF4 on the device."""

    @property
    def line(self) -> str:
        """The choice as a sentence without its full stop, for the user."""
        bits = ", 4-bit," if self.four_bit else ""
        return f"{_NAMES[self.kind]}{bits} on {self.machine or self.device}: {self.why}"

    def __str__(self) -> str:
        return self.line


def prepare_imports() -> None:
    """Set the variables that transformers, peft, trl and unsloth read when they are imported. Every process that
    imports them calls this first. Imports torch.

    Variables that the user has set stay unchanged.
    """
    variables = {
        "UNSLOTH_DISABLE_STATISTICS": "1",
        # By default it writes into the working directory.
        "UNSLOTH_COMPILE_LOCATION": str(folders.cache() / "unsloth_compiled"),
        # Without it, the library warns and stops using its threads once the process forks.
        "TOKENIZERS_PARALLELISM": "true",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "DO_NOT_TRACK": "1",
    }
    for variable, value in variables.items():
        os.environ.setdefault(variable, value)
    if "OMP_WAIT_POLICY" not in os.environ:
        # How long threads spin while they wait for each other. A training step on 2 idle cores takes 1.7 s with the
        # default, 2.2 s with this value and 2.8 s without spinning; beside another busy process more than 10 s, 3.6 s
        # and 3.4 s. Read once, when torch is loaded.
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    if not _torchvision_loads():
        # A torchvision without its operators makes `import peft` fail. With None, transformers treats it as absent.
        # Suiron does not need it.
        sys.modules["torchvision"] = None  # type: ignore[assignment]


def _torchvision_loads() -> bool:
    """Whether torchvision is absent, already loaded, or has its operators. Does not import it, which would take a
    second."""
    if "torchvision" in sys.modules:
        return sys.modules["torchvision"] is not None
    spec = importlib.util.find_spec("torchvision")
    if spec is None or not spec.submodule_search_locations:
        return True
    folder = Path(next(iter(spec.submodule_search_locations)))
    libraries = [path for path in folder.glob("_C*") if path.suffix in (".so", ".pyd", ".dylib")]
    if not libraries:
        return False
    import torch

    try:
        torch.ops.load_library(str(libraries[0]))  # type: ignore[no-untyped-call]
    except OSError:
        return False
    return hasattr(torch.ops.torchvision, "nms")


def dtype_name(device: str) -> Literal["bfloat16", "float16", "float32"]:
    """The number format for weights on `device`: bfloat16 where the device computes in it. On a CPU with bfloat16
    instructions, training and decoding are 1.3 to 1.6 times as fast (SmolLM2-135M, AVX-512 BF16); a CPU without them is
    slower in bfloat16 than in float32."""
    import torch

    if device.startswith("cuda"):
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float16"
    capabilities = torch.cpu.get_capabilities()
    fast = any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16", "sve_bf16"))
    return "bfloat16" if fast else "float32"


def choose_backend(load_in_4bit: bool, dtype: str = "auto", packed: bool = False) -> Backend:
    """The backend for training: Unsloth on CUDA; Transformers + PEFT elsewhere, where Unsloth cannot be imported, and
    for packed rows. Except for those this imports Unsloth on CUDA. dtype: the number format of the weights; `auto`: see
    `dtype_name`."""
    import torch

    if not torch.cuda.is_available():
        return _on_cpu(dtype)
    machine = torch.cuda.get_device_name(0)
    if packed:
        return _with_bitsandbytes(load_in_4bit, machine, "rows can be packed")
    try:
        import unsloth  # noqa: F401  (before trl, transformers and peft: it replaces parts of them)
    except Exception as error:  # an old GPU, a wrong driver or unsuitable versions raise many kinds of errors
        lines = str(error).strip().splitlines() or ["no message"]
        why = f"Unsloth does not import ({type(error).__name__}: {lines[0]})"
        return _with_bitsandbytes(load_in_4bit, machine, why)
    return Backend("unsloth", "cuda:0", "CUDA is available", machine, load_in_4bit)


def choose_inference_backend(load_in_4bit: bool, dtype: str = "auto") -> Backend:
    """The backend for answers: always Transformers. Unsloth's decoding leaves an external cache empty, so it cannot
    serve a chat. dtype: see `choose_backend`."""
    import torch

    if not torch.cuda.is_available():
        return _on_cpu(dtype)
    return _with_bitsandbytes(load_in_4bit, torch.cuda.get_device_name(0), "CUDA is available")


def _on_cpu(dtype: str = "auto") -> Backend:
    cores = available_cores()
    machine = f"the CPU ({counted(cores, 'core')}, {dtype_name('cpu') if dtype == 'auto' else dtype})"
    return Backend("transformers", "cpu", "no CUDA device is visible", machine)


def _with_bitsandbytes(load_in_4bit: bool, machine: str, why: str) -> Backend:
    if load_in_4bit and importlib.util.find_spec("bitsandbytes") is None:
        return Backend("transformers", "cuda:0", f"{why}, and bitsandbytes is not installed, so 16-bit", machine)
    return Backend("transformers", "cuda:0", why, machine, load_in_4bit)
