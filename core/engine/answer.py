"""Makes the events of an answer from a request: prompt, token ids, decoding, text, sections. Knows nothing of sockets.

`answer_chat` and `answer_completion` check the request and return the answer's iterator; both run in the thread that
owns the model.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import closing, nullcontext
from typing import TYPE_CHECKING, Any

from core.base.errors import UsageError
from core.engine.decode_loop import CachedStepper, Decoding, Sampler, prompt_chunk_size
from core.engine.openai_api import ChatRequest, CompletionRequest
from core.engine.prompt import chat_prompt
from core.engine.protocol import AnswerFinish, AnswerPiece, FinishReason
from core.splitter.splitter import AnswerEnding, Splitter
from core.tokens.detokenizer import Detokenizer
from core.tokens.encode import encode_prompt

if TYPE_CHECKING:
    from core.models.loading import LoadedModel

AnswerEvents = Generator[AnswerPiece | AnswerFinish, None, None]
StopCheck = Callable[[], bool]

_NO_LIMIT = 1 << 20  # tokens of context, for architectures that do not say


def answer_chat(loaded: LoadedModel, request: ChatRequest, tuned: bool, stopped: StopCheck) -> AnswerEvents:
    """The answer to a conversation, in sections. Raises UsageError for one that the model cannot be asked."""
    ids, splitter, _, _ = chat_prompt(loaded, request)
    decoding = _decoding(loaded, ids, request, request.max_completion_tokens or request.max_tokens, stopped)
    return _sections(loaded, decoding, splitter, tuned)


def answer_completion(loaded: LoadedModel, request: CompletionRequest, tuned: bool, stopped: StopCheck) -> AnswerEvents:
    """The unchanged continuation of the prompt, including markers; every piece counts as response."""
    decoding = _decoding(loaded, encode_prompt(request.text, loaded.tokenizer), request, request.max_tokens, stopped)
    return _continuation(loaded, decoding, tuned)


def _decoding(
    loaded: LoadedModel, ids: list[int], request: ChatRequest | CompletionRequest, limit: int | None, stopped: StopCheck
) -> Decoding:
    model, tokenizer = loaded.model, loaded.tokenizer
    room = _context(model) - len(ids)
    if room < 1:
        what = f"the prompt has {len(ids)} tokens, the model's context has {_context(model)}"
        raise UsageError(what, "prompt", "Shorten the instruction or the input")
    temperature = 1.0 if request.temperature is None else request.temperature
    sampler = Sampler(temperature, 1.0 if request.top_p is None else request.top_p, request.seed, model.device)
    return Decoding(
        CachedStepper(model),
        ids,
        sampler,
        limit=min(limit or room, room),
        stop_ids=tokenizer.stop_ids,
        stopped=stopped,
        chunk=prompt_chunk_size(model.device),
    )


def _context(model: Any) -> int:
    return int(getattr(model.config.get_text_config(decoder=True), "max_position_embeddings", None) or _NO_LIMIT)


def _sections(loaded: LoadedModel, decoding: Decoding, splitter: Splitter, tuned: bool) -> AnswerEvents:
    with closing(_texts(loaded, decoding, tuned)) as texts:
        for text in texts:
            for part in splitter.feed(text):
                yield AnswerPiece(part.section, part.text)
            if splitter.ran_away:
                break  # all further text would be dropped
    for part in splitter.close():
        yield AnswerPiece(part.section, part.text)
    yield _finish(decoding, "runaway" if splitter.ran_away else decoding.reason, splitter.ending)


def _continuation(loaded: LoadedModel, decoding: Decoding, tuned: bool) -> AnswerEvents:
    for text in _texts(loaded, decoding, tuned):
        yield AnswerPiece("response", text)
    yield _finish(decoding, decoding.reason, "complete")


def _texts(loaded: LoadedModel, decoding: Decoding, tuned: bool) -> Generator[str, None, None]:
    """The answer's text in complete characters, never empty. Unless `tuned`, the adapter is off during the
    iteration."""
    detokenizer = Detokenizer(loaded.tokenizer, at_start=False)
    switchable = not tuned and hasattr(loaded.model, "disable_adapter")
    with loaded.model.disable_adapter() if switchable else nullcontext(), closing(iter(decoding)) as tokens:
        for token in tokens:
            if text := detokenizer.push(token):
                yield text
    if text := detokenizer.close():
        yield text


def _finish(decoding: Decoding, reason: FinishReason, ending: AnswerEnding) -> AnswerFinish:
    return AnswerFinish(
        reason=reason,
        ending=ending,
        prompt_tokens=decoding.fed,
        tokens=decoding.tokens,
        prefill_seconds=decoding.prefill,
        first_token_seconds=decoding.first_token,
        total_seconds=decoding.total,
        tokens_per_second=decoding.rate,
    )
