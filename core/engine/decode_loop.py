"""The decode loop: token ids in, token ids out, one at a time. Knows nothing of text, prompts or sockets."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Generator, Sequence
from typing import Any, Literal, Protocol

import torch

from core.base.errors import EngineError

# Prompt tokens per forward pass. A stop is obeyed between two passes; on a CPU one takes about a second.
CHUNK_CPU = 256
CHUNK_CUDA = 2048
# A smaller temperature divides the scores beyond the range of a float; the limit it approaches is greedy.
_GREEDY_BELOW = 1e-4
_HEAD = 1024  # most likely tokens, tried before the whole vocabulary is sorted for top-p


class Stepper(Protocol):
    """Feeds a model one sequence, a few tokens at a time, and keeps its state."""

    def feed(self, ids: Sequence[int]) -> torch.Tensor:
        """Append `ids` (at least one) to the sequence; returns the scores of the next token, float32, shape
        (vocabulary,)."""
        ...


class CachedStepper:
    """The plain stepper: one forward pass of a Transformers causal model per call, with the growing cache that the
    model makes."""

    def __init__(self, model: Any) -> None:
        # PEFT's outermost wrapper only adds per-call work: the adapter's layers sit inside the base model.
        self._model = model.get_base_model() if hasattr(model, "get_base_model") else model
        self._device = model.device
        self._cache: Any = None
        self._options: dict[str, Any] = {"use_cache": True, "return_dict": True}
        if "logits_to_keep" in inspect.signature(self._model.forward).parameters:
            # else a prompt of n tokens makes n rows of scores, and only one is used
            self._options["logits_to_keep"] = 1

    def feed(self, ids: Sequence[int]) -> torch.Tensor:
        """See `Stepper`."""
        with torch.inference_mode():
            input_ids = torch.tensor([ids], device=self._device)
            out = self._model(input_ids=input_ids, past_key_values=self._cache, **self._options)
            self._cache = out.past_key_values
            scores: torch.Tensor = out.logits[0, -1].float()
            return scores


class Sampler:
    """Chooses the next token from the scores: the best one at temperature 0, else one drawn from the nucleus of mass
    `top_p` (Holtzman et al., 2020, https://arxiv.org/abs/1904.09751).

    With the same seed, scores and device it draws the same tokens. Without a seed it uses a random one.
    """

    def __init__(
        self, temperature: float = 0.0, top_p: float = 1.0, seed: int | None = None, device: torch.device | str = "cpu"
    ) -> None:
        self.greedy = temperature < _GREEDY_BELOW
        self._temperature, self._top_p = temperature, top_p
        self._generator = torch.Generator(device=device)
        if seed is None:
            self._generator.seed()
        else:
            self._generator.manual_seed(seed)

    def choose(self, scores: torch.Tensor) -> int:
        """The chosen token. scores: float32, shape (vocabulary,). Raises EngineError where they are not finite."""
        with torch.inference_mode():
            best = scores.argmax()  # NaN counts as the greatest, so checking the best one is enough
            if not torch.isfinite(scores[best]):
                raise EngineError(
                    "the model's scores are not numbers",
                    "",
                    "Its weights are damaged or its training diverged: load another model",
                )
            if self.greedy:
                return int(best)
            chances = torch.softmax(scores / self._temperature, dim=-1)
            tokens = None
            if self._top_p < 1.0:
                chances, tokens = _nucleus(chances, self._top_p)
            # The exponential race: argmax of p/e with e ~ Exp(1) is i with probability p_i. It needs no normalising
            # and, unlike multinomial, no wait for the device.
            race = torch.empty_like(chances).exponential_(1.0, generator=self._generator)
            winner = (chances / race).argmax()
            return int(winner if tokens is None else tokens[winner])


def _nucleus(chances: torch.Tensor, top_p: float) -> tuple[torch.Tensor, torch.Tensor]:
    """The fewest most likely tokens whose probabilities add up to `top_p` or more, at least one, most likely first.

    chances: probabilities, float32, shape (vocabulary,). Returns probabilities and token ids, both of shape (kept,).
    """
    head = min(_HEAD, chances.numel())
    values, tokens = torch.topk(chances, head)
    if head < chances.numel() and float(values.sum()) < top_p:
        values, tokens = torch.sort(chances, descending=True)
    before = torch.cumsum(values, dim=-1) - values
    count = max(1, int((before < top_p).sum()))
    return values[:count], tokens[:count]


class Decoding:
    """The decoding of one sequence. Iterate it once for the new tokens (without the end-of-sequence token); then read
    its counts and times."""

    def __init__(
        self,
        stepper: Stepper,
        prompt: Sequence[int],
        sampler: Sampler,
        *,
        limit: int,
        stop_ids: frozenset[int],
        stopped: Callable[[], bool],
        chunk: int,
    ) -> None:
        """limit: the most new tokens. stopped: called between two chunks of the prompt and before every token. chunk:
        prompt tokens per forward pass. Raises EngineError for an empty prompt."""
        if not prompt:
            raise EngineError("the prompt has no tokens", "", "Write an instruction")
        self._stepper, self._prompt, self._sampler = stepper, prompt, sampler
        self._limit, self._stop_ids, self._stopped, self._chunk = limit, stop_ids, stopped, chunk
        self.reason: Literal["end", "length", "stopped"] = "stopped"
        """end: the model wrote one of `stop_ids`. length: `limit` tokens were made. stopped: `stopped()` was true."""
        self.fed = len(prompt)
        """Tokens of the prompt."""
        self.tokens = 0
        """New tokens so far."""
        self.prefill = self.first_token = self.total = 0.0
        """Seconds from feeding the first chunk until the prompt was fed, the first token was chosen, and the end."""

    @property
    def rate(self) -> float:
        """Tokens per second after the first one; for a single token, over the total time. The end-of-sequence token
        counts, because it takes time too."""
        decoded = self.tokens + (self.reason == "end")
        if decoded > 1 and self.total > self.first_token:
            return (decoded - 1) / (self.total - self.first_token)
        return decoded / self.total if self.total > 0 else 0.0

    def __iter__(self) -> Generator[int, None, None]:
        start = time.perf_counter()
        try:
            yield from self._run(start)
        finally:
            self.total = time.perf_counter() - start

    def _run(self, start: float) -> Generator[int, None, None]:
        for first in range(0, len(self._prompt), self._chunk):  # at least once: the prompt has tokens
            if self._stopped():
                return
            scores = self._stepper.feed(self._prompt[first : first + self._chunk])
        if scores.is_cuda:
            torch.cuda.synchronize(scores.device)  # else the clock is read while the device still works
        self.prefill = time.perf_counter() - start
        while not self._stopped():
            token = self._sampler.choose(scores)
            if self.tokens == 0:
                self.first_token = time.perf_counter() - start
            if token in self._stop_ids:
                self.reason = "end"
                return
            self.tokens += 1
            is_last = self.tokens >= self._limit
            if is_last:
                self.reason = "length"
            yield token
            if is_last:
                return
            scores = self._stepper.feed((token,))


def prompt_chunk_size(device: torch.device) -> int:
    """Prompt tokens to feed in one forward pass."""
    return CHUNK_CUDA if device.type == "cuda" else CHUNK_CPU
