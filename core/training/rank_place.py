"""Which of the processes of a run this one is: they are called ranks, as torch calls them. Imports no torch.

A run with `train.gpus` starts its other ranks itself. With `train.machines`, or by `torchrun`, each is started by
somebody else, with its place in the environment.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping

import msgspec

from core.base.errors import RunError
from core.runs.spec import TrainSection

LOOPBACK = "127.0.0.1"
STARTED_BY_FIRST = "SUIRON_RANK_OF_RUN"
"""Set for the ranks that rank 0 starts."""
_RANK, _COUNT = ("RANK", "SLURM_PROCID"), ("WORLD_SIZE", "SLURM_NTASKS")
_LOCAL, _LOCAL_COUNT = ("LOCAL_RANK", "SLURM_LOCALID"), ("LOCAL_WORLD_SIZE", "SLURM_NTASKS_PER_NODE")
_SAID_BY_LAUNCHERS = (
    "RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "GROUP_RANK", "GROUP_WORLD_SIZE", "ROLE_RANK",
    "ROLE_WORLD_SIZE", "PMI_SIZE", "PMI_RANK", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE",
)  # fmt: skip


class RankPlace(msgspec.Struct, frozen=True):
    """The place of this process among those of its run."""

    rank: int = 0
    """Its number, from 0."""
    count: int = 1
    """How many there are."""
    local: int = 0
    """Its number among those of this machine: which of the visible GPUs it uses."""
    local_count: int = 1
    """How many there are on this machine."""
    address: str = LOOPBACK
    """The machine of rank 0."""
    port: int = 0
    """Where rank 0 listens; 0 where it chooses a free port."""
    starts_others: bool = False
    """Whether this is a rank 0 that starts the others itself."""
    listens: bool = False
    """Whether this process opens the port, at which the others find each other."""


def find_rank_place(train: TrainSection, environment: Mapping[str, str]) -> RankPlace:
    """The place that specification and environment give this process. Raises RunError where they do not say it."""
    # `torchrun` says that it is one. Variables that a batch system sets in every job mean nothing by themselves.
    started = "TORCHELASTIC_RUN_ID" in environment or STARTED_BY_FIRST in environment
    if not started and not train.machines:
        count = train.gpus
        return RankPlace(count=count, local_count=count, starts_others=count > 1, listens=count > 1)
    rank, of = _number(environment, _RANK), _number(environment, _COUNT)
    if rank is None or of is None or not 0 <= rank < of:
        what = f"the environment does not say which rank this process is ({' or '.join(_RANK)}, {' or '.join(_COUNT)})"
        raise RunError(what, "train.machines", "Start each process with torchrun or srun, or set RANK and WORLD_SIZE")
    host, _, port = train.machines.rpartition(":")
    address, port = host or environment.get("MASTER_ADDR", LOOPBACK), port or environment.get("MASTER_PORT", "0")
    local, local_count = _number(environment, _LOCAL), _number(environment, _LOCAL_COUNT)
    return RankPlace(
        rank,
        of,
        rank if local is None else local,
        (1 if local is None else of) if local_count is None else local_count,
        address,
        int(port) if port.isdecimal() else 0,
        listens=rank == 0 and environment.get("TORCHELASTIC_USE_AGENT_STORE") != "True",
    )


def variables_of_rank(rank: int, count: int, port: int, run_id: str) -> dict[str, str]:
    """The environment of a rank that rank 0 starts on its machine."""
    return {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(count),
        "LOCAL_WORLD_SIZE": str(count),
        "MASTER_ADDR": LOOPBACK,
        "MASTER_PORT": str(port),
        STARTED_BY_FIRST: run_id,
    }


def forget_launcher(environment: MutableMapping[str, str]) -> None:
    """Remove what launchers say: the libraries would take it as an order to share out batches and wrap the model
    themselves."""
    for name in _SAID_BY_LAUNCHERS:
        environment.pop(name, None)


def _number(environment: Mapping[str, str], names: tuple[str, ...]) -> int | None:
    for name in names:
        text = environment.get(name, "")
        if text.isascii() and text.isdecimal():
            return int(text)
    return None
