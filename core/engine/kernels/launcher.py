"""Loads a cubin into the driver and launches it cooperatively: all blocks are on the card at once, or none.

ctypes calls of the CUDA driver; torch has loaded the library and made the context.
"""

from __future__ import annotations

import ctypes
from typing import Any

from core.base.errors import EngineError

_MOST_SHARED_MEMORY = 8  # CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES


class CooperativeKernel:
    """A kernel with one struct as its parameter. Make and launch it in a thread in which torch uses the card."""

    def __init__(self, cubin: bytes, name: str, *, blocks: int, threads: int, shared_bytes: int) -> None:
        """Raises EngineError where the driver refuses the cubin or the shared memory."""
        self._driver = ctypes.CDLL("libcuda.so.1")
        self._module, self._function = ctypes.c_void_p(), ctypes.c_void_p()
        self._check(self._driver.cuModuleLoadData(ctypes.byref(self._module), cubin), "loaded")
        self._check(
            self._driver.cuModuleGetFunction(ctypes.byref(self._function), self._module, name.encode()), "found"
        )
        set_attribute = self._driver.cuFuncSetAttribute
        self._check(set_attribute(self._function, _MOST_SHARED_MEMORY, shared_bytes), "given its shared memory")
        self._blocks, self._threads, self._shared_bytes = blocks, threads, shared_bytes

    def launch(self, parameters: ctypes.Structure, stream: Any) -> None:
        """Queue one launch on a torch stream. `parameters` is copied at once."""
        arguments = (ctypes.c_void_p * 1)(ctypes.addressof(parameters))
        result = self._driver.cuLaunchCooperativeKernel(
            self._function,
            self._blocks,
            1,
            1,
            self._threads,
            1,
            1,
            self._shared_bytes,
            ctypes.c_void_p(stream.cuda_stream),
            arguments,
        )
        self._check(result, "launched")

    def _check(self, result: int, done: str) -> None:
        if result:
            words = ctypes.c_char_p()
            self._driver.cuGetErrorString(result, ctypes.byref(words))
            why = words.value.decode() if words.value else f"error {result}"
            raise EngineError(f"a kernel could not be {done}: {why}", "decode_step", "Answers go on without it")
