"""Makes the sequence of an answer from a request: prompt, choice of tokens, limits, text. Knows nothing of sockets or
rows; runs in the thread that owns the model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from core.base.errors import UsageError
from core.engine.answer_text import AnswerText
from core.engine.openai_api import ChatRequest, CompletionRequest
from core.engine.prompt import chat_prompt
from core.engine.request_choice import request_seed, token_choice
from core.engine.sequence import AnswerSequence
from core.splitter.splitter import Splitter
from core.tokens.encode import encode_prompt

if TYPE_CHECKING:
    from core.models.loading import LoadedModel

_NO_LIMIT = 1 << 20  # tokens of context, for architectures that do not say


def chat_sequence(loaded: LoadedModel, request: ChatRequest, tuned: bool) -> AnswerSequence:
    """The answer to a conversation, in sections. loaded: with the adapter whose templates are meant. tuned: whether it
    answers. Raises UsageError for one that the model cannot be asked."""
    prompt = chat_prompt(loaded, request, tuned)
    return _sequence(loaded, prompt.ids, request, prompt.splitter)


def completion_sequence(loaded: LoadedModel, request: CompletionRequest) -> AnswerSequence:
    """The unchanged continuation of the prompt, markers included; every piece counts as response."""
    return _sequence(loaded, encode_prompt(request.text, loaded.tokenizer), request, None)


def _sequence(
    loaded: LoadedModel,
    ids: list[int],
    request: ChatRequest | CompletionRequest,
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
        choice=token_choice(request, loaded.tokenizer, request_seed(request)),
        limit=room if request.token_limit is None else min(request.token_limit, room),
        stop_ids=frozenset() if request.ignore_eos else loaded.tokenizer.stop_ids,
        cold=request.suiron.cold,
    )


def model_context(model: Any) -> int:
    """The tokens that the model's positions reach."""
    return int(getattr(model.config.get_text_config(decoder=True), "max_position_embeddings", None) or _NO_LIMIT)
