"""The machine as one rank of a run uses it: its GPU, or its cores. Imports torch late."""

from __future__ import annotations

import os

from core.base import files, folders
from core.base.cpu_cores import available_cores
from core.runs.cuda_devices import visible_gpus
from core.runs.process import JobProcess
from core.runs.spec import RunSpec
from core.runs.spec_checks import check_for_device
from core.training.rank_place import RankPlace

_NICE = 10  # on a CPU the run uses every core; the terminal has priority


def prepare_machine(job: JobProcess, spec: RunSpec, place: RankPlace) -> int:
    """Use one GPU, that of this rank: with more of them visible, the trainer would split every batch. Without a GPU,
    use the cores at a low priority. Returns the threads that torch computes with.

    Called before torch is imported: torch reads the variable once, and its threads inherit the priority. Raises
    RunError for settings that cannot work on this device.
    """
    # Where the programs of train.report_to write, unless the user says otherwise.
    if job.writes:
        os.environ.setdefault("TENSORBOARD_LOGGING_DIR", str(job.run.path / "results" / "tensorboard"))
        os.environ.setdefault("WANDB_DIR", str(files.private_dir(job.run.path / "results")))
    else:  # two processes must not compile into the same folder at once
        compiled = folders.cache() / f"unsloth_compiled_{place.rank}"
        os.environ.setdefault("UNSLOTH_COMPILE_LOCATION", str(compiled))
    there = len(visible_gpus())
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    gpus = visible.split(",") if visible is not None else [str(gpu) for gpu in range(place.local + 1)]
    os.environ["CUDA_VISIBLE_DEVICES"] = gpus[place.local] if place.local < len(gpus) else gpus[0]
    from core.models.backend import prepare_imports

    prepare_imports()
    import torch

    has_cuda = torch.cuda.is_available()
    for words in check_for_device(spec, has_cuda, job.run.id, there):
        if not job.started_before:
            job.event("note", words)
    if not has_cuda:
        os.nice(_NICE)
        cores = max(1, available_cores() // place.local_count)
        torch.set_num_threads(spec.train.threads or cores)
    return torch.get_num_threads()
