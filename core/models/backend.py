"""Which library trains or answers, on what, and why. Also what must hold before those libraries are imported in any
process.

Nothing heavy is imported at the top; `prepare_imports` and the choosers import torch, so only processes that hold a
model call them.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from typing import Literal

import msgspec

from core.base import folders

Kind = Literal["unsloth", "transformers"]
_NAMES: dict[Kind, str] = {"unsloth": "Unsloth", "transformers": "Transformers + PEFT"}


class Backend(msgspec.Struct, frozen=True):
    """kind: the library; device: torch's word for where the model lies; four_bit: whether its weights are NF4 there;
    machine: the device in words; why: the reason for the choice, as a clause."""

    kind: Kind
    device: str
    why: str
    machine: str = ""
    four_bit: bool = False

    @property
    def line(self) -> str:
        """The visible sentence, without its full stop."""
        bits = ", 4-bit," if self.four_bit else ""
        return f"{_NAMES[self.kind]}{bits} on {self.machine or self.device}: {self.why}"

    def __str__(self) -> str:
        return self.line


def prepare_imports() -> None:
    """What must hold before transformers, peft, trl or unsloth are imported; call it first in every process that needs
    them. Imports torch.

    Variables that the user has set stay as they are.
    """
    for variable, value in (
        ("UNSLOTH_DISABLE_STATISTICS", "1"),
        (
            "UNSLOTH_COMPILE_LOCATION",
            str(folders.cache() / "unsloth_compiled"),
        ),  # else it writes into the working directory
        (
            "TOKENIZERS_PARALLELISM",
            "true",
        ),  # unset, the library warns and stops using its threads once the process forks
        ("HF_HUB_DISABLE_TELEMETRY", "1"),
        ("DO_NOT_TRACK", "1"),
    ):
        os.environ.setdefault(variable, value)
    if "OMP_WAIT_POLICY" not in os.environ:
        # How long threads spin while they wait for each other. A training step on 2 quiet cores takes 1.7 s with the
        # default, 2.2 with this and 2.8 without spinning; beside another busy process 10 and more, 3.6 and 3.4. Read
        # once, when torch is loaded.
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    if not _torchvision_loads():
        # A torchvision without its operators makes `import peft` fail; None makes transformers take it for absent, and
        # nothing here needs it.
        sys.modules["torchvision"] = None  # type: ignore[assignment]


def _torchvision_loads() -> bool:
    """Whether torchvision is absent, loaded already, or finds its operators. Does not import it: that alone takes a
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


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def dtype_name(device: str) -> Literal["bfloat16", "float16", "float32"]:
    """The number format for weights on `device`: bfloat16 where the device computes in it, which on a CPU makes both
    training and decoding 1.3 to 1.6 times as fast (SmolLM2-135M, AVX-512 BF16); a CPU without such instructions is
    slower in bfloat16 than in float32."""
    import torch

    if device.startswith("cuda"):
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float16"
    found = torch.cpu.get_capabilities()
    return "bfloat16" if any(found.get(flag) for flag in ("avx512_bf16", "amx_bf16", "sve_bf16")) else "float32"


def choose_backend(load_in_4bit: bool) -> Backend:
    """What trains here: Unsloth with CUDA, Transformers + PEFT elsewhere or where Unsloth does not import. On CUDA this
    imports Unsloth."""
    import torch

    if not torch.cuda.is_available():
        return _on_cpu()
    machine = torch.cuda.get_device_name(0)
    try:
        import unsloth  # noqa: F401  (it must come before trl, transformers and peft: it replaces parts of them)
    except Exception as error:  # a GPU too old, a wrong driver, versions that do not fit: it raises whatever it likes
        reason = f"Unsloth does not import ({type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else 'no message'})"
        return _with_bitsandbytes(load_in_4bit, machine, reason)
    return Backend("unsloth", "cuda:0", "CUDA is available", machine, load_in_4bit)


def choose_inference_backend(load_in_4bit: bool) -> Backend:
    """What answers here: always Transformers, because Unsloth's own decoding leaves an external cache empty and cannot
    serve a chat."""
    import torch

    if not torch.cuda.is_available():
        return _on_cpu()
    return _with_bitsandbytes(load_in_4bit, torch.cuda.get_device_name(0), "CUDA is available")


def _on_cpu() -> Backend:
    cores = available_cores()
    machine = f"the CPU ({cores} core{'s' if cores != 1 else ''}, {dtype_name('cpu')})"
    return Backend("transformers", "cpu", "no CUDA device is visible", machine)


def _with_bitsandbytes(load_in_4bit: bool, machine: str, why: str) -> Backend:
    if load_in_4bit and importlib.util.find_spec("bitsandbytes") is None:
        return Backend("transformers", "cuda:0", f"{why}, and bitsandbytes is not installed, so 16-bit", machine)
    return Backend("transformers", "cuda:0", why, machine, load_in_4bit)
