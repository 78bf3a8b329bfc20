"""Compiles CUDA source to a cubin with NVRTC, the compiler that comes with torch: no CUDA toolkit, no C compiler.

A cubin is kept in the cache folder under the hash of all that it depends on, so a kernel is compiled once per machine.
ctypes releases the interpreter lock, so a compile in a thread disturbs nobody.
"""

from __future__ import annotations

import ctypes
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from core.base import folders
from core.base.errors import EngineError
from core.base.files import private_dir, replace_file

_OPTIONS = ("--std=c++17", "--extra-device-vectorization")


DECODE_STEP = (
    "decode_common.cu",
    "decode_stream.cu",
    "decode_operands.cu",
    "decode_lora.cu",
    "decode_attention.cu",
    "decode_step.cu",
)
"""The parts of the decode kernel, in order."""


def kernel_source(parts: Sequence[str]) -> str:
    """The source of a kernel: its files, which lie beside this module, one after the other."""
    return "\n".join((Path(__file__).parent / name).read_text(encoding="utf-8") for name in parts)


def with_macros(source: str, macros: Mapping[str, int | float]) -> str:
    """`source` with one #define a macro before it, in the order of their names."""
    lines = [f"#define {name} {_literal(value)}" for name, value in sorted(macros.items())]
    return "\n".join([*lines, source])


def cache_key(source: str, architecture: str, compiler: str) -> str:
    """The name of a cubin: 32 hexadecimal digits of all that its bytes depend on."""
    text = "\0".join([source, architecture, compiler, *_OPTIONS])
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def cached_path(key: str) -> Path:
    """Where the cubin of this key is kept."""
    return private_dir(folders.cache() / "kernels") / f"{key}.cubin"


def compile_cached(source: str, architecture: str) -> bytes:
    """The cubin of `source` for `architecture` (`sm_90`), from the cache or compiled and put there.

    Raises EngineError where the compiler is missing or refuses the source.
    """
    library = _library()
    path = cached_path(cache_key(source, architecture, _version(library)))
    try:
        return path.read_bytes()
    except FileNotFoundError:
        cubin, _ = compile_source(source, architecture, library=library)
        replace_file(path, cubin)
        return cubin


def compile_source(
    source: str, architecture: str, *, library: ctypes.CDLL | None = None, options: tuple[str, ...] = ()
) -> tuple[bytes, str]:
    """The cubin of `source` and the compiler's log. Raises EngineError where it refuses the source."""
    rtc = library or _library()
    program = ctypes.c_void_p()
    _check(rtc.nvrtcCreateProgram(ctypes.byref(program), source.encode(), b"kernel.cu", 0, None, None), "")
    try:
        flags = [f"--gpu-architecture={architecture}", *_OPTIONS, *options]
        array = (ctypes.c_char_p * len(flags))(*[flag.encode() for flag in flags])
        result = rtc.nvrtcCompileProgram(program, len(flags), array)
        log = _text(rtc.nvrtcGetProgramLogSize, rtc.nvrtcGetProgramLog, program).rstrip(b"\0").decode(errors="replace")
        _check(result, log)
        return _text(rtc.nvrtcGetCUBINSize, rtc.nvrtcGetCUBIN, program), log
    finally:
        rtc.nvrtcDestroyProgram(ctypes.byref(program))


def _literal(value: int | float) -> str:
    return str(value) if isinstance(value, int) else f"{value!r}f"


def _library() -> ctypes.CDLL:
    """NVRTC as torch loads it. Raises EngineError where this torch has none."""
    import torch

    version = torch.version.cuda
    names = [f"libnvrtc.so.{version.split('.')[0]}", "libnvrtc.so"] if version else []
    for name in names:
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    raise EngineError("this torch brings no CUDA compiler", "libnvrtc", "Answers go on without kernels of our own")


def _version(library: ctypes.CDLL) -> str:
    major, minor = ctypes.c_int(), ctypes.c_int()
    library.nvrtcVersion(ctypes.byref(major), ctypes.byref(minor))
    return f"nvrtc {major.value}.{minor.value}"


def _text(size_of: ctypes._NamedFuncPointer, fill: ctypes._NamedFuncPointer, program: ctypes.c_void_p) -> bytes:
    size = ctypes.c_size_t()
    size_of(program, ctypes.byref(size))
    buffer = ctypes.create_string_buffer(size.value)
    fill(program, buffer)
    return buffer.raw


def _check(result: int, log: str) -> None:
    if result:
        what = f"a kernel does not compile (NVRTC error {result}): {log[:400]}"
        raise EngineError(what, "kernel.cu", "Answers go on without it; please report this")
