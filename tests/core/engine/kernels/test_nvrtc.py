"""Compiling: what a cubin's name depends on, the cache, and the words where there is no compiler or it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from core.base.errors import EngineError
from core.engine.kernels import nvrtc


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SUIRON_CACHE", str(tmp_path))
    return tmp_path / "kernels"


def test_macros_come_first_in_the_order_of_their_names() -> None:
    source = nvrtc.with_macros("int x;", {"B": 2, "A": 1e-6})
    assert source == "#define A 1e-06f\n#define B 2\nint x;"


def test_a_cubin_is_named_by_all_it_depends_on() -> None:
    keys = {
        nvrtc.cache_key(source, architecture, compiler)
        for source in ("a", "b")
        for architecture in ("sm_89", "sm_90")
        for compiler in ("nvrtc 13.0", "nvrtc 13.1")
    }
    assert len(keys) == 8
    assert nvrtc.cache_key("a", "sm_90", "nvrtc 13.0") == nvrtc.cache_key("a", "sm_90", "nvrtc 13.0")


def test_a_source_is_compiled_once(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = []

    def compile_source(source: str, architecture: str, **options: Any) -> tuple[bytes, str]:
        compiled.append((source, architecture))
        return source.encode(), ""

    monkeypatch.setattr(nvrtc, "_library", lambda: None)
    monkeypatch.setattr(nvrtc, "_version", lambda library: "nvrtc 13.0")
    monkeypatch.setattr(nvrtc, "compile_source", compile_source)
    assert [nvrtc.compile_cached("one", "sm_90") for _ in range(3)] == [b"one"] * 3
    assert nvrtc.compile_cached("one", "sm_80") == b"one"
    assert compiled == [("one", "sm_90"), ("one", "sm_80")]
    assert len(list(cache.glob("*.cubin"))) == 2


def test_a_torch_without_cuda_is_no_failure_but_words(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.version, "cuda", None)
    with pytest.raises(EngineError, match="no CUDA compiler"):
        nvrtc.compile_cached("one", "sm_90")


def test_a_refused_source_names_the_compilers_words() -> None:
    class Refusing:
        def nvrtcCreateProgram(self, *_: Any) -> int:
            return 0

        def nvrtcCompileProgram(self, *_: Any) -> int:
            return 6

        def nvrtcGetProgramLogSize(self, program: Any, size: Any) -> int:
            size._obj.value = 20
            return 0

        def nvrtcGetProgramLog(self, program: Any, buffer: Any) -> int:
            buffer.value = b"identifier unknown"
            return 0

        def nvrtcDestroyProgram(self, *_: Any) -> int:
            return 0

    with pytest.raises(EngineError, match=r"NVRTC error 6.*identifier unknown"):
        nvrtc.compile_source("x", "sm_90", library=Refusing())  # type: ignore[arg-type]


def test_every_part_of_the_kernel_is_a_file_of_one_thought() -> None:
    for part in nvrtc.DECODE_STEP:
        assert len(nvrtc.kernel_source([part]).splitlines()) <= 400
