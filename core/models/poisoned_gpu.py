"""Tells errors of the GPU after which a process cannot use it any more from those that it survives. Light: no torch."""

from __future__ import annotations

# Of a fault in a kernel. CUDA reports it to every later call of the process, whatever that asks for.
_POISONING = (
    "illegal memory access",
    "misaligned address",
    "illegal instruction",
    "invalid program counter",
    "device-side assert",
    "unspecified launch failure",
    "uncorrectable ECC error",
    "hardware stack error",
    "the launch timed out",
)


def gpu_is_poisoned(error: BaseException | None) -> bool:
    """Whether `error`, or what caused it, says that this process has lost its GPU: only a new process gets it back.
    Memory that ran out, or a refused model, is no such error."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        words = str(error)
        if ("CUDA" in words or "AcceleratorError" in type(error).__name__) and any(
            fault in words for fault in _POISONING
        ):
            return True
        error = error.__cause__ or error.__context__
    return False
