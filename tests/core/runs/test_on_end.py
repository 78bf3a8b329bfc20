"""The command at the end of a run."""

from __future__ import annotations

import msgspec
import pytest

from core.runs.on_end import end_facts, run_on_end
from core.runs.process import JobProcess, run_job
from core.runs.run_folder import RunFolder, create_run_folder
from core.runs.spec import TrainSection
from core.runs.status_file import FailureCause
from tests.support.run_folders import ended_run, spec_of


def with_command(command: str) -> RunFolder:
    return ended_run(1, msgspec.structs.replace(spec_of("長い"), train=TrainSection(on_end=command)))


def test_the_command_knows_how_the_run_ended() -> None:
    run = with_command('printf "%s|%s|%s|%s" "$SUIRON_RUN" "$SUIRON_STATE" "$SUIRON_NAME" "$SUIRON_STEP" > told')
    run_on_end(run)
    assert (run.path / "told").read_text() == f"{run.id}|finished|長い|20"
    assert end_facts(run)["SUIRON_LOSS"].startswith("0.4")


def test_a_command_that_fails_or_stays_changes_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    run_on_end(with_command("exit 3"))
    assert "left with status 3" in capfd.readouterr().err


def test_a_command_that_stays_is_left_alone(capfd: pytest.CaptureFixture[str]) -> None:
    run_on_end(with_command("read never < /dev/null; exec sleep 2"), waits=0.05)
    assert "still runs" in capfd.readouterr().err


def test_the_process_of_a_job_starts_it_last() -> None:
    spec = msgspec.structs.replace(spec_of(), train=TrainSection(on_end='echo "$SUIRON_STATE" > told'))
    run = create_run_folder(spec)

    def work(job: JobProcess) -> None:
        raise ValueError("broken")

    assert run_job(run, work, lambda error: FailureCause(str(error))) != 0
    assert (run.path / "told").read_text() == "failed\n"
