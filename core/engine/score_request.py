"""Requests to /suiron/score, and what becomes of them. Light: no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, NamedTuple

import msgspec

from core.base.errors import UsageError
from core.engine.answer_scores import token_spelling
from core.engine.openai_messages import Message
from core.engine.openai_requests import ChatRequest, Count, SuironExtension
from core.engine.prompt import chat_prompt
from core.engine.protocol import ContinuationScore, ScoreReply
from core.tokens.encode import encode_prompt
from core.tokens.tokenizer import TextTokenizer

if TYPE_CHECKING:
    from core.models.loading import LoadedModel

_Ids = Annotated[list[Count], msgspec.Meta(min_length=1)]
_MOST = 1024
_OF_PREFIX = frozenset({"input", "language", "template", "data", "tuned", "drop_empty_input", "client", "holds"})


class ScoreRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How likely are these continuations of a prefix?"""

    model: str = ""
    """A name from /v1/models; empty: the loaded model."""
    messages: list[Message] | None = None
    """The prefix as a conversation, with the template as for a chat."""
    prompt: str | _Ids | None = None
    """The prefix as text or as token ids. Either this or `messages`."""
    continuations: Annotated[list[str | _Ids], msgspec.Meta(min_length=1, max_length=_MOST)]
    """What follows the prefix, each as a text, which is encoded by itself, or as token ids."""
    suiron: SuironExtension = SuironExtension()
    """Of a chat's: `input`, `language`, `template`, `data`, `tuned`, `drop_empty_input`, `client`, `holds`."""

    def __post_init__(self) -> None:
        if (self.messages is None) == (self.prompt is None):
            raise ValueError("the prefix is either `messages` or `prompt`")
        for field in msgspec.structs.fields(SuironExtension):
            if field.name not in _OF_PREFIX and getattr(self.suiron, field.name) != field.default:
                raise ValueError(f"`suiron.{field.name}` does not belong to a score: leave it out")


class ScoreQuestion(NamedTuple):
    """What a request asks, in token ids."""

    prefix: list[int]
    """The ids of the prefix."""
    continuations: list[list[int]]
    """The ids of each continuation."""
    tokenizer: TextTokenizer
    """Spells them."""

    def reply(self, model: str, kept: int, found: list[list[float]]) -> ScoreReply:
        """The answer. found: log-probabilities of each continuation's tokens."""
        scores = []
        for ids, values in zip(self.continuations, found, strict=True):
            texts = [token_spelling(id, self.tokenizer).decode("utf-8", "replace") for id in ids]
            scores.append(ContinuationScore(ids, texts, values, sum(values), sum(values) / len(values)))
        return ScoreReply(model, len(self.prefix), kept, scores)


def score_question(loaded: LoadedModel, request: ScoreRequest, tuned: bool) -> ScoreQuestion:
    """The request in ids. loaded, tuned: as for `chat_prompt`. Raises UsageError for what the model cannot be asked."""
    tokenizer, prompt = loaded.tokenizer, request.prompt
    if request.messages is not None:
        chat = ChatRequest(messages=request.messages, suiron=request.suiron)
        prefix = chat_prompt(loaded, chat, tuned).ids
    else:
        prefix = prompt if isinstance(prompt, list) else encode_prompt(prompt or "", tokenizer)
    continuations = [tokenizer.encode(each)[0] if isinstance(each, str) else each for each in request.continuations]
    if not prefix:
        raise UsageError("the prefix has no tokens", "prompt", "Begin with at least one token")
    empty = next((number for number, ids in enumerate(continuations) if not ids), None)
    if empty is not None:
        raise UsageError("a continuation has no tokens", f"continuations[{empty}]", "Leave it out")
    config = loaded.model.config.get_text_config(decoder=True)
    longest = len(prefix) + max(map(len, continuations))
    context = getattr(config, "max_position_embeddings", None)
    if context is not None and longest > context:
        what = f"prefix and continuation have {longest} tokens, the model's context has {context}"
        raise UsageError(what, "continuations", "Shorten them")
    if wrong := [id for ids in (prefix, *continuations) for id in ids if id >= config.vocab_size]:
        what = f"{wrong[0]} is no token of the model, which has {config.vocab_size:,}"
        raise UsageError(what, "continuations", "Use ids of this model's tokenizer")
    return ScoreQuestion(prefix, continuations, tokenizer)
