"""A script for Slurm (`sbatch`) that trains a specification, is told a minute before its time is over, and goes on
where it was when it is started again.

Slurm signals the shell alone (`B:`). The shell hands the signal on to the run, which saves a checkpoint and ends within
25 seconds, and asks Slurm to queue the job once more. `train --resume auto` then finds the run again.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path

WARNING_SECONDS = 60  # before Slurm ends the job
_CARRIED = ("SUIRON_HOME", "SUIRON_CACHE", "SUIRON_CONFIG", "SUIRON_HUB", "HF_HOME", "HF_HUB_OFFLINE")
"""Variables that say where files are. Tokens are not carried into a file."""
_SCRIPT = """\
#!/bin/bash
#SBATCH --job-name={name}
#SBATCH --output={name}-%j.log
#SBATCH --open-mode=append
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --gpus-per-node={gpus}
#SBATCH --signal=B:USR1@{seconds}
#SBATCH --requeue
# Add what your cluster asks for, for example:
##SBATCH --time=04:00:00
##SBATCH --cpus-per-task=8
##SBATCH --mem=64G

{exports}cd {folder} || exit

again=
tell_run() {{
    again=yes
    pid=$(sed -n 's/.*"pid":\\([0-9]*\\).*/\\1/p' "$home/status.json")
    [ "${{pid:-0}}" -gt 0 ] && kill -USR1 "$pid"
}}
trap tell_run USR1

run=$({python} -m core train {spec} --resume auto{options}) || exit
home=$({python} -c 'import sys; from core.base import folders; print(folders.runs() / sys.argv[1])' "$run") || exit
{python} -m core runs "$run" --follow &
follower=$!
wait "$follower"
status=$?
if [ -n "$again" ]; then  # the signal ended the wait early
    wait "$follower"
    status=$?
fi
if [ -n "$again" ] && [ "$status" -eq 0 ]; then
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$status"
"""


def slurm_script(
    spec: Path, name: str, *, python: str, folder: Path, variables: Mapping[str, str], gpus: int = 1, options: str = ""
) -> str:
    """The script for the specification in the file `spec`.

    name: the run's. python: the interpreter. folder: from where it imports `core`. variables: of the environment, of
    which those that say where files are go into the script. options: more for `train`.
    """
    exports = "".join(f"export {key}={shlex.quote(variables[key])}\n" for key in _CARRIED if variables.get(key))
    return _SCRIPT.format(
        name=re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-") or "run",
        gpus=gpus,
        seconds=WARNING_SECONDS,
        exports=exports,
        folder=shlex.quote(str(folder)),
        python=shlex.quote(python),
        spec=shlex.quote(str(spec.absolute())),
        options=f" {options}" if options else "",
    )
