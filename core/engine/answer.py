"""Makes the events of an answer from a request: prompt, token ids, decoding, text, sections. Knows nothing of sockets.

`answer_chat` and `answer_completion` check the request and return the answer's iterator; both run in the thread that
owns the model.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import closing, nullcontext
from typing import TYPE_CHECKING, Any

from core.base.errors import UsageError
from core.engine.conversation import conversation_template
from core.engine.decode import CachedStepper, Decoding, Sampler, prompt_chunk_size
from core.engine.openai_api import ChatRequest, CompletionRequest
from core.engine.protocol import AnswerFinish, AnswerPiece, ChatQuestion, FinishReason
from core.runs.tuned_models import run_template_folder
from core.splitter.splitter import AnswerEnding, Splitter
from core.templates.bind_chat_template import bind_chat_template
from core.templates.by_name import get_template, template_folders
from core.tokens.detokenizer import Detokenizer
from core.tokens.encode import encode_prompt

if TYPE_CHECKING:
    from core.models.loading import LoadedModel

AnswerEvents = Generator[AnswerPiece | AnswerFinish, None, None]
StopCheck = Callable[[], bool]

_TEMPLATE = ChatQuestion(instruction="").template
_NO_LIMIT = 1 << 20  # tokens of context, for architectures without a stated limit


def answer_chat(loaded: LoadedModel, request: ChatRequest, tuned: bool, stopped: StopCheck) -> AnswerEvents:
    """The answer to a conversation, in sections. Raises UsageError for a conversation that the model cannot answer."""
    ids, splitter = _prompt(loaded, request)
    decoding = _decoding(loaded, ids, request, request.max_completion_tokens or request.max_tokens, stopped)
    return _sections(loaded, decoding, splitter, tuned)


def answer_completion(loaded: LoadedModel, request: CompletionRequest, tuned: bool, stopped: StopCheck) -> AnswerEvents:
    """The unchanged continuation of the prompt, including markers; every piece counts as response."""
    decoding = _decoding(loaded, encode_prompt(request.text, loaded.tokenizer), request, request.max_tokens, stopped)
    return _continuation(loaded, decoding, tuned)


def _prompt(loaded: LoadedModel, request: ChatRequest) -> tuple[list[int], Splitter]:
    """The ids of the prompt, and a splitter that starts in the answer's first section.

    They are made by the requested template, else by the model's own chat template. A single user message is put into
    the reasoning template where the model has no chat template, or where an adapter is loaded: Suiron trained it on its
    own templates.
    """
    extension, messages = request.suiron, request.messages
    is_single = len(messages) == 1 and messages[0].role == "user"
    name = extension.template
    own = conversation_template(loaded.tokenizer.where)
    if name is None and is_single and (own is None or hasattr(loaded.model, "disable_adapter")):
        name = _TEMPLATE
    if name is not None and not is_single:
        raise UsageError(
            f"the template {name} takes one user message",
            "messages",
            "Send exactly one, or remove suiron.template",
        )
    if name is not None:
        folders = template_folders(extension.data)
        if loaded.adapter is not None:
            folders = (*folders, run_template_folder(loaded.adapter))
        template = bind_chat_template(get_template(name, folders), loaded.tokenizer)
        segments = template.prompt_segments(
            messages[0].text, extension.input, extension.drop_empty_input, extension.language
        )
        return encode_prompt(segments, loaded.tokenizer), Splitter(template.markers, template.start)
    if own is None:
        raise UsageError(
            "the model has no chat template of its own",
            "messages",
            "Send one user message, or name a template in suiron.template",
        )
    conversation = [{"role": message.role, "content": message.text} for message in messages]
    ids, markers, start = own.prompt(conversation, loaded.tokenizer)
    return ids, Splitter(markers, start)


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
