"""The story in order, with a scripted engine and a run that has already written its folder; its interruption; and the
report's JSON."""

from __future__ import annotations

import io
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from core.base.command_output import CommandOutput
from core.base.errors import ModelError, RunError
from core.demo import story
from core.demo.make_rows import demo_rows
from core.demo.measure import DemoEvaluation
from core.demo.spec import demo_spec
from core.engine.protocol import AnswerEvent
from core.export.export_jobs import ExportProgress
from core.export.export_result import Agreement, ExportResult
from core.export.export_spec import ExportSpec
from core.lab.evaluation import EvaluatedAnswer, EvaluationReport
from core.runs.metrics_file import StepMetric
from core.runs.run_folder import RunFolder, create_run_folder
from core.runs.spec import RunSpec, check_run_spec
from core.runs.status_file import FailureCause, RunStatus
from tests.support.scripted_engine import ScriptedEngine, finish, reasoning, response

ROOT = Path(__file__).resolve().parents[3]
QUESTION = next(row for row in demo_rows("test") if row.syslang == "English")


class Client(ScriptedEngine):
    """Answers each question with the next script; counts its ends."""

    def __init__(self, *scripts: list[AnswerEvent]) -> None:
        super().__init__()
        self.scripts, self.closed, self.ended = list(scripts), 0, 0

    def ask(self, question: Any) -> Any:
        self.say(*self.scripts.pop(0))
        return super().ask(question)

    async def close(self) -> None:
        self.closed += 1

    async def shutdown(self) -> None:
        self.ended += 1


def answers() -> Client:
    return Client(
        [*reasoning("Sure! ", "\x1b]52;c;eA==\x07"), finish("length", "in_reasoning")],
        [*reasoning("1 + 1 = 2."), *response("2"), finish()],
    )


class Told:
    def __init__(self, json: bool = False) -> None:
        self.out, self.err = io.StringIO(), io.StringIO()
        self.output = CommandOutput(json, self.out, self.err)


@pytest.fixture(autouse=True)
def finished_run(monkeypatch: pytest.MonkeyPatch) -> list[RunFolder]:
    """`start_run` gives a run that has finished: twenty steps, a loss that falls from 2 to 0.1."""
    runs: list[RunFolder] = []

    def start(spec: RunSpec) -> RunFolder:
        check_run_spec(spec)
        run = create_run_folder(spec)
        for step in range(1, 21):
            run.append_metric(
                StepMetric(step=step, time=float(step), loss=2.0 - 0.1 * (step - 1), tokens_per_second=250.0)
            )
        run.adapter.mkdir()
        (run.adapter / "adapter_config.json").write_text("{}")
        run.write_status(
            RunStatus(
                state="finished",
                step=20,
                total=20,
                pid=os.getpid(),
                host=socket.gethostname(),
                backend="a scripted trainer",
            )
        )
        runs.append(run)
        return run

    monkeypatch.setattr(story, "start_run", start)
    monkeypatch.setattr(story, "ensure_demo_model", lambda progress: progress("the demo model is ready"))
    return runs


def test_the_story_in_order(finished_run: list[RunFolder]) -> None:
    told, client = Told(), answers()
    assert story.run_story(False, told.output, lambda: client) == 0
    text = told.out.getvalue()
    marks = [
        "Demo data: 554 rows",
        "before training",
        "Reasoning\nSure!",
        "Response\n(the model wrote none)",
        "== Training",
        "step 1/20 · loss 2.0000",
    ]
    marks += ["step 20/20", "after training", "Reasoning\n1 + 1 = 2.", "Response\n2"]
    places = [text.index(mark) for mark in marks]
    assert places == sorted(places)
    assert text.count(f"{QUESTION.instruction}\n") == 2 and f"(expected: {QUESTION.output})" in text
    assert "\x1b" not in text + told.err.getvalue()
    assert client.ensured == [("demo", ""), ("demo", str(finished_run[0].adapter))]
    assert [question.tuned for question in client.questions] == [False, True]
    assert client.closed == 2 and client.ended == 1


def test_as_json_lines() -> None:
    told, client = Told(json=True), answers()
    assert story.run_story(False, told.output, lambda: client) == 0
    lines = [json.loads(line) for line in told.out.getvalue().splitlines()]
    assert [line["row"]["syslang"] for line in lines if "row" in line] == ["English", "Japanese", "Chinese"]
    assert [line["step"] for line in lines if "step" in line] == list(range(1, 21))
    told_answers = [line["answer"] for line in lines if "answer" in line]
    assert [(answer["tuned"], answer["response"]) for answer in told_answers] == [(False, ""), (True, "2")]


