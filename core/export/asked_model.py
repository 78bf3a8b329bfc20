"""Asks a model: greedy answers, and how far another model's next tokens are from them. Imports torch late.

Written against transformers alone, so that it says the same of every model that loads, whatever serves it later.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec

BATCH = 32
TOP = 1024
"""How many of the run's likeliest tokens are compared one by one."""


class NextTokens(msgspec.Struct, frozen=True):
    """The probabilities of the next token at each place of one answer."""

    ids: Any
    """The likeliest tokens, int64, shape (tokens, TOP or fewer)."""
    logs: Any
    """The natural logarithms of their probabilities, float32, same shape."""
    rest: Any
    """That of all others together, float32, shape (tokens,)."""


def greedy_answers(
    model: Any,
    prompts: Sequence[Sequence[int]],
    stops: frozenset[int],
    most: int,
    on_step: Callable[[int], None] = lambda done: None,
) -> list[list[int]]:
    """The ids that `model` continues each prompt with, always the likeliest, up to and with a stop, or `most` ids.
    on_step: gets how many answers are done, after each token; it may raise."""
    import torch

    answers: list[list[int]] = [[] for _ in prompts]
    order = sorted(range(len(prompts)), key=lambda index: len(prompts[index]))
    with torch.inference_mode():
        for start in range(0, len(order), BATCH):
            chosen = order[start : start + BATCH]
            steps = _continue(
                model, [prompts[index] for index in chosen], [answers[index] for index in chosen], stops, most
            )
            for done in steps:
                on_step(start + done)
    return answers


def _continue(
    model: Any, prompts: list[Sequence[int]], answers: list[list[int]], stops: frozenset[int], most: int
) -> Iterator[int]:
    """Append to `answers`, and yield after each token how many are done."""
    from core.models.padded_rows import PaddedRows

    rows = PaddedRows(model, pad=0)
    done = [False] * len(prompts)
    scores = rows.start(prompts)
    for count in range(1, most + 1):
        chosen = scores.float().argmax(-1)
        for index, token in enumerate(chosen.tolist()):
            if not done[index]:
                answers[index].append(token)
                done[index] = token in stops
        yield sum(done)
        if all(done):
            return
        if count < most:
            scores = rows.append(chosen)
    yield len(prompts)


@contextlib.contextmanager
def largest_activation(model: Any) -> Iterator[Callable[[], float]]:
    """Watches `model` while the block runs. Gives a function that says the largest size of a number that one of its
    layers has taken or given so far; infinite where one was no finite number."""
    import torch

    largest: dict[Any, Any] = {}  # by device: read once, at the end

    def look(_: Any, given: Any, made: Any) -> None:
        for value in (*(given if isinstance(given, tuple) else ()), *(made if isinstance(made, tuple) else (made,))):
            if torch.is_tensor(value) and value.is_floating_point() and value.numel():
                size = value.detach().abs().amax().double()
                known = largest.get(value.device)
                largest[value.device] = size if known is None else torch.maximum(known, size)

    hooks = [module.register_forward_hook(look) for module in model.modules()]
    try:
        yield lambda: max((_finite(size.item()) for size in largest.values()), default=0.0)
    finally:
        for hook in hooks:
            hook.remove()


def _finite(size: float) -> float:
    return size if size == size else float("inf")


def next_tokens(model: Any, prompt: Sequence[int], answer: Sequence[int]) -> NextTokens:
    """What `model` expects at each place of `answer`, after `prompt`."""
    import torch

    logs = _logs(model, prompt, answer)
    top, ids = logs.topk(min(TOP, logs.shape[-1]), dim=-1)
    rest = torch.log1p(-top.exp().sum(-1).clamp(max=1 - 1e-7))
    return NextTokens(ids.cpu(), top.float().cpu(), rest.float().cpu())


def distances(model: Any, prompt: Sequence[int], answer: Sequence[int], expected: NextTokens) -> list[float]:
    """The Kullback-Leibler distance of `model` from `expected` at each place of `answer`, in nats: over the tokens of
    `expected`, with all others as one."""
    import torch

    logs = _logs(model, prompt, answer)
    mine = logs.gather(-1, expected.ids.to(logs.device))
    rest = torch.log1p(-mine.exp().sum(-1).clamp(max=1 - 1e-7))
    theirs, theirs_rest = expected.logs.to(mine), expected.rest.to(mine)
    apart = (theirs.exp() * (theirs - mine)).sum(-1) + theirs_rest.exp() * (theirs_rest - rest)
    return [max(0.0, distance) for distance in apart.tolist()]


def _logs(model: Any, prompt: Sequence[int], answer: Sequence[int]) -> Any:
    """Logarithms of probabilities in float64, shape (tokens of the answer, vocabulary)."""
    import torch

    with torch.inference_mode():
        ids = torch.tensor([[*prompt, *answer[:-1]]], device=model.device)
        logits = model(input_ids=ids, logits_to_keep=len(answer), use_cache=False).logits[0]
        return torch.log_softmax(logits.double(), dim=-1)
