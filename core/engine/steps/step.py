"""What every decoding step offers: rows of their own lengths, prompts fed in, and one token a row at a time."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Literal, Protocol

import msgspec

from core.engine.sampling.token_choice import GREEDY, TokenChoice, TokenScores

__all__ = ["GREEDY", "Step", "StepPath", "StepVerdict", "TokenChoice", "TokenScores"]

StepPath = Literal["plain", "captured", "fused"]
"""plain: a forward pass of Transformers. captured: the same pass as a CUDA graph. fused: the kernel of our own."""


class StepVerdict(msgspec.Struct, frozen=True):
    """Whether a path can serve a model, with the reason in words."""

    path: StepPath
    """The path."""
    possible: bool
    """Whether it can be used."""
    why: str = ""
    """Why not, as a clause ("it attends to a sliding window"); empty where it can."""


class Step(Protocol):
    """Advances up to `rows` sequences. Row b never reads another row's cache. Not safe for several threads."""

    @property
    def path(self) -> StepPath:
        """The path that this step takes."""
        ...

    @property
    def rows(self) -> int:
        """The most sequences at once."""
        ...

    def length(self, row: int) -> int:
        """Tokens that row `row` has been fed, those of queued steps included."""
        ...

    def prefill(self, row: int, ids: Sequence[int], choice: TokenChoice = GREEDY, *, answered: int = 0) -> None:
        """Feed `ids` (at least one) behind what the row holds and choose its next token; the row is live from now on.

        answered: how many of the row's last tokens are the model's own answer, which goes on; the penalties that count
        only the answer count them. Raises EngineError for no ids, a row out of range, or more tokens than the model's
        context.
        """
        ...

    def force(self, row: int, ids: Sequence[int]) -> None:
        """Feed the row `ids` in the next calls of `advance`, instead of the tokens chosen for it; then the choice goes
        on behind them. They come behind every token that `advance` or `chosen` has told, and behind ids that wait
        already. The row must be live; `prefill` and `cut` drop what waits."""
        ...

    def feed(self, row: int, ids: Sequence[int]) -> None:
        """Feed a part of a prompt; the row does not become live. `prefill` feeds the last part."""
        ...

    def set_adapter(self, row: int, adapter: str | None) -> None:
        """Let the model's adapter of this name (None: the base model) answer in the row from its next prompt on. What
        the row holds of another adapter must be released before."""
        ...

    def chosen(self) -> list[int] | None:
        """The token that each row is fed next, where the host can read it without waiting (on a CPU); else None."""
        ...

    def copy_out(self, row: int) -> Any:
        """The row's cache as a `CacheCopy`; the row stays as it is."""
        ...

    def copy_in(self, row: int, copy: Any) -> None:
        """Let the row hold what a copy holds; it is not live until it is fed. The copy stays as it is."""
        ...

    @property
    def drafts_exactly(self) -> bool:
        """Whether `verify` chooses what single steps would: a pass over several tokens rounds as one over each."""
        ...

    def verify(self, row: int, drafted: Sequence[int]) -> list[int]:
        """Feed a live row its chosen token, which `chosen` has told, and behind it those of `drafted` (at least one)
        that are what it chooses. Returns these and the one it chooses behind them, which it is fed next. Only where
        `drafts_exactly`, where nothing waits that was forced, and without log-probabilities."""
        ...

    def advance(self, without: Collection[int] = ()) -> list[int | None]:
        """Feed each live row the token chosen for it and queue the choice of the next; returns the fed tokens by row,
        None for a row that is not live. On a GPU the host waits for the tokens it returns, not for the queued step.
        without: rows that were verified instead.

        NOT_A_TOKEN (-1) stands for a row whose scores were no numbers; that row is not live any more.
        """
        ...

    def log_probabilities(self, row: int) -> TokenScores | None:
        """Of the token that the last `advance` or `chosen` told for the row; None where its choice asks for none."""
        ...

    def scores(self, row: int) -> Any:
        """The scores of the row's next token, a float32 tensor of shape (vocabulary,) that later calls overwrite."""
        ...

    def cut(self, row: int, length: int) -> int:
        """Keep the row's first `length` tokens at most; it is not live until it is fed again. Returns how many it kept:
        0 where this model's cache cannot be cut."""
        ...

    def release(self, row: int) -> None:
        """Forget the row."""
        ...
