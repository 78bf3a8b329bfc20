"""The set-up script with an interpreter that only pretends to install, so that each way of failing can be had."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "tools" / "environment.py"


def pretend(folder: Path, says: str, code: int) -> None:
    """A virtual environment whose python answers `-m pip` with `says` and leaves with `code`."""
    python = folder / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f"#!/bin/sh\n[ \"$1\" = -c ] && exit 0\ncat <<'END'\n{says}\nEND\nexit {code}\n")
    python.chmod(0o755)


def run(folder: Path, requirements: str = "requirements-dev.txt") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), folder.name, requirements],
        cwd=folder.parent,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("says", "cause", "do"),
    [
        (
            "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device",
            "the disk is full",
            "Free about",
        ),
        (
            "WARNING: Retrying: NewConnectionError\nERROR: No matching distribution found for x==1",
            "the package index cannot be reached",
            "network",
        ),
        ("ERROR: No matching distribution found for x==1", "no build for this machine", "install.log"),
        (
            "ERROR: Could not install packages due to an OSError: [Errno 13] Permission denied: '/x'",
            "no permission",
            "a folder of your own",
        ),
        ("ERROR: something new", "something new", "install.log"),
    ],
)
def test_each_failure_is_one_line_that_says_what_to_do(tmp_path: Path, says: str, cause: str, do: str) -> None:
    folder = tmp_path / ".venv"
    pretend(folder, says, 1)
    (folder / "ready-requirements-dev.txt").write_text("from an earlier set-up")
    result = run(folder)
    assert result.returncode == 1
    last = result.stderr.splitlines()[-1]
    assert last.startswith("Suiron: ")
    assert cause in last
    assert do in last
    assert not (folder / "ready-requirements-dev.txt").exists()
    assert says.splitlines()[0] in (folder / "install.log").read_text()


def test_the_stamp_comes_last(tmp_path: Path) -> None:
    folder = tmp_path / ".venv"
    pretend(folder, "Successfully installed x", 0)
    assert run(folder).returncode == 0
    assert (folder / "ready-requirements-dev.txt").exists()


def test_a_half_made_environment_is_made_again(tmp_path: Path) -> None:
    folder = tmp_path / ".venv"
    (folder / "lib").mkdir(parents=True)
    (folder / "lib" / "half").touch()
    (tmp_path / "requirements-dev.txt").write_text("")  # nothing to install
    assert run(folder).returncode == 0
    assert not (folder / "lib" / "half").exists()
    assert (folder / "ready-requirements-dev.txt").exists()


def test_a_python_too_old_is_said(tmp_path: Path) -> None:
    code = f"""
        import runpy, sys, shutil
        sys.version_info = (3, 9, 18, "final", 0)
        shutil.which = lambda name: None
        sys.argv = ["environment.py", ".venv", "requirements.txt"]
        runpy.run_path({str(SCRIPT)!r}, run_name="__main__")
    """
    result = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 1
    assert "Python 3.9" in result.stderr
    assert "3.11 to 3.13" in result.stderr
    assert list(tmp_path.iterdir()) == []
