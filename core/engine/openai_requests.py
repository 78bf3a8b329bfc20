"""Requests of the OpenAI API, with the sampling fields that other servers of it use. Knows nothing of models.

Every field of a request is here. A value that this server cannot honour is refused by the field's name; so is a field
that is not here. Fields that clients send by default and that change no answer are accepted.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from core.engine.openai_messages import Message

Count = Annotated[int, msgspec.Meta(ge=0)]
_Temperature = Annotated[float, msgspec.Meta(ge=0.0, le=2.0)]
_Share = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]
_TopP = Annotated[float, msgspec.Meta(gt=0.0, le=1.0)]
_TopK = Annotated[int, msgspec.Meta(ge=-1)]
_Seed = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
_Id = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
_Penalty = Annotated[float, msgspec.Meta(ge=-2.0, le=2.0)]
_Factor = Annotated[float, msgspec.Meta(gt=0.0, le=10.0)]
_NotNegative = Annotated[float, msgspec.Meta(ge=0.0, le=100.0)]
_AtLeastOne = Annotated[float, msgspec.Meta(ge=1.0, le=10.0)]
_Positive = Annotated[int, msgspec.Meta(ge=1)]
_Answers = Annotated[int, msgspec.Meta(ge=1, le=8)]
_Alternatives = Annotated[int, msgspec.Meta(ge=0, le=20)]
_StopString = Annotated[str, msgspec.Meta(min_length=1, max_length=1000)]
_StopStrings = Annotated[list[_StopString], msgspec.Meta(max_length=16)]
_Bias = Annotated[float, msgspec.Meta(ge=-100.0, le=100.0)]
_TokenName = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,9}$")]
_Ids = Annotated[list[Count], msgspec.Meta(min_length=1)]

MOST_PROMPTS = 64
"""Prompts of one request to /v1/completions."""
_OF_CHATS = ("input", "language", "template", "data", "drop_empty_input", "thinking_budget", "draft_reasoning")
DRY_BREAKERS = ("\n", ":", '"', "*")
"""What ends a repetition for DRY unless a request says otherwise, as in llama.cpp."""


class SuironExtension(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The key `suiron` of a request."""

    input: str = ""
    """The input of the row; the one user message is its instruction. Only with `template`."""
    language: str = ""
    """As a row's syslang; it chooses the version of the template."""
    template: str | None = None
    """The name of a template: one of Suiron's, the user's own, one beside the data set `data`, or one kept with the run
    of the loaded adapter. None: the model's own chat template."""
    data: str = ""
    """The data set beside which the template may be."""
    tuned: bool | None = None
    """Whether the adapter answers, or the base model. None: as in `model`."""
    drop_empty_input: bool = False
    """Whether the heading of an empty input is left out."""
    id: _Id | None = None
    """The id of this answer for /suiron/stop; None draws an id."""
    thinking_budget: Count | None = None
    """The most tokens of the reasoning: then it is closed as its template closes it, and the response follows. None: no
    limit of its own."""
    draft: str = ""
    """A text that the answer may be like, as `prediction`: such an answer comes faster, and none is changed."""
    draft_reasoning: str = ""
    """The reasoning before it, in a chat."""
    on_loop: Literal["warn", "stop"] = "warn"
    """What happens when the answer goes round in a loop: it is told, or it ends."""
    cold: bool = False
    """Answer on the plain path, without anything that an earlier answer has left: for whoever measures or compares."""
    prefill: bool = False
    """Only feed the prompt, as `max_tokens` 0 does."""
    client: str = ""
    """The name of whoever asks. A new prompt with `max_tokens` 0 ends an older one of the same client."""
    holds: tuple[str, str] | None = None
    """The model and the adapter's folder that the client has loaded. The request is refused where another client has
    loaded another model since."""


class AnyRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The fields of both kinds of request."""

    model: str = ""
    """A name from /v1/models; empty: the loaded model."""
    stream: bool | None = False
    """Answer with server-sent events."""
    stream_options: dict[str, bool] | None = None
    """`include_usage` adds an event with token counts; `include_obfuscation` may be false."""
    max_tokens: Count | None = None
    """The most tokens of the answer; None: as many as the context has room for. 0: only feed the prompt, so that the
    next request with the same beginning starts at once."""
    n: _Answers | None = 1
    """Answers to one request. The seed of each is one above that of the answer before."""
    seed: _Seed | None = None
    """Makes sampling repeatable."""
    stop: _StopString | _StopStrings | None = None
    """Texts at which an answer ends. They are looked for in all of its text, reasoning and markers included."""
    include_stop_str_in_output: bool = False
    """Whether the stop string is the last of the answer."""
    min_tokens: Count | None = 0
    """The end of sequence is not chosen, and no stop string ends the answer, before it has so many tokens."""
    ignore_eos: bool = False
    """The end of sequence does not end the answer."""
    temperature: _Temperature | None = 1.0
    """0 is greedy."""
    top_p: _TopP | None = 1.0
    """Probability mass of the tokens that are sampled from."""
    top_k: _TopK | None = 0
    """The most tokens that are sampled from; 0 or -1: all."""
    min_p: _Share | None = 0.0
    """The least share of the best token's probability that a sampled token has."""
    repetition_penalty: _Factor | None = 1.0
    """Divides positive and multiplies negative scores of tokens in prompt or answer."""
    presence_penalty: _Penalty | None = 0.0
    """Taken off the scores of tokens in the answer."""
    frequency_penalty: _Penalty | None = 0.0
    """Taken off a token's score as many times as the answer has it."""
    no_repeat_ngram_size: Count | None = 0
    """No sequence of so many tokens occurs twice; 0: any may."""
    dry_multiplier: _NotNegative | None = 0.0
    """Strength of the DRY penalty; 0: none."""
    dry_base: _AtLeastOne | None = 1.75
    """Its factor for every further repeated token."""
    dry_allowed_length: _Positive | None = 2
    """Tokens of the shortest repetition that it penalises."""
    dry_sequence_breakers: list[_StopString] | None = None
    """Texts at which a repetition ends for it; None: line end, colon, quotation mark and asterisk."""
    logit_bias: dict[_TokenName, _Bias] | None = None
    """Added to the scores of tokens, by their ids."""
    user: str | None = None
    """Changes nothing."""
    safety_identifier: str | None = None
    """Changes nothing."""
    prompt_cache_key: str | None = None
    """Changes nothing."""
    metadata: dict[str, str] | None = None
    """Changes nothing."""
    service_tier: Literal["auto", "default"] | None = None
    """Changes nothing."""
    store: Literal[False] | None = None
    """Answers are not stored."""
    suiron: SuironExtension = SuironExtension()
    """Suiron's own additions."""

    def __post_init__(self) -> None:
        unknown = set(self.stream_options or {}) - {"include_usage", "include_obfuscation"}
        if unknown or (self.stream_options or {}).get("include_obfuscation"):
            raise ValueError(
                f"`stream_options`: {', '.join(sorted(unknown)) or 'include_obfuscation'} is not supported"
            )

    @property
    def include_usage(self) -> bool:
        """Whether the stream ends with token counts."""
        return bool((self.stream_options or {}).get("include_usage"))

    @property
    def stop_strings(self) -> tuple[str, ...]:
        """All stop strings."""
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())

    @property
    def answers(self) -> int:
        """How many answers are wanted."""
        return self.n or 1

    @property
    def token_limit(self) -> int | None:
        """The most new tokens, None for no limit; 0 where only the prompt is fed."""
        return 0 if self.suiron.prefill else self.max_tokens

    @property
    def draft(self) -> str:
        """A text that the answer may be like; empty where none is told."""
        return self.suiron.draft

    @property
    def alternatives(self) -> int | None:
        """How many alternatives each token's log-probabilities have; None where none are asked for."""
        return None


