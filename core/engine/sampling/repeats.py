"""Penalties of tokens that would go on with a sequence that stood there before: no-repeat n-gram and DRY.

ids: the rows' sequences, int64, shape (rows, capacity); what lies beyond a row's length is any id. lengths: int64,
shape (rows, 1). All rows at once, on their device, without waiting for the host.
"""

from __future__ import annotations

import torch

LONGEST_MATCH = 50
"""Tokens of a repetition that DRY counts; beyond them the penalty is out of reach of any score."""
_NO_TOKEN = -1


def banned_by_ngram(ids: torch.Tensor, lengths: torch.Tensor, size: int, vocabulary: int) -> torch.Tensor:
    """The tokens that would complete an n-gram of `size` which a row has already: bool, shape (rows, vocabulary)."""
    rows, capacity = ids.shape
    banned = torch.zeros(rows, vocabulary + 1, dtype=torch.bool, device=ids.device)  # the last column takes the others
    if capacity < size:
        return banned[:, :vocabulary]
    windows = ids.unfold(1, size, 1)
    steps = torch.arange(size - 1, device=ids.device)[None]
    tail = ids.gather(1, (lengths - (size - 1) + steps).clamp_min(0))
    ends = torch.arange(windows.shape[1], device=ids.device)[None] + size
    matches = (windows[..., :-1] == tail[:, None]).all(-1) & (ends <= lengths)
    banned.scatter_(1, torch.where(matches, windows[..., -1], vocabulary), True)
    return banned[:, :vocabulary]


def dry_penalty(
    ids: torch.Tensor,
    lengths: torch.Tensor,
    breakers: torch.Tensor,
    settings: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
    vocabulary: int,
) -> torch.Tensor:
    """What DRY takes off each token's score: float32, shape (rows, vocabulary).

    breakers: bool, shape (rows, vocabulary), the tokens at which a repetition ends. settings: multiplier, base and
    allowed length, each of shape (rows, 1). Of several repetitions that a token would go on with, the longest counts.
    """
    rows, capacity = ids.shape
    multiplier, base, allowed = settings
    back = torch.arange(LONGEST_MATCH - 1, -1, -1, device=ids.device)[None]
    places = lengths - 1 - back
    tail = ids.gather(1, places.clamp_min(0))
    tail = tail.masked_fill((places < 0) | breakers.gather(1, tail), _NO_TOKEN - 1)  # equals nothing
    padded = torch.nn.functional.pad(ids, (LONGEST_MATCH - 1, 0), value=_NO_TOKEN)
    same = padded.unfold(1, LONGEST_MATCH, 1) == tail[:, None]
    match = same.flip(-1).to(torch.int32).cumprod(-1).sum(-1)[:, :-1]  # by the place of its last token
    following = ids[:, 1:]
    inside = torch.arange(1, capacity, device=ids.device)[None] < lengths
    counts = inside & (match >= allowed) & ~breakers.gather(1, following)
    amount = torch.where(counts, multiplier * base ** (match - allowed), 0.0)
    taken = torch.zeros(rows, vocabulary, dtype=torch.float32, device=ids.device)
    return taken.scatter_reduce_(1, following, amount.to(torch.float32), "amax")
