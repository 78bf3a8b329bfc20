"""The trial of a path: eight tokens beside the plain step, before anybody is answered through it."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from core.base.errors import SuironError
from core.engine.steps.choose_tokens import best_tokens
from core.engine.steps.plain_step import PlainStep
from core.engine.steps.rows import RowStep
from core.engine.steps.step import StepVerdict

TOKENS = 8
"""Tokens that are compared."""
FARTHEST = 0.25
"""How far the scores of two paths may lie apart at all, in standard deviations of all scores. At 7B with random
weights in NF4, where rounding weighs most, paths that are both right lie about 0.09 apart."""
TIE = 4.0
"""Two tokens may swap places where they lie no further apart than this many times the distance of the paths."""


def try_step(candidate: RowStep, plain: PlainStep, ids: Sequence[int]) -> StepVerdict:
    """Feed both steps `ids` and then the plain step's tokens, and compare the best tokens. Both rows 0 are released.

    A token counts as the same where it is, or where the distance of the paths' scores explains why it is not.
    """
    try:
        for step in (candidate, plain):
            step.release(0)
            step.prefill(0, ids)
        for count in range(TOKENS):
            candidate.tokens[0] = plain.tokens[0]
            candidate.advance()
            plain.advance()
            if why := _difference(candidate.scores(0), plain.scores(0), count):
                return StepVerdict(candidate.path, False, why)
    except (SuironError, RuntimeError) as error:
        line = str(error).strip().splitlines()
        return StepVerdict(candidate.path, False, f"its trial failed ({line[0] if line else type(error).__name__})")
    finally:
        candidate.release(0)
        plain.release(0)
    return StepVerdict(candidate.path, True)


def _difference(ours: torch.Tensor, theirs: torch.Tensor, count: int) -> str:
    """How token number `count` differs, as a clause; empty where it does not."""
    our_best, their_best = (int(best_tokens(scores[None])) for scores in (ours, theirs))
    if our_best < 0 or their_best < 0:
        return "its scores are no numbers"
    spread = float(theirs.std())
    apart = float((ours - theirs).pow(2).mean().sqrt()) / spread
    if apart > FARTHEST:
        return f"the scores of token {count + 1} of its trial lie {apart:.2f} standard deviations from the plain step's"
    if float(theirs[their_best] - theirs[our_best]) / spread <= TIE * apart:
        return ""
    return f"token {count + 1} of its trial was {our_best} where the plain step chose {their_best}"
