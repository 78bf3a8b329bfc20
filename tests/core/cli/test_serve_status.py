"""What `serve --status` says."""

from __future__ import annotations

from core.cli.serve import status_lines
from core.engine.protocol import EngineStatus, LoadedStatus


def test_model_adapters_path_caches_memory_and_queue() -> None:
    loaded = LoadedStatus(
        model="demo",
        form="nf4-bfloat16",
        alone=False,
        notes=("3 tensors are not used",),
        adapters=("/runs/one/adapter", "/runs/\x1b]two"),
        held_by=("another terminal (process 7)",),
        path="captured",
        path_why=("not fused: its kernel is still being compiled",),
        kept_sequences=3,
        cache_gib=0.5,
        cache_budget_gib=4.0,
    )
    status = EngineStatus(state="ready", model="demo", backend="here", pid=5, memory_gib=1.25, loaded=(loaded,))
    lines = status_lines(status)
    text = "\n".join(lines)
    assert "\x1b" not in text
    for words in (
        "in memory: demo as nf4-bfloat16",
        "asked alone, the base model has another form",
        "note: 3 tensors are not used",
        "held by another terminal (process 7)",
        "adapter /runs/one/adapter",
        "captured path; not fused: its kernel is still being compiled",
        "0.50 GiB of 4.0, 3 earlier sequences kept",
        "process 5, 1.25 GiB: 0 answers in progress, 0 waiting",
    ):
        assert words in text
    failed = EngineStatus(state="failed", model="nowhere", message="no such model")
    assert "no such model" in status_lines(failed)[0]
    unloaded = EngineStatus(state="empty", message="no model is loaded: the run 7 starts")
    assert "the run 7 starts" in status_lines(unloaded)[0]
