"""The script for Slurm, run by a real shell with stand-ins for the run, the command line and Slurm."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from core.runs.slurm_script import slurm_script

PYTHON = """#!/bin/bash
# `-m core train`, `-c` for the run's folder, `-m core runs ID --follow`
echo "$@" >> asked
case "$*" in
    *"core train"*) echo my-run;;
    -c*) echo "$PWD/run";;
    *--follow*) until [ -e run/over ]; do sleep 0.01; done; exit "$(cat run/over)";;
esac
"""
RUN = """
trap 'echo 0 > run/over.new; mv run/over.new run/over; exit' USR1
printf '{"state":"training","pid":%s,"host":"here"}' $$ > run/status.json
while :; do sleep 0.01; done
"""


@pytest.fixture
def cluster(tmp_path: Path) -> Path:
    if shutil.which("bash") is None:
        pytest.skip("no bash here")
    folder = tmp_path / "a folder"
    (folder / "run").mkdir(parents=True)
    for name, script in (("python", PYTHON), ("scontrol", '#!/bin/bash\necho "$@" > requeued\n')):
        (folder / name).write_text(script)
        (folder / name).chmod(0o755)
    return folder


def script_of(folder: Path, **more: str) -> str:
    variables = {"SUIRON_HOME": "/some where", "HF_TOKEN": "secret"}
    return slurm_script(
        folder / "spec.toml",
        "my run; rm",
        python=str(folder / "python"),
        folder=folder,
        variables=variables,
        **more,  # type: ignore[arg-type]
    )


def start(folder: Path) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}", "SLURM_JOB_ID": "42"}
    return subprocess.Popen(["bash", "-c", script_of(folder)], env=environment)


def until_follows(folder: Path) -> None:
    end = time.monotonic() + 60
    while not (folder / "asked").exists() or "--follow" not in (folder / "asked").read_text():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_the_script_says_what_slurm_must_know_and_no_token(cluster: Path) -> None:
    script = script_of(cluster, options="--force")
    for line in ("--signal=B:USR1@60", "--requeue", "--gpus-per-node=1", "--job-name=my-run-rm"):
        assert f"#SBATCH {line}\n" in script
    assert "export SUIRON_HOME='/some where'\n" in script and "secret" not in script
    assert "--resume auto --force)" in script
    assert subprocess.run(["bash", "-n", "-c", script]).returncode == 0


def test_a_warning_reaches_the_run_and_the_job_is_queued_again(cluster: Path) -> None:
    run = subprocess.Popen(["bash", "-c", RUN], cwd=cluster)
    end = time.monotonic() + 60
    while not (cluster / "run/status.json").exists() or not (cluster / "run/status.json").read_text().endswith("}"):
        assert time.monotonic() < end
        time.sleep(0.01)
    job = start(cluster)
    until_follows(cluster)
    job.send_signal(signal.SIGUSR1)
    assert job.wait(60) == 0 and run.wait(60) == 0
    assert (cluster / "requeued").read_text() == "requeue 42\n"


@pytest.mark.parametrize("status", [0, 5])
def test_a_run_that_ends_by_itself_is_not_queued_again(cluster: Path, status: int) -> None:
    job = start(cluster)
    until_follows(cluster)
    (cluster / "run/over.new").write_text(str(status))
    (cluster / "run/over.new").rename(cluster / "run/over")
    assert job.wait(60) == status
    assert not (cluster / "requeued").exists()
    train = (cluster / "asked").read_text().splitlines()[0]
    assert train == f"-m core train {cluster}/spec.toml --resume auto"
