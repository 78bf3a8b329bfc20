"""The structs that server and client exchange beyond the OpenAI API. Light: no torch, no HTTP library."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Literal, Protocol, TypeAlias

import msgspec

from core.base.errors import EngineError
from core.engine.sentinel import LoopWarning
from core.splitter.sections import AnswerEnding, Section

FinishReason = Literal["end", "length", "stopped", "runaway", "stop_string", "loop", "unloaded"]
"""Why an answer ended. end: the model wrote the end of sequence. length: the token limit was reached, or the context is
full. stopped: a client stopped it. runaway: the model continued past its answer. stop_string: it wrote a stop string.
loop: it went round in a loop, and the question said to stop then. unloaded: its model was unloaded, for a training run
that needs the memory."""


class SamplingWishes(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How an answer's tokens are chosen, beyond temperature, top-p and seed. The names are those of a request's fields;
    `openai_requests` says what they mean and which values they take."""

    top_k: int = 0
    """The most tokens that are sampled from; 0: all."""
    min_p: float = 0.0
    """The least share of the best token's probability that a sampled token has."""
    repetition_penalty: float = 1.0
    """Divides positive and multiplies negative scores of tokens in prompt or answer."""
    presence_penalty: float = 0.0
    """Taken off the scores of tokens in the answer."""
    frequency_penalty: float = 0.0
    """Taken off a token's score as many times as the answer has it."""
    no_repeat_ngram_size: int = 0
    """No sequence of so many tokens occurs twice; 0: any may."""
    dry_multiplier: float = 0.0
    """Strength of the DRY penalty; 0: none."""
    dry_base: float = 1.75
    """Its factor for every further repeated token."""
    dry_allowed_length: int = 2
    """Tokens of the shortest repetition that it penalises."""
    stop: tuple[str, ...] = ()
    """Texts at which the answer ends."""
    min_tokens: int = 0
    """The answer does not end before it has so many tokens."""


class ChatQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """A question to the loaded model, and how to decode its answer."""

    instruction: str
    """The instruction of a row, or a user's message."""
    input: str = ""
    """The input of a row."""
    language: str = ""
    """As a row's syslang; it chooses the version of a template that has several."""
    template: str = "alpaca-reasoning"
    """The name of the template."""
    data: str = ""
    """The data set beside which the template may be."""
    drop_empty_input: bool = False
    """Whether the heading of an empty input is left out."""
    tuned: bool = True
    """Whether the adapter answers; False: the base model."""
    max_tokens: int = 1024
    """The most tokens of an answer; 0 only reads the question, so that its answer begins at once when it is asked."""
    temperature: float = 0.0
    """0 is greedy."""
    top_p: float = 1.0
    """Probability mass of the tokens that are sampled from, above 0 to 1."""
    seed: int | None = None
    """Makes sampling repeatable; None draws a seed."""
    sampling: SamplingWishes = SamplingWishes()
    """Further settings of the sampling."""
    thinking_budget: int | None = None
    """The most tokens of the reasoning, before it is closed and the response follows; None: no limit of its own."""
    on_loop: Literal["warn", "stop"] = "warn"
    """What happens when the answer goes round in a loop."""
    draft: str = ""
    """The response that stood there before: an answer like it comes faster, and no other."""
    draft_reasoning: str = ""
    """The reasoning before it."""
    cold: bool = False
    """Answer on the plain path and from nothing that is kept, for measurements."""


class AnswerPiece(msgspec.Struct, frozen=True, tag="piece"):
    """New text of an answer."""

    section: Section
    """The section that the text belongs to."""
    text: str
    """The text. Foreign text: pass it through `safe_text` before it is shown."""


class AnswerFinish(msgspec.Struct, frozen=True, tag="finish"):
    """How an answer ended. Its times are measured in the server from the moment the prompt is fed to the model."""

    reason: FinishReason
    """Why decoding ended."""
    ending: AnswerEnding
    """How the text ended, from the splitter."""
    prompt_tokens: int
    """Tokens of the prompt."""
    tokens: int
    """New tokens, without the end of sequence."""
    prefill_seconds: float
    """Seconds until the prompt was fed."""
    first_token_seconds: float
    """Seconds until the first token was chosen."""
    total_seconds: float
    """Seconds until the end."""
    tokens_per_second: float
    """The rate of the tokens after the first, so that it does not depend on the prompt's length."""
    path: str = ""
    """The decoding path that answered: plain, captured or fused; empty where the prompt was never fed."""
    path_why: str = ""
    """Why no faster path answered, in words; empty where it was the fastest."""
    reused_tokens: int = 0
    """Tokens of the prompt that were taken from an earlier sequence, not fed."""
    reuse_why: str = ""
    """Why nothing was reused, in words; empty where something was."""
    stop_string: str = ""
    """The stop string that ended the answer; empty for none."""
    loop: LoopWarning | None = None
    """The last loop that the answer went round in; None for none."""
    drafted_tokens: int = 0
    """Tokens that the draft had right, so that they came several at a time."""
    draft_why: str = ""
    """Why the draft was not used, in words; empty where it was, or where there was none."""
    reasoning_closed: bool = False
    """Whether the reasoning used up its budget and was closed."""


