"""A question's way through the model: text, token ids, decoding, characters, sections, events. Knows prompts and text;
the sockets are `server`'s.

`chat` and `complete` check what they were given and return the answer's iterator; both run in the thread that owns the
model.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import closing, nullcontext
from typing import TYPE_CHECKING, Any

from core.base.errors import UsageError
from core.engine.conversation import chat_format
from core.engine.decode import CachedStepper, Decoding, Sampler, chunk_for
from core.engine.openai_api import ChatRequest, CompletionRequest
from core.engine.protocol import Ending, Finish, FinishReason, Piece, Question
from core.runs.tuned_models import kept_beside
from core.splitter.splitter import Splitter
from core.templates.bind_chat_template import bind
from core.templates.by_name import beside, get_template
from core.tokens.detokenizer import Detokenizer
from core.tokens.encode import encode_prompt

if TYPE_CHECKING:
    from core.models.loading import LoadedModel

Events = Generator[Piece | Finish, None, None]
Stopped = Callable[[], bool]

_TEMPLATE = Question(instruction="").template
_NO_LIMIT = 1 << 20  # tokens of context, for architectures that name none


def chat(loaded: LoadedModel, asked: ChatRequest, tuned: bool, stopped: Stopped) -> Events:
    """The answer to a conversation, in sections. Raises UsageError for one that cannot be put to the model."""
    ids, splitter = _prompt(loaded, asked)
    decoding = _decoding(loaded, ids, asked, asked.max_completion_tokens or asked.max_tokens, stopped)
    return _sections(loaded, decoding, splitter, tuned)


def complete(loaded: LoadedModel, asked: CompletionRequest, tuned: bool, stopped: Stopped) -> Events:
    """The prompt's continuation as it comes, markers and all; every piece counts as response."""
    decoding = _decoding(loaded, encode_prompt(asked.text, loaded.tokenizer), asked, asked.max_tokens, stopped)
    return _continuation(loaded, decoding, tuned)


def _prompt(loaded: LoadedModel, asked: ChatRequest) -> tuple[list[int], Splitter]:
    """The ids to go on from, and a splitter that knows in which section the answer begins.

    The form is the template that is named, else the model's own chat format. A lone user message goes into the
    reasoning template where the model has no chat format, or where an adapter is loaded: Suiron trained it on its
    templates.
    """
    extension, messages = asked.suiron, asked.messages
    lone = len(messages) == 1 and messages[0].role == "user"
    name, own = extension.template, chat_format(loaded.tokenizer.where)
    if name is None and lone and (own is None or hasattr(loaded.model, "disable_adapter")):
        name = _TEMPLATE
    if name is not None:
        if not lone:
            raise UsageError(
                f"the template {name} takes one user message",
                "messages",
                "Send exactly one, or leave suiron.template out",
            )
        kept = () if loaded.adapter is None else (kept_beside(loaded.adapter),)
        template = bind(get_template(name, (*beside(extension.data), *kept)), loaded.tokenizer)
        segments = template.prompt_segments(
            messages[0].text, extension.input, extension.drop_empty_input, extension.language
        )
        return encode_prompt(segments, loaded.tokenizer), Splitter(template.markers, template.start)
    if own is None:
        raise UsageError(
            "the model has no chat format of its own",
            "messages",
            "Send one user message, or name a template in suiron.template",
        )
    ids, markers, start = own.prompt(
        [{"role": message.role, "content": message.text} for message in messages], loaded.tokenizer
    )
    return ids, Splitter(markers, start)


def _decoding(
    loaded: LoadedModel, ids: list[int], asked: ChatRequest | CompletionRequest, limit: int | None, stopped: Stopped
) -> Decoding:
    model, tokenizer = loaded.model, loaded.tokenizer
    room = _context(model) - len(ids)
    if room < 1:
        what = f"the prompt has {len(ids)} tokens and the model's context {_context(model)}"
        raise UsageError(what, "prompt", "Shorten the instruction or the input")
    temperature = 1.0 if asked.temperature is None else asked.temperature
    sampler = Sampler(temperature, 1.0 if asked.top_p is None else asked.top_p, asked.seed, model.device)
    limit, chunk = min(limit or room, room), chunk_for(model.device)
    return Decoding(
        CachedStepper(model), ids, sampler, limit=limit, stop_ids=tokenizer.stop_ids, stopped=stopped, chunk=chunk
    )


def _context(model: Any) -> int:
    return int(getattr(model.config.get_text_config(decoder=True), "max_position_embeddings", None) or _NO_LIMIT)


def _sections(loaded: LoadedModel, decoding: Decoding, splitter: Splitter, tuned: bool) -> Events:
    with closing(_texts(loaded, decoding, tuned)) as texts:
        for text in texts:
            for part in splitter.feed(text):
                yield Piece(part.section, part.text)
            if splitter.ran_away:
                break  # all that follows would be dropped: decode no further
    for part in splitter.close():
        yield Piece(part.section, part.text)
    yield _finish(decoding, "runaway" if splitter.ran_away else decoding.reason, splitter.ending)


def _continuation(loaded: LoadedModel, decoding: Decoding, tuned: bool) -> Events:
    for text in _texts(loaded, decoding, tuned):
        yield Piece("response", text)
    yield _finish(decoding, decoding.reason, "complete")


def _texts(loaded: LoadedModel, decoding: Decoding, tuned: bool) -> Generator[str, None, None]:
    """The answer's text in whole characters, never empty. The adapter is off for as long as it is iterated, unless
    `tuned`."""
    detokenizer = Detokenizer(loaded.tokenizer, at_start=False)
    switchable = not tuned and hasattr(loaded.model, "disable_adapter")
    with loaded.model.disable_adapter() if switchable else nullcontext(), closing(iter(decoding)) as tokens:
        for token in tokens:
            if text := detokenizer.push(token):
                yield text
    if text := detokenizer.close():
        yield text


def _finish(decoding: Decoding, reason: FinishReason, ending: Ending) -> Finish:
    return Finish(
        reason=reason,
        ending=ending,
        prompt_tokens=decoding.fed,
        tokens=decoding.tokens,
        prefill_seconds=decoding.prefill,
        first_token_seconds=decoding.first_token,
        total_seconds=decoding.total,
        tokens_per_second=decoding.rate,
    )
