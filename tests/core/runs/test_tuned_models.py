"""What a tuned model keeps of its run."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.runs.run_folder import RunFolder
from core.runs.status_file import RunStatus
from core.runs.tuned_models import run_chat_date


@pytest.mark.parametrize(("fact", "day"), [("2026-03-04", "2026-03-04"), ("", ""), (4, ""), ("yesterday", "")])
def test_the_date_is_that_of_the_run(tmp_path: Path, fact: object, day: str) -> None:
    RunFolder(tmp_path).write_status(RunStatus(state="finished", facts={"chat_template_date": fact}))
    assert run_chat_date(tmp_path / "adapter") == day


def test_a_folder_that_is_no_run_has_none(tmp_path: Path) -> None:
    assert run_chat_date(tmp_path / "adapter") == ""