AnswerEvent: TypeAlias = AnswerPiece | LoopWarning | AnswerFinish
"""What a question is answered with: text, a loop while it goes on, and how it ended, which is the last."""


class ContinuationScore(msgspec.Struct, frozen=True):
    """How likely one continuation is."""

    tokens: list[int]
    """Its token ids."""
    texts: list[str]
    """The text of each token; U+FFFD stands for a part of a character."""
    log_probabilities: list[float]
    """The natural log-probability of each token, behind the prefix and the tokens before it."""
    sum: float
    """That of the whole continuation."""
    mean: float
    """That of a token in it on average."""


class ScoreReply(msgspec.Struct, frozen=True):
    """How likely continuations of a prefix are."""

    model: str
    """The name of the model that was asked."""
    prefix_tokens: int
    """Tokens of the prefix."""
    kept_tokens: int
    """Those of them that were not fed again, because the prefix before began like this one."""
    continuations: list[ContinuationScore]
    """In the order of the request."""


class ModelHeld(EngineError):
    """There is no room for a model beside those that other clients hold. It can be taken."""


class EngineHangs(EngineError):
    """The server's process does nothing any more. `Engine.shutdown` ends it by force."""


class LoadedStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A base model in memory, with its adapters and caches."""

    model: str
    """The model's name or folder."""
    form: str = ""
    """The form of its weights in memory: `nf4-bfloat16`, `float32`."""
    alone: bool = True
    """Whether these weights also answer where the base model is asked without an adapter."""
    notes: tuple[str, ...] = ()
    """What is to be known of its files and adapters, as clauses. Foreign text."""
    adapters: tuple[str, ...] = ()
    """The folders of its loaded adapters."""
    held_by: tuple[str, ...] = ()
    """Those who loaded it and still live, in words."""
    path: str = ""
    """The decoding path of the next answer."""
    path_why: tuple[str, ...] = ()
    """Why each faster path does not answer, as sentences without a full stop."""
    kept_sequences: int = 0
    """Earlier sequences whose caches are kept."""
    cache_gib: float = 0.0
    """Memory that caches take, those of answers in progress included."""
    cache_budget_gib: float = 0.0
    """Memory that kept caches may take."""


class EngineStatus(msgspec.Struct, frozen=True):
    """The status of the server and its model."""

    state: Literal["empty", "loading", "ready", "failed"]
    """empty: no model was loaded yet. failed: the last load failed."""
    model: str = ""
    """The model's name or folder."""
    adapter: str = ""
    """The adapter's folder; empty for none."""
    backend: str = ""
    """The library that decodes, its device, and the reason for the choice."""
    message: str = ""
    """The server's current work, or the reason why a load failed."""
    error: tuple[str, str, str] | None = None
    """The parts (what, where, do) of the SuironError of a failed load."""
    can_take: bool = False
    """Whether it failed only because other clients hold models, and `take` would unload those."""
    pid: int = 0
    """The id of the server's process."""
    memory_gib: float | None = None
    """Memory that all loaded models take, in GiB."""
    loaded: tuple[LoadedStatus, ...] = ()
    """All models in memory."""
    running: int = 0
    """Answers in progress."""
    queued: int = 0
    """Answers and loads that wait for their turn."""


class Engine(Protocol):
    """The interface for the chat screen and the command line. `client.EngineClient` implements it; tests use a scripted
    engine.

    One answer at a time: `ask` must be read to its end, or closed, before the next `ask`. Every method raises
    EngineError where the server refuses the request or has ended.
    """

    async def status(self) -> EngineStatus | None:
        """The server's status, or None where no server is running. Starts nothing."""

    async def ensure(
        self, model: str, adapter: str, on_status: Callable[[EngineStatus], None], *, take: bool = False
    ) -> EngineStatus:
        """Start the server where none is running, make it load `model` with the adapter in the folder `adapter` (empty:
        none), and wait until it is loaded.

        `on_status` is called for every change, at most ten times a second. Raises ModelError where the model or adapter
        cannot be loaded, ModelHeld where other clients' models take the room; `take` unloads those.
        """

    def ask(self, question: ChatQuestion) -> AsyncIterator[AnswerEvent]:
        """The answer in pieces, with a LoopWarning where it goes round in a loop; its last item is an AnswerFinish.
        Leaving the iteration early ends the answer in the server too."""

    async def stop(self) -> None:
        """End the answer in progress within two tokens: its iteration still ends with an AnswerFinish, with the reason
        `stopped`. Does nothing where there is no answer."""

    async def shutdown(self) -> None:
        """End the server, if one is running."""