class ChatRequest(AnyRequest, frozen=True, kw_only=True):
    """A request to /v1/chat/completions."""

    messages: Annotated[list[Message], msgspec.Meta(min_length=1)]
    """The conversation so far."""
    max_completion_tokens: Count | None = None
    """The most tokens of the answer; takes precedence over `max_tokens`."""
    logprobs: bool | None = False
    """Whether each token's log-probability is told."""
    top_logprobs: _Alternatives | None = None
    """How many alternatives are told with it."""
    tools: list[dict[str, Any]] | None = None
    """Tools that the chat template writes into the prompt. Calls of them are told as the text that the model writes."""
    tool_choice: Literal["auto", "none"] | None = None
    """none: the tools are not written."""
    parallel_tool_calls: bool | None = None
    """Changes nothing: calls are not read from the text."""
    add_generation_prompt: bool | None = True
    """Whether the prompt ends where the chat template lets the assistant begin."""
    continue_final_message: bool = False
    """Whether the answer goes on with the last message, an assistant's, instead of beginning one."""
    response_format: dict[str, Any] | None = None
    """Only text is supported."""
    modalities: list[Literal["text"]] | None = None
    """Only text is supported."""
    prediction: dict[str, Any] | None = None
    """The expected answer, `{"type": "content", "content": TEXT}`: a draft that makes an answer like it faster and
    changes none."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.response_format and self.response_format != {"type": "text"}:
            raise ValueError("`response_format` is not supported: leave it out")
        if self.top_logprobs is not None and not self.logprobs:
            raise ValueError("`top_logprobs` needs `logprobs`: true")
        if self.prediction is not None and not isinstance(self.prediction.get("content"), str):
            raise ValueError("`prediction` needs a `content` of text")
        if self.continue_final_message and self.messages[-1].role != "assistant":
            raise ValueError("`continue_final_message` needs an assistant's message at the end of `messages`")

    @property
    def token_limit(self) -> int | None:
        if self.suiron.prefill:
            return 0
        return self.max_tokens if self.max_completion_tokens is None else self.max_completion_tokens

    @property
    def alternatives(self) -> int | None:
        return (self.top_logprobs or 0) if self.logprobs else None

    @property
    def template_tools(self) -> list[dict[str, Any]] | None:
        """The tools for the chat template; None for none."""
        return None if self.tool_choice == "none" else self.tools or None

    @property
    def draft(self) -> str:
        return self.suiron.draft or str((self.prediction or {}).get("content", ""))


class CompletionRequest(AnyRequest, frozen=True, kw_only=True):
    """A request to /v1/completions."""

    prompt: str | Annotated[list[str | Count | _Ids], msgspec.Meta(min_length=1)]
    """The text to continue or its token ids, or a list of them."""
    logprobs: _Alternatives | None = None
    """How many alternatives are told with each token's log-probability; None: no log-probabilities."""
    echo: bool = False
    """Whether the text of the answer begins with the prompt."""
    best_of: Literal[1] | None = None
    """Only 1 is supported."""
    suffix: Literal[""] | None = None
    """Not supported."""

    def __post_init__(self) -> None:
        super().__post_init__()
        kinds = {type(item) for item in self.prompt}
        if len(kinds) > 1:
            raise ValueError("`prompt` mixes texts and token ids")
        if not isinstance(self.prompt, str) and int not in kinds and len(self.prompt) > MOST_PROMPTS:
            raise ValueError(f"`prompt` has more than {MOST_PROMPTS} prompts")
        if self.echo and self.logprobs is not None:
            raise ValueError("`echo` with `logprobs` is not supported: /suiron/score tells how likely a text is")
        of_chats = [name for name in _OF_CHATS if getattr(self.suiron, name) not in ("", None, False)]
        if of_chats:
            raise ValueError(f"`suiron.{of_chats[0]}` needs /v1/chat/completions: leave it out")

    @property
    def alternatives(self) -> int | None:
        return self.logprobs

    @property
    def prompts(self) -> tuple[str | list[int], ...]:
        """Each prompt, as a text or as ids."""
        if isinstance(self.prompt, str):
            return (self.prompt,)
        if all(isinstance(item, int) for item in self.prompt):
            return ([item for item in self.prompt if isinstance(item, int)],)
        return tuple(item for item in self.prompt if not isinstance(item, int))
