"""A process finds its place among the ranks: by the specification, or by what its launcher says."""

from __future__ import annotations

import pytest

from core.base.errors import RunError
from core.runs.spec import TrainSection
from core.training.rank_place import LOOPBACK, RankPlace, find_rank_place, forget_launcher, variables_of_rank


def test_one_process_is_alone_even_where_a_batch_system_counts_its_tasks() -> None:
    environment = {"SLURM_PROCID": "3", "SLURM_NTASKS": "8", "RANK": "1", "WORLD_SIZE": "2"}
    assert find_rank_place(TrainSection(), environment) == RankPlace()
    first = find_rank_place(TrainSection(gpus=3), environment)
    assert (first.rank, first.count, first.starts_others, first.listens) == (0, 3, True, True)


def test_the_ranks_that_rank_0_starts_know_their_place() -> None:
    variables = variables_of_rank(2, 4, 5000, "run")
    place = find_rank_place(TrainSection(gpus=4), variables)
    assert place == RankPlace(2, 4, 2, 4, LOOPBACK, 5000)
    forget_launcher(variables)
    assert "RANK" not in variables and "WORLD_SIZE" not in variables


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        (
            {"RANK": "9", "WORLD_SIZE": "16", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "8"},
            RankPlace(9, 16, 1, 8, "node0", 29500),
        ),
        (
            {"SLURM_PROCID": "0", "SLURM_NTASKS": "4", "SLURM_LOCALID": "0", "SLURM_NTASKS_PER_NODE": "2"},
            RankPlace(0, 4, 0, 2, "node0", 29500, listens=True),
        ),
    ],
)
def test_on_several_machines_the_launcher_says_it(environment: dict[str, str], expected: RankPlace) -> None:
    assert find_rank_place(TrainSection(machines="node0:29500"), environment) == expected


@pytest.mark.parametrize("environment", [{}, {"RANK": "0"}, {"RANK": "2", "WORLD_SIZE": "2"}])
def test_on_several_machines_a_place_that_is_not_said_is_an_error(environment: dict[str, str]) -> None:
    with pytest.raises(RunError, match="which rank"):
        find_rank_place(TrainSection(machines="node0:29500"), environment)


def test_torchrun_keeps_the_store_itself() -> None:
    environment = {
        "TORCHELASTIC_RUN_ID": "none",
        "TORCHELASTIC_USE_AGENT_STORE": "True",
        "RANK": "0",
        "WORLD_SIZE": "2",
        "MASTER_ADDR": "here",
        "MASTER_PORT": "1234",
    }
    place = find_rank_place(TrainSection(), environment)
    assert (place.address, place.port, place.listens) == ("here", 1234, False)
