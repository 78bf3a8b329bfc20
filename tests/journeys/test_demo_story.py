"""The headless story with everything real: the demo model, the inference server, the detached trainer. Only the number
of steps is smaller."""

from __future__ import annotations

import io
from pathlib import Path

import msgspec
import pytest

from core.base.command_output import CommandOutput
from core.demo import story
from core.demo.spec import demo_spec
from core.engine.launch import engine_running
from core.runs.run_folder import list_runs

pytestmark = pytest.mark.journey


def test_the_story_is_real(demo_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = demo_spec()
    train = msgspec.structs.replace(spec.train, steps=3, warmup_steps=0, batch_size=2)
    short = msgspec.structs.replace(spec, train=train)
    monkeypatch.setattr(story, "demo_spec", lambda: short)
    out, err = io.StringIO(), io.StringIO()
    assert story.run_story(False, CommandOutput(False, out, err)) == 0
    text = out.getvalue()
    assert text.count("\nReasoning\n") == text.count("\nResponse\n") == 2
    assert "finished at step 3 of 3" in text and "step 3/3 · loss " in text
    (run,) = list_runs()
    metrics, _ = run.metrics()
    assert [metric.step for metric in metrics] == [1, 2, 3]
    assert all(metric.loss is not None and 0 < metric.loss < 10 for metric in metrics)
    assert not engine_running()
