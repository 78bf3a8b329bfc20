"""From a request's fields to the settings with which tokens are chosen. Knows requests and a tokenizer."""

from __future__ import annotations

import secrets
from functools import lru_cache

from core.engine.openai_requests import DRY_BREAKERS, AnyRequest
from core.engine.sampling.token_choice import DryPenalty, TokenChoice
from core.tokens.tokenizer import TextTokenizer


def request_seed(request: AnyRequest) -> int:
    """The seed of the request's first answer: its own, or a drawn one. Further answers have the seeds after it."""
    return secrets.randbits(32) if request.seed is None else request.seed


def token_choice(request: AnyRequest, tokenizer: TextTokenizer, seed: int) -> TokenChoice:
    """How the request wants the tokens of an answer to be chosen. seed: of this answer."""
    least = request.min_tokens or 0
    return TokenChoice(
        temperature=_or(request.temperature, 1.0),
        top_p=_or(request.top_p, 1.0),
        seed=seed,
        top_k=max(0, request.top_k or 0),
        min_p=request.min_p or 0.0,
        repetition_penalty=_or(request.repetition_penalty, 1.0),
        presence_penalty=request.presence_penalty or 0.0,
        frequency_penalty=request.frequency_penalty or 0.0,
        no_repeat_ngram=request.no_repeat_ngram_size or 0,
        dry=_dry(request, tokenizer),
        bias=tuple((int(token), amount) for token, amount in (request.logit_bias or {}).items() if amount),
        min_tokens=least,
        stop_ids=tuple(sorted(tokenizer.stop_ids)) if least else (),
        alternatives=request.alternatives,
    )


def _dry(request: AnyRequest, tokenizer: TextTokenizer) -> DryPenalty | None:
    if not request.dry_multiplier:
        return None
    breakers = request.dry_sequence_breakers
    return DryPenalty(
        multiplier=request.dry_multiplier,
        base=_or(request.dry_base, 1.75),
        allowed_length=request.dry_allowed_length or 2,
        breakers=breaker_ids(tokenizer, DRY_BREAKERS if breakers is None else tuple(breakers)),
    )


@lru_cache(maxsize=64)
def breaker_ids(tokenizer: TextTokenizer, texts: tuple[str, ...]) -> tuple[int, ...]:
    """The tokens in which each of the texts ends behind a word, as text-generation-webui takes them."""
    return tuple(sorted({tokenizer.encode(f"a{text}")[0][-1] for text in texts}))


def _or(value: float | None, usual: float) -> float:
    return usual if value is None else value
