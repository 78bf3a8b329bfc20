"""Chooses tokens on the device, for several rows at once, without waiting for the host.

The noise of a draw depends on the row's seed, the token's position and the token alone: an answer that is continued,
re-asked or advanced beside others draws what it would have drawn alone. The history that penalties need is kept as ids
on the device and counted anew for each token: that costs less than the scores' own softmax, and a cut row needs no
repair.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch

from core.engine.sampling.cuts import cut_by_share, cut_to_most_likely
from core.engine.sampling.device_tensor import device_tensor
from core.engine.sampling.noise import SEED_MASK, exponential_noise, token_noise
from core.engine.sampling.penalties import count_penalised, repetition_penalised, token_counts
from core.engine.sampling.repeats import banned_by_ngram, dry_penalty
from core.engine.sampling.token_choice import GREEDY, GREEDY_BELOW, DryPenalty, TokenChoice

__all__ = ["NOT_A_TOKEN", "ChoiceRows", "best_tokens", "exponential_noise"]

NOT_A_TOKEN = -1
"""Stands for a token where the scores are no numbers."""

_OUT = float("-inf")
_SMALLEST_HISTORY = 1024
_COLUMNS = (
    "temperature",
    "top_p",
    "min_p",
    "repetition_penalty",
    "presence_penalty",
    "frequency_penalty",
    "dry_multiplier",
    "dry_base",
    "dry_allowed_length",
)
_NO_DRY = DryPenalty(multiplier=0.0, base=1.0, allowed_length=1)


class ChoiceRows:
    """The choices of all rows, on the device."""

    def __init__(self, rows: int, device: torch.device) -> None:
        self._choices = [GREEDY] * rows
        self._device = device
        self._settings = torch.zeros(rows, len(_COLUMNS), dtype=torch.float32, device=device)
        self._whole = torch.zeros(rows, 4, dtype=torch.int64, device=device)
        """Seed, top-k, where the answer begins, and 1 where the row's history is kept."""
        self._ids = torch.zeros(rows, 0, dtype=torch.int64, device=device)
        self._breakers: torch.Tensor | None = None
        for row in range(rows):
            self.set(row, GREEDY)

    def set(self, row: int, choice: TokenChoice, history: Sequence[int] = (), answered: int = 0) -> None:
        """Choose row `row`'s tokens like this from now on. history: the tokens that it holds; the last `answered` of
        them are the model's own."""
        self._choices[row] = choice
        dry = choice.dry or _NO_DRY
        self._settings[row] = device_tensor(
            [
                choice.temperature,
                choice.top_p,
                choice.min_p,
                choice.repetition_penalty,
                choice.presence_penalty,
                choice.frequency_penalty,
                dry.multiplier,
                dry.base,
                dry.allowed_length,
            ],
            self._device,
            torch.float32,
        )
        start = len(history) - answered
        whole = [choice.seed & SEED_MASK, choice.top_k, start, int(choice.needs_history)]
        self._whole[row] = device_tensor(whole, self._device)
        if choice.needs_history:
            self._make_room(len(history) + 1)
            self._ids[row, : len(history)] = device_tensor(history, self._device, torch.int64)
        if self._breakers is not None:
            self._set_breakers(self._breakers, row)

    def takes_best_scores(self, rows: Iterable[int]) -> bool:
        """Whether all of `rows` take the token of the best raw score, and nothing else is asked."""
        return all(self._choices[row].takes_best_score for row in rows)

    def needs_history(self, rows: Iterable[int]) -> bool:
        """Whether a choice of `rows` depends on the tokens before; then `record` tells them."""
        return any(self._choices[row].needs_history for row in rows)

    def wants_scores(self, rows: Iterable[int]) -> bool:
        """Whether log-probabilities are asked for in one of `rows`."""
        return any(self._choices[row].alternatives is not None for row in rows)

    def alternatives(self, row: int) -> int | None:
        """How many alternatives the row's log-probabilities have; None where none are asked for."""
        return self._choices[row].alternatives

    def record(self, tokens: torch.Tensor, lengths: Sequence[int]) -> None:
        """Tell what each row is fed. tokens: shape (rows,). lengths: what each row held before. What is written beyond
        the history of a row that is not advanced is overwritten later."""
        self._make_room(max(lengths) + 1)
        places = device_tensor(lengths, self._device)[:, None]
        self._ids.scatter_(1, places, tokens.to(torch.int64).clamp_min(0)[:, None])

    def choose(self, scores: torch.Tensor, rows: slice, positions: torch.Tensor) -> torch.Tensor:
        """The next token of each row of `rows`. scores: float32, shape (rows, vocabulary). positions: the place in its
        sequence that each token will take, shape (rows,). Returns int64, shape (rows,).

        Where penalties and bans leave no token, the best one of the raw scores is taken.
        """
        raw_best = best = best_tokens(scores)
        choices = self._choices[rows]
        if any(choice.changes_scores for choice in choices):
            scores = self._penalised(scores, rows, positions)
            best = torch.where(scores.amax(-1) > _OUT, scores.argmax(-1), raw_best)
        if all(choice.is_greedy for choice in choices):
            return torch.where(raw_best == NOT_A_TOKEN, raw_best, best)
        whole = self._whole[rows]
        seeds, top_k = whole[:, :1], whole[:, 1:2]
        temperature = self._column("temperature", rows)
        scores = scores / temperature.clamp_min(GREEDY_BELOW)
        cuts = any(choice.top_k or choice.top_p < 1.0 for choice in choices)
        if cuts:
            scores = cut_to_most_likely(scores, top_k, self._column("top_p", rows))
        if any(choice.min_p for choice in choices):
            scores = cut_by_share(scores, self._column("min_p", rows))
        drawn = _drawn(scores, seeds, positions[:, None], few=cuts)
        chosen = torch.where(temperature[:, 0] < GREEDY_BELOW, best, drawn)
        return torch.where(raw_best == NOT_A_TOKEN, raw_best, chosen)

    def choose_drafted(self, row: int, scores: torch.Tensor, position: int, drafted: Sequence[int]) -> torch.Tensor:
        """The tokens that the row chooses if it is fed `drafted`: one behind what it holds and one behind each of them,
        int64, shape (drafted + 1,). scores: float32, shape (drafted + 1, vocabulary). position: the tokens it holds.

        They are what `choose` would choose one after the other. The history stays as it was.
        """
        only = slice(row, row + 1)
        if self._choices[row].needs_history:
            self._make_room(position + len(drafted) + 1)
            self._ids[row, position : position + len(drafted)] = device_tensor(drafted, self._device, torch.int64)
        places = torch.arange(position, position + len(drafted) + 1, device=self._device)
        chosen = [
            self.choose(scores[index : index + 1], only, places[index : index + 1]) for index in range(len(places))
        ]
        return torch.cat(chosen)

    def _penalised(self, scores: torch.Tensor, rows: slice, positions: torch.Tensor) -> torch.Tensor:
        """The scores after bias, bans and penalties."""
        choices = self._choices[rows]
        vocabulary = scores.shape[-1]
        scores = self._biased(scores, rows, positions)
        if not any(choice.needs_history for choice in choices):
            return scores
        whole = self._whole[rows]
        lengths = positions[:, None] * whole[:, 3:]
        ids = self._ids[rows]
        if any(choice.repetition_penalty != 1.0 for choice in choices):
            counts = token_counts(ids, torch.zeros_like(lengths), lengths, vocabulary)
            scores = repetition_penalised(scores, counts, self._column("repetition_penalty", rows))
        if any(choice.presence_penalty or choice.frequency_penalty for choice in choices):
            counts = token_counts(ids, whole[:, 2:3], lengths, vocabulary)
            presence, frequency = self._column("presence_penalty", rows), self._column("frequency_penalty", rows)
            scores = count_penalised(scores, counts, presence, frequency)
        if any(choice.dry for choice in choices):
            if self._breakers is None:
                self._breakers = torch.zeros(len(self._choices), vocabulary, dtype=torch.bool, device=self._device)
                for row in range(len(self._choices)):
                    self._set_breakers(self._breakers, row)
            multiplier, base = self._column("dry_multiplier", rows), self._column("dry_base", rows)
            settings = (multiplier, base, self._column("dry_allowed_length", rows))
            scores = scores - dry_penalty(ids, lengths, self._breakers[rows], settings, vocabulary)
        for size in {choice.no_repeat_ngram for choice in choices} - {0}:
            wanted = device_tensor([[choice.no_repeat_ngram == size] for choice in choices], self._device)
            scores = scores.masked_fill(banned_by_ngram(ids, lengths, size, vocabulary) & wanted, _OUT)
        return scores

    def _biased(self, scores: torch.Tensor, rows: slice, positions: torch.Tensor) -> torch.Tensor:
        """The scores after the logit bias, and without the ends of answers that are too short."""
        scores = scores.clone()
        for index, choice in enumerate(self._choices[rows]):
            if choice.bias:
                tokens, amounts = zip(*choice.bias, strict=True)
                places = device_tensor(tokens, self._device)
                scores[index].index_add_(0, places, device_tensor(amounts, self._device, scores.dtype))
            if choice.min_tokens and choice.stop_ids:
                places = device_tensor(choice.stop_ids, self._device)
                too_short = positions[index] - self._whole[rows][index, 2] < choice.min_tokens
                scores[index, places] = scores[index, places].masked_fill(too_short, _OUT)
        return scores

    def _column(self, name: str, rows: slice) -> torch.Tensor:
        column = _COLUMNS.index(name)
        return self._settings[rows, column : column + 1]

    def _make_room(self, length: int) -> None:
        capacity = max(self._ids.shape[1], _SMALLEST_HISTORY)
        while capacity < length:
            capacity *= 2
        if capacity > self._ids.shape[1]:
            old = self._ids
            self._ids = torch.zeros(len(self._choices), capacity, dtype=torch.int64, device=self._device)
            self._ids[:, : old.shape[1]] = old

    def _set_breakers(self, breakers: torch.Tensor, row: int) -> None:
        dry = self._choices[row].dry
        breakers[row] = False
        if dry is not None and dry.breakers:
            breakers[row, device_tensor(dry.breakers, self._device)] = True


