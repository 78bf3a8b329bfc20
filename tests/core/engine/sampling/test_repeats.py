"""DRY beside a plain reading of its definition, token by token."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core.engine.sampling.repeats import LONGEST_MATCH, dry_penalty

VOCABULARY = 8


def plain_dry(ids: list[int], multiplier: float, base: float, allowed: int, breakers: set[int]) -> list[float]:
    """The definition: for each earlier place of the last token, how far both ends agree; the token that followed
    there is penalised."""
    taken = [0.0] * VOCABULARY
    if not ids or ids[-1] in breakers:
        return taken
    for place in range(len(ids) - 1):
        match = 0
        while match < LONGEST_MATCH and match <= place and ids[place - match] == ids[-1 - match]:
            if ids[-1 - match] in breakers:
                break
            match += 1
        following = ids[place + 1]
        if match >= allowed and following not in breakers:
            taken[following] = max(taken[following], multiplier * base ** (match - allowed))
    return taken


@given(
    st.lists(st.lists(st.integers(0, VOCABULARY - 1), max_size=60), min_size=1, max_size=3),
    st.floats(0.1, 2.0),
    st.floats(1.0, 2.0),
    st.integers(1, 5),
    st.sets(st.integers(0, VOCABULARY - 1), max_size=2),
)
@settings(max_examples=120, deadline=None)
def test_dry_is_its_definition(
    sequences: list[list[int]], multiplier: float, base: float, allowed: int, breakers: set[int]
) -> None:
    rows = len(sequences)
    ids = torch.randint(0, VOCABULARY, (rows, 70), generator=torch.Generator().manual_seed(3))
    for row, sequence in enumerate(sequences):
        ids[row, : len(sequence)] = torch.tensor(sequence, dtype=torch.int64)
    mask = torch.zeros(rows, VOCABULARY, dtype=torch.bool)
    mask[:, list(breakers)] = True
    lengths = torch.tensor([[len(sequence)] for sequence in sequences])
    values = (torch.full((rows, 1), multiplier), torch.full((rows, 1), base), torch.full((rows, 1), float(allowed)))
    ours = dry_penalty(ids, lengths, mask, values, VOCABULARY)
    for row, sequence in enumerate(sequences):
        wanted = plain_dry(sequence, multiplier, base, allowed, breakers)
        assert ours[row].tolist() == pytest.approx(wanted, rel=1e-3)


def test_a_long_repetition_is_counted_to_its_bound_only() -> None:
    ids = torch.tensor([[1, 2] * 80])
    settings_ = (torch.ones(1, 1), torch.full((1, 1), 2.0), torch.full((1, 1), 2.0))
    taken = dry_penalty(ids, torch.tensor([[160]]), torch.zeros(1, 4, dtype=torch.bool), settings_, 4)
    assert taken[0].tolist() == [0.0, 2.0 ** (LONGEST_MATCH - 2), 0.0, 0.0]