def test_an_engine_that_was_there_is_left_running(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(story, "engine_running", lambda: True)
    client = answers()
    story.run_story(False, Told().output, lambda: client)
    assert client.ended == 0


def test_a_run_that_fails_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    start = story.start_run

    def failing(spec: RunSpec) -> RunFolder:
        run = start(spec)
        run.write_status(
            RunStatus(state="failed", error=FailureCause("memory ran out", "step 3", "Take a smaller batch"))
        )
        return run

    monkeypatch.setattr(story, "start_run", failing)
    client = answers()
    with pytest.raises(RunError, match="memory ran out"):
        story.run_story(False, Told().output, lambda: client)
    assert client.ended == 1


def test_ctrl_c_leaves_the_run_going(monkeypatch: pytest.MonkeyPatch, finished_run: list[RunFolder]) -> None:
    start = story.start_run

    def going(spec: RunSpec) -> RunFolder:
        run = start(spec)
        run.write_status(
            RunStatus(state="training", step=3, total=20, pid=1, host="another host", heartbeat=time.time())
        )
        return run

    def interrupted(run: RunFolder) -> Iterator[tuple[RunStatus, list[StepMetric]]]:
        yield run.status(), run.metrics()[0]
        raise KeyboardInterrupt

    monkeypatch.setattr(story, "start_run", going)
    monkeypatch.setattr(story, "watch_run", interrupted)
    told = Told()
    assert story.run_story(False, told.output, answers) == 130
    assert f"The run continues. `python -m core runs {finished_run[0].id}" in told.err.getvalue()
    assert finished_run[0].requests() == []


def answer(both: bool, exact: bool) -> EvaluatedAnswer:
    return EvaluatedAnswer(
        row=1,
        instruction="q",
        input="",
        expected="2",
        reasoning="r",
        response="2" if exact else "3",
        reason="end" if both else "length",
        ending="complete",
        tokens=9,
        both_in_order=both,
        exact=exact,
    )


MEASURED = DemoEvaluation(
    EvaluationReport(tuple(answer(False, False) for _ in range(4)), 2.0),
    EvaluationReport(tuple(answer(True, i < 2) for i in range(4)), 1.0),
    "scripted",
    3.0,
)


def measuring(monkeypatch: pytest.MonkeyPatch, folder: Path, messages: list[Any], status: int = 0) -> None:
    """The evaluation is a child that sends these messages, says its last words, and ends with this status."""
    lines = "".join(msgspec.json.encode(message).decode() + "\n" for message in messages)
    script = f"import sys\nsys.stdout.write({lines!r})\nprint('last words', file=sys.stderr)\nsys.exit({status})\n"
    (folder / "scripted_measure.py").write_text(script)
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.setattr(story, "MEASURE_MODULE", "scripted_measure")


EXPORTED = ExportResult(
    run="demo", to="gguf", type="q8_0", folder="/out", files={}, agreements={"exported": Agreement(6, 5, 512)}
)


def exporting(monkeypatch: pytest.MonkeyPatch, finished_run: list[RunFolder]) -> list[tuple[str, str]]:
    """The export is one that has ended; what was started."""
    started: list[tuple[str, str]] = []

    def start(run: str, to: str, **_: Any) -> RunFolder:
        started.append((run, to))
        return finished_run[0]

    def follow(job: RunFolder) -> Iterator[ExportProgress]:
        spec = ExportSpec(run=job.id, to="gguf", out="/out")
        yield ExportProgress(job.id, spec, RunStatus(state="checking", step=1, total=9), None)
        yield ExportProgress(job.id, spec, RunStatus(state="finished", over=True), EXPORTED)

    monkeypatch.setattr(story, "start_export", start)
    monkeypatch.setattr(story, "follow_export", follow)
    return started


def test_the_report_is_one_json_object_on_standard_output(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, finished_run: list[RunFolder]
) -> None:
    started = exporting(monkeypatch, finished_run)
    messages = [{"progress": ["loading", 0, 0]}, {"progress": ["before", 1, 4]}, {"result": MEASURED}]
    measuring(monkeypatch, tmp_path, messages)
    told = Told()
    client = answers()
    assert story.run_story(True, told.output, lambda: client) == 0
    report = json.loads(told.out.getvalue())
    assert (
        report["loss_first"] == pytest.approx(1.8)
        and report["loss_last"] == pytest.approx(0.3)
        and report["loss_ratio"] == pytest.approx(1 / 6)
    )
    assert report["share_both_sections"] == {"before": 0.0, "after": 1.0} and report["exact_match"] == {
        "before": 0.0,
        "after": 0.5,
    }
    assert (report["questions"], report["backend"], report["steps"]) == (4, "a scripted trainer", 20) and report[
        "cores"
    ] >= 1
    assert set(report["seconds"]) == {
        "model",
        "question_before",
        "training",
        "question_after",
        "evaluation",
        "export",
        "total",
    }
    assert started == [(finished_run[0].id, "gguf")]
    assert report["export"]["agreements"]["exported"]["equal"] == 5
    assert "as GGUF (q8_0): 5 of 6 answers equal; first difference in row 512" in told.err.getvalue()
    assert len(report["answers"]["after"]) == 4
    story_text = told.err.getvalue()
    assert "Reasoning\n1 + 1 = 2." in story_text and "0%    100%" in story_text  # the story and the table go beside it


@pytest.mark.parametrize(
    "message, words",
    [
        ({"progress": ["before", 1, 4]}, "status 9: last words"),
        (
            {"error": {"class": "ModelError", "what": "it is too large", "where": "demo", "do": "Free some"}},
            "too large",
        ),
    ],
)
def test_an_evaluation_that_fails_says_why(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, message: dict[str, Any], words: str
) -> None:
    measuring(monkeypatch, tmp_path, [message], 9)
    client = answers()
    with pytest.raises(ModelError, match=words):
        story.run_story(True, Told().output, lambda: client)


def test_the_settings_are_in_range() -> None:
    spec = demo_spec()
    check_run_spec(spec)
    assert (
        spec.data.source == spec.model.name == "demo"
        and spec.prompt.vanilla_share == 0.15
        and spec.data.train_flag == "train"
    )
    assert spec.train.steps * spec.train.batch_size * spec.train.gradient_accumulation <= 2 * len(demo_rows("train"))


def test_telling_imports_nothing_heavy() -> None:
    heavy = ("torch", "transformers", "datasets", "trl", "peft", "unsloth")
    code = f"import sys, core.demo.story, core.demo.measure; print([name for name in {heavy} if name in sys.modules])"
    assert (
        subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout.strip()
        == "[]"
    )
