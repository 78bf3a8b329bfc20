"""The settings with which a row's tokens are chosen. Light: no torch.

The order of operations, which is also the order of the fields' effects: logit bias, the ban of early ends, repetition
penalty, frequency and presence penalty, DRY, no-repeat n-gram; at temperature 0 the best token of these scores is
taken. Else they are divided by the temperature and cut to top-k, then to top-p of what is left, then by min-p, and a
token is drawn. Log-probabilities are those of the raw scores, before all of this.
"""

from __future__ import annotations

import msgspec

GREEDY_BELOW = 1e-4
"""A smaller temperature divides the scores beyond the range of a float; the limit it approaches is greedy."""
MOST_ALTERNATIVES = 20
"""The most alternatives of a token whose log-probabilities are given, as in OpenAI's API."""


class DryPenalty(msgspec.Struct, frozen=True):
    """The DRY penalty ("don't repeat yourself", by p-e-w for text-generation-webui): a token that would make the end of
    the sequence longer that stood there before loses `multiplier * base ** (match - allowed_length)`."""

    multiplier: float
    """The penalty of a repetition that has just the allowed length, above 0."""
    base: float = 1.75
    """The factor for every further token, at least 1."""
    allowed_length: int = 2
    """Tokens of the shortest repetition that is penalised, at least 1."""
    breakers: tuple[int, ...] = ()
    """Tokens at which a repetition ends, such as a line end."""


class TokenChoice(msgspec.Struct, frozen=True):
    """How a row's tokens are chosen from the scores."""

    temperature: float = 0.0
    """Divides the scores; 0 takes the best token."""
    top_p: float = 1.0
    """Only the most likely tokens that together have this probability are drawn from."""
    seed: int = 0
    """With the same seed, a position draws the same noise, on every path."""
    top_k: int = 0
    """Only this many most likely tokens (and those that equal the last of them) are drawn from; 0: all."""
    min_p: float = 0.0
    """Only tokens of at least this share of the best one's probability are drawn from."""
    repetition_penalty: float = 1.0
    """Divides positive and multiplies negative scores of tokens in prompt or answer (Keskar et al., 2019)."""
    presence_penalty: float = 0.0
    """Taken off the score of a token that the answer has."""
    frequency_penalty: float = 0.0
    """Taken off a token's score as many times as the answer has it."""
    no_repeat_ngram: int = 0
    """No sequence of so many tokens occurs twice in prompt and answer; 0: any may."""
    dry: DryPenalty | None = None
    """The DRY penalty over prompt and answer; None: none."""
    bias: tuple[tuple[int, float], ...] = ()
    """Tokens and what is added to their scores."""
    min_tokens: int = 0
    """`stop_ids` are not chosen before the answer has so many tokens."""
    stop_ids: tuple[int, ...] = ()
    """Tokens that end an answer; only with `min_tokens`."""
    alternatives: int | None = None
    """Log-probabilities are given for the chosen token and so many of the best, 0 to 20; None: none are."""

    @property
    def is_greedy(self) -> bool:
        """Whether the best token is taken, after the penalties."""
        return self.temperature < GREEDY_BELOW

    @property
    def needs_history(self) -> bool:
        """Whether the choice depends on the tokens before."""
        return bool(
            self.repetition_penalty != 1.0
            or self.presence_penalty
            or self.frequency_penalty
            or self.no_repeat_ngram
            or self.dry is not None
        )

    @property
    def changes_scores(self) -> bool:
        """Whether the scores are changed before the best token is looked for."""
        return bool(self.needs_history or self.bias or (self.min_tokens and self.stop_ids))

    @property
    def takes_best_score(self) -> bool:
        """Whether the token with the best raw score is taken and nothing else is asked: a step needs no further work
        on the scores."""
        return self.is_greedy and not self.changes_scores and self.alternatives is None


GREEDY = TokenChoice()


class TokenScores(msgspec.Struct, frozen=True):
    """How likely a token was, by the scores of the model before penalties and temperature."""

    token: int
    """The token."""
    log_probability: float
    """Its natural log-probability."""
    alternatives: tuple[tuple[int, float], ...]
    """The best tokens and their log-probabilities, the best first."""
