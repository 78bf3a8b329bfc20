"""Makes the sequence of an answer from a request: prompt, choice of tokens, limits, text. Knows nothing of sockets or
rows; runs in the thread that owns the model."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from core.base.errors import UsageError
from core.engine.answer_text import AnswerText
from core.engine.openai_api import ChatRequest, CompletionRequest
from core.engine.prompt import chat_prompt
from core.engine.sequence import AnswerSequence
from core.engine.steps.step import TokenChoice
from core.splitter.splitter import Splitter
from core.tokens.encode import encode_prompt

if TYPE_CHECKING:
    from core.models.loading import LoadedModel

_NO_LIMIT = 1 << 20  # tokens of context, for architectures that do not say


def chat_sequence(loaded: LoadedModel, request: ChatRequest, tuned: bool) -> AnswerSequence:
    """The answer to a conversation, in sections. loaded: with the adapter whose templates are meant. tuned: whether it
    answers. Raises UsageError for one that the model cannot be asked."""
    ids, splitter = chat_prompt(loaded, request, tuned)
    limit = request.max_tokens if request.max_completion_tokens is None else request.max_completion_tokens
    return _sequence(loaded, ids, request, limit, splitter)


def completion_sequence(loaded: LoadedModel, request: CompletionRequest) -> AnswerSequence:
    """The unchanged continuation of the prompt, markers included; every piece counts as response."""
    return _sequence(loaded, encode_prompt(request.text, loaded.tokenizer), request, request.max_tokens, None)


def _sequence(
    loaded: LoadedModel,
    ids: list[int],
    request: ChatRequest | CompletionRequest,
    limit: int | None,
    splitter: Splitter | None,
) -> AnswerSequence:
    context = model_context(loaded.model)
    room = context - len(ids)
    if not ids:
        raise UsageError("the prompt has no tokens", "prompt", "Write an instruction")
    if room < 1:
        what = f"the prompt has {len(ids)} tokens, the model's context has {context}"
        raise UsageError(what, "prompt", "Shorten the instruction or the input")
    return AnswerSequence(
        ids,
        AnswerText(loaded.tokenizer, splitter),
        choice=token_choice(request),
        limit=room if limit is None else min(limit, room),
        stop_ids=loaded.tokenizer.stop_ids,
        cold=request.suiron.cold,
    )


def token_choice(request: ChatRequest | CompletionRequest) -> TokenChoice:
    """How the request wants tokens to be chosen. Without a seed it draws one."""
    return TokenChoice(
        temperature=1.0 if request.temperature is None else request.temperature,
        top_p=1.0 if request.top_p is None else request.top_p,
        seed=secrets.randbits(32) if request.seed is None else request.seed,
    )


def model_context(model: Any) -> int:
    """The tokens that the model's positions reach."""
    return int(getattr(model.config.get_text_config(decoder=True), "max_position_embeddings", None) or _NO_LIMIT)