def _drawn(scores: torch.Tensor, seeds: torch.Tensor, positions: torch.Tensor, *, few: bool) -> torch.Tensor:
    """A token of each row, drawn by its scores, int64, shape (rows,). few: most scores are minus infinity; on a CPU
    only the others are looked at.

    The exponential race: argmax of p/e with e ~ Exp(1) is i with probability p_i.
    """
    if few and scores.device.type == "cpu":
        winners = []
        for row in range(scores.shape[0]):
            tokens = (scores[row] > _OUT).nonzero()[:, 0]
            race = token_noise(seeds[row : row + 1], positions[row : row + 1], tokens[None])[0]
            place = (torch.softmax(scores[row, tokens], dim=-1) / race).argmax() if len(tokens) else None
            winners.append(torch.tensor(0) if place is None else tokens[place])
        return torch.stack(winners)
    race = exponential_noise(seeds, positions, scores.shape[-1])
    return (torch.softmax(scores, dim=-1) / race).argmax(-1)


def best_tokens(scores: torch.Tensor) -> torch.Tensor:
    """The best token of each row, int64; NOT_A_TOKEN where its scores are not finite. scores: (rows, vocabulary)."""
    best = scores.argmax(-1)  # NaN counts as the greatest, so checking the best one is enough
    finite = torch.isfinite(scores.gather(-1, best[:, None])[:, 0])
    return torch.where(finite, best, torch.full_like(best, NOT_A_TOKEN))
