"""Makes the sequences of answers from a request: prompt, choice of tokens, limits, text. Knows nothing of sockets or
rows; runs in the thread that owns the model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from core.base.errors import UsageError
from core.engine.answer_reader import AnswerReader
from core.engine.answer_scores import spelled
from core.engine.drafts import AnswerDrafts
from core.engine.openai_api import ChatRequest, CompletionRequest
from core.engine.prompt import chat_prompt
from core.engine.request_choice import request_seed, token_choice
from core.engine.sequence import AnswerSequence
from core.engine.stop_strings import StopStrings
from core.engine.thinking_budget import ThinkingBudget
from core.splitter.splitter import Splitter, StartSection
from core.tokens.encode import encode_prompt

if TYPE_CHECKING:
    from core.models.loading import LoadedModel

_NO_LIMIT = 1 << 20  # tokens of context, for architectures that do not say


def chat_sequences(loaded: LoadedModel, request: ChatRequest, tuned: bool) -> list[AnswerSequence]:
    """The answers to a conversation, in sections. loaded: with the adapter whose templates are meant. tuned: whether it
    answers. Raises UsageError for one that the model cannot be asked."""
    prompt = chat_prompt(loaded, request, tuned)
    most = request.suiron.thinking_budget

    tokenizer, thought = loaded.tokenizer, request.suiron.draft_reasoning
    old = tokenizer.encode(request.draft)[0] if request.draft else []
    if thought:
        old = [*tokenizer.encode(thought)[0], *prompt.closing, *old]

    def reader() -> AnswerReader:
        budget = ThinkingBudget(most, prompt.closing) if most is not None and prompt.closing else None
        return _reader(loaded, request, prompt.splitter(), prompt.start, budget)

    return _sequences(loaded, prompt.ids, request, reader, old=old)


def completion_sequences(loaded: LoadedModel, request: CompletionRequest) -> list[AnswerSequence]:
    """The unchanged continuations of each prompt, markers included; every piece counts as response."""
    made: list[AnswerSequence] = []
    for prompt in request.prompts:
        ids = encode_prompt(prompt, loaded.tokenizer) if isinstance(prompt, str) else prompt
        _check_ids(loaded, ids)
        text = prompt if isinstance(prompt, str) else loaded.tokenizer.decode(prompt)
        echo = text if request.echo else ""
        old = loaded.tokenizer.encode(request.draft)[0] if request.draft else []
        made += _sequences(loaded, ids, request, partial(_reader, loaded, request, None), echo=echo, old=old)
    return made


def _sequences(
    loaded: LoadedModel,
    ids: list[int],
    request: ChatRequest | CompletionRequest,
    reader: Callable[[], AnswerReader],
    *,
    echo: str = "",
    old: Sequence[int] = (),
) -> list[AnswerSequence]:
    """All answers to one prompt. old: the answer that they may be like."""
    context = model_context(loaded.model)
    room = context - len(ids)
    if not ids:
        raise UsageError("the prompt has no tokens", "prompt", "Write an instruction")
    if room < 1:
        what = f"the prompt has {len(ids)} tokens, the model's context has {context}"
        raise UsageError(what, "prompt", "Shorten the instruction or the input")
    seed = request_seed(request)
    return [
        AnswerSequence(
            ids,
            reader(),
            choice=token_choice(request, loaded.tokenizer, seed + number),
            limit=room if request.token_limit is None else min(request.token_limit, room),
            stop_ids=frozenset() if request.ignore_eos else loaded.tokenizer.stop_ids,
            cold=request.suiron.cold,
            echo=echo,
            drafts=AnswerDrafts(old, ids) if old else None,
            spell=None if request.alternatives is None else partial(spelled, tokenizer=loaded.tokenizer),
        )
        for number in range(request.answers)
    ]


def _reader(
    loaded: LoadedModel,
    request: ChatRequest | CompletionRequest,
    splitter: Splitter | None,
    start: StartSection = "undecided",
    budget: ThinkingBudget | None = None,
) -> AnswerReader:
    stops = StopStrings(request.stop_strings, include=request.include_stop_str_in_output)
    return AnswerReader(
        loaded.tokenizer,
        splitter,
        start=start,
        stops=stops if request.stop_strings else None,
        least_tokens=request.min_tokens or 0,
        budget=budget,
        stops_in_loop=request.suiron.on_loop == "stop",
    )


def _check_ids(loaded: LoadedModel, ids: list[int]) -> None:
    """Raises UsageError for an id that is no token of the model."""
    size = loaded.model.config.get_text_config(decoder=True).vocab_size
    if wrong := [id for id in ids if id >= size]:
        what = f"{wrong[0]} is no token of the model, which has {size:,}"
        raise UsageError(what, "prompt", "Use ids of this model's tokenizer")


def model_context(model: Any) -> int:
    """The tokens that the model's positions reach."""
    return int(getattr(model.config.get_text_config(decoder=True), "max_position_embeddings", None) or _NO_LIMIT)
