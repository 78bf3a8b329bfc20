"""The demo as plain text: rows, a question before training, a real run, the same question after, and a report.

Each part works as in the app: the same detached run, the same inference server. This process stays light: other
processes load the models.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from core.base.child import Child, ChildDied, ChildProgress
from core.base.command_output import CommandOutput
from core.base.errors import ModelError, RunError
from core.base.row import Row
from core.demo.make_rows import demo_rows
from core.demo.report import DemoFigures, figures_table
from core.demo.spec import demo_spec
from core.engine.client import EngineClient
from core.engine.launch import engine_running
from core.engine.protocol import AnswerFinish, AnswerPiece, ChatQuestion, Engine, EngineStatus
from core.export.export_jobs import follow_export, start_export
from core.export.export_result import ExportResult
from core.lab.evaluation import EvaluationReport
from core.models.embedded_model import DEMO_MODEL
from core.models.make_embedded_model import ensure_demo_model
from core.runs.launch import start_run
from core.runs.metrics_file import StepMetric
from core.runs.run_folder import RunFolder
from core.runs.status_file import RunStatus
from core.runs.watch_run import progress_line, raise_if_failed, watch_run

INTERRUPTED = 130
MEASURE_MODULE = "core.demo.measure"
ANSWER_TOKENS = 200
EXPORT_QUESTIONS = 6  # few: it only shows that the file answers as the run does
ENGINE_IDLE = 600.0  # seconds until the inference server exits by itself where this process is killed


def run_story(
    report: bool, output: CommandOutput, engine: Callable[[], EngineConnection] = lambda: EngineClient(ENGINE_IDLE)
) -> int:
    """Run the demo; returns the exit code. With `report`, standard output gets one JSON object and the text goes to
    standard error.

    After Ctrl-C a started run continues, and a note says so. Raises SuironError where a part fails.
    """
    return _Story(report, output, engine).tell()


class EngineConnection(Engine, Protocol):
    """An engine client that belongs to one event loop."""

    async def close(self) -> None:
        """Close its connections; called in the same event loop."""


class _Story:
    def __init__(self, report: bool, output: CommandOutput, engine: Callable[[], EngineConnection]) -> None:
        self._report, self._output, self._engine = report, output, engine
        self._say = output.note if report else output.text
        self._seconds: dict[str, float] = {}
        self._run: RunFolder | None = None

    def tell(self) -> int:
        already_running = engine_running()  # then it is not ours to stop
        try:
            self._tell()
        except KeyboardInterrupt:
            self._output.progress_done()
            if self._run is not None and not self._run.status().ended:
                self._output.note(
                    f"The run continues. `python -m core runs {self._run.id} --follow` watches it, `--stop` stops it."
                )
            else:
                self._output.note("Interrupted.")
            return INTERRUPTED
        finally:
            if not already_running:
                asyncio.run(self._engine().shutdown())
        return 0

    def _tell(self) -> None:
        began = time.monotonic()
        rows = demo_rows()
        self._show_rows(rows)
        self._timed("model", lambda: ensure_demo_model(self._output.note))
        question = next(row for row in rows if row.sysflag == "test" and row.syslang == "English")
        self._say("\n== A held-out question, before training ==\n")
        self._timed("question_before", lambda: self._ask(question, ""))
        self._say("\n== Training ==\n")
        run, metrics = self._timed("training", self._train)
        self._say("\n== The same question, after training ==\n")
        self._timed("question_after", lambda: self._ask(question, str(run.adapter)))
        if self._report:
            measured = self._timed("evaluation", lambda: self._measure(run))
            exported = self._timed("export", lambda: self._export(run))
            self._seconds["total"] = time.monotonic() - began
            self._tell_figures(run.status(), metrics, measured, exported)

    def _timed(self, part: str, work: Callable[[], Any]) -> Any:
        began = time.monotonic()
        done = work()
        self._seconds[part] = time.monotonic() - began
        return done

    # -- the parts --

    def _show_rows(self, rows: list[Row]) -> None:
        train = [row for row in rows if row.sysflag == "train"]
        self._say(
            f"Demo data: {len(rows)} rows, {len(train)} to train on, {len(rows) - len(train)} held out. "
            "One of each language:"
        )
        for language in ("English", "Japanese", "Chinese"):
            row = next(row for row in train if row.syslang == language)
            self._output.record({"row": row})
            self._say(f"\n  instruction  {row.instruction}")
            if row.input:
                self._say(f"  input        {_indented(row.input)}")
            self._say(f"  reasoning    {_indented(row.reasoning)}\n  output       {row.output}")

    def _ask(self, row: Row, adapter: str) -> None:
        asyncio.run(self._ask_engine(row, adapter))

    async def _ask_engine(self, row: Row, adapter: str) -> None:
        """Print one answer under the two headings, with a note where the model left one out."""
        engine = self._engine()
        notes = _ChangedNotes(self._output.note)
        finish: AnswerFinish | None = None
        question = ChatQuestion(
            instruction=row.instruction, input=row.input, tuned=bool(adapter), max_tokens=ANSWER_TOKENS
        )
        texts = {"reasoning": "", "response": ""}
        try:
            status: EngineStatus = await engine.ensure(DEMO_MODEL, adapter, lambda now: notes.show(now.message))
            notes.show(status.backend)
            async for event in engine.ask(question):
                if isinstance(event, AnswerPiece):
                    texts[event.section] += event.text
                elif isinstance(event, AnswerFinish):
                    finish = event
        finally:
            await engine.close()
        self._say(f"{row.instruction}\n{row.input}".rstrip())
        self._say(f"(expected: {row.output})")
        for section, heading in (("reasoning", "Reasoning"), ("response", "Response")):
            self._say(f"\n{heading}\n{texts[section].strip() or '(the model wrote none)'}")
        if finish is not None:
            self._say(f"\n[{_finish_line(finish)}]")
        self._output.record(
            {
                "answer": {
                    "tuned": bool(adapter),
                    "instruction": row.instruction,
                    "expected": row.output,
                    **texts,
                    "finish": finish,
                }
            }
        )

    def _train(self) -> tuple[RunFolder, list[StepMetric]]:
        run = self._run = start_run(demo_spec())
        self._say(f"Run {run.id}, a detached process; its folder is {run.path}")
        notes = _ChangedNotes(self._output.note)
        all_metrics: list[StepMetric] = []
        for status, metrics in watch_run(run):
            all_metrics += metrics
            if not status.ended and (status.message or status.state not in ("training",)):
                notes.show(f"{status.state}: {status.message}" if status.message else status.state)
            for metric in metrics:
                self._output.record(metric)
                if not self._output.live and (metric.step == 1 or metric.step % max(1, status.total // 10) == 0):
                    self._say(f"  {progress_line(status, metric)}")
            if metrics:
                self._output.progress(progress_line(status, metrics[-1]))
        self._output.progress_done()
        raise_if_failed(run, status)
        if not (run.adapter / "adapter_config.json").is_file():
            raise RunError(f"the run was {status.state} before it saved an adapter", run.id, "Start the demo again")
        self._say(f"{status.state} at step {status.step} of {status.total}")
        return run, all_metrics

    def _measure(self, run: RunFolder) -> Any:
        """Both evaluations, in a child process. Returns a `core.demo.measure.DemoEvaluation`."""
        from core.demo.measure import DemoEvaluation

        self._output.note("asking the held-out questions, before and after")
        request = {"adapter": str(run.adapter)}
        # Spinning threads starve each other where cores are shared.
        variables = {"OMP_WAIT_POLICY": os.environ.get("OMP_WAIT_POLICY", "passive")}
        try:
            with Child(MEASURE_MODULE, request, variables=variables) as child:
                return msgspec.convert(child.answer(self._show_measuring), DemoEvaluation)
        except ChildDied as death:
            raise death.explain(ModelError, "the evaluation", run.id, "Try again with more memory free") from None
        finally:
            self._output.progress_done()

    def _show_measuring(self, progress: ChildProgress) -> None:
        if progress.total:
            self._output.progress(f"{progress.words}: {progress.done} of {progress.total} answers")

    def _export(self, run: RunFolder) -> ExportResult:
        """The adapter as a GGUF file that was asked held-out questions."""
        self._output.note("exporting the tuned model as GGUF, and asking it there")
        job = start_export(run.id, "gguf", type="q8_0", check=EXPORT_QUESTIONS)
        for progress in follow_export(job):
            self._output.progress(progress.line)
        self._output.progress_done()
        result = progress.result
        if result is None:
            raise RunError(f"the export was {progress.status.state}", job.id, "Start the demo again")
        self._output.note(result.words)
        return result

    def _tell_figures(
        self, status: RunStatus, metrics: list[StepMetric], measured: Any, exported: ExportResult
    ) -> None:
        before: EvaluationReport = measured.before
        after: EvaluationReport = measured.after
        figures = DemoFigures.of(status, metrics, before, after, self._seconds, exported)
        self._output.note("")
        for line in figures_table(figures):
            self._output.note(line)
        self._output.record(figures)
        self._output.text(msgspec.json.format(msgspec.json.encode(figures), indent=2).decode())


class _ChangedNotes:
    """Prints a note only where it differs from the last one."""

    def __init__(self, note: Callable[[str], None]) -> None:
        self._note = note
        self._last = ""

    def show(self, words: str) -> None:
        if words and words != self._last:
            self._last = words
            self._note(words)


def _indented(text: str) -> str:
    return text.replace("\n", "\n" + " " * 15)


def _finish_line(finish: AnswerFinish) -> str:
    speed = f"{finish.tokens_per_second:.1f} tok/s"
    return f"{finish.reason} · {finish.tokens} tokens · {finish.total_seconds:.2f} s · {speed}"
