"""Asks a model the questions of held-out rows and counts: do both sections come, in order; does the response say what
the row says?

It decodes greedily, many rows at once, and knows templates and sections. It does not load models, choose rows, or
switch adapters: whoever calls decides what the model is (`with model.disable_adapter()` around the call asks the base
model).
"""

from __future__ import annotations

import re
import time
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import msgspec

from core.base.row import Row
from core.splitter.splitter import Ending, Splitter
from core.templates.bind_chat_template import bind
from core.templates.chat_template import ChatTemplate
from core.templates.template import Template
from core.tokens.detokenizer import Detokenizer
from core.tokens.encode import encode_prompt
from core.tokens.tokenizer import TextTokenizer

Reason = Literal["end", "length", "runaway"]


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """One row's answer. tokens: new ones, without the end of sequence. both_in_order and exact: see the functions of
    these names."""

    row: int
    instruction: str
    input: str
    expected: str
    reasoning: str
    response: str
    reason: Reason
    ending: Ending
    tokens: int
    both_in_order: bool
    exact: bool


class Report(msgspec.Struct, frozen=True):
    """All answers, in the order of their rows, and the seconds they took together."""

    answers: tuple[Answer, ...]
    seconds: float

    def summary(self) -> dict[str, Any]:
        """Counts and shares (0 to 1; None where nothing was asked)."""
        asked, tokens = len(self.answers), sum(answer.tokens for answer in self.answers)
        both, exact = sum(answer.both_in_order for answer in self.answers), sum(answer.exact for answer in self.answers)
        return {
            "asked": asked,
            "both_sections": both,
            "share_both_sections": both / asked if asked else None,
            "exact": exact,
            "exact_match": exact / asked if asked else None,
            "reasons": {
                reason: sum(answer.reason == reason for answer in self.answers)
                for reason in ("end", "length", "runaway")
            },
            "tokens": tokens,
            "seconds": round(self.seconds, 2),
        }


def evaluate(
    model: Any,
    tokenizer: TextTokenizer,
    rows: Sequence[Row],
    template: Template | ChatTemplate,
    *,
    max_tokens: int = 200,
    batch_size: int = 20,
    drop_empty_input: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Report:
    """Ask `model` (a causal model of Transformers, with or without PEFT) every row's question. `progress` gets (answers
    done, answers in all)."""
    import torch

    started = time.perf_counter()
    bound = bind(template, tokenizer)
    asked = [_Asked(row, bound, tokenizer, drop_empty_input) for row in rows]
    done = 0
    with torch.inference_mode():
        by_length = sorted(asked, key=lambda one: len(one.prompt))  # prompts of like length together: little padding
        for start in range(0, len(asked), max(1, batch_size)):
            for _ in _decode(model, by_length[start : start + max(1, batch_size)], max_tokens):
                done += 1
                progress(done, len(asked))
    return Report(tuple(one.answer() for one in asked), time.perf_counter() - started)


def both_in_order(sections: Sequence[str], reason: Reason, ending: Ending) -> bool:
    """Whether an answer has a reasoning, then a response, and an end of its own.

    sections: those that hold more than white space, in the order in which they first did. The prompt of a reasoning
    template ends in the heading of the reasoning, so this asks for the model's own `### Response:` after a reasoning of
    its own, then an answer, then the end of sequence.
    """
    return list(sections) == ["reasoning", "response"] and reason == "end" and ending == "complete"


def normalised(text: str) -> str:
    """An answer's plain form: NFKC (full-width digits become ASCII), lower case, one blank for any white space, without
    thousands commas, a currency before or after a number, or full stops at the end. `＄1,200.` and `1200 dollars` are
    both `1200`."""
    text = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    text = re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", text).rstrip(".。 ")
    number = r"(-?\d+(?:\.\d+)?)"
    text = re.sub(rf"^[$€£¥] ?{number}$", r"\1", text)
    return re.sub(rf"^{number} ?(?:[$€£¥円元]|dollars?|euros?|pounds?|yen|yuan)$", r"\1", text)


def exact(response: str, expected: str) -> bool:
    """Whether the whole response, normalised, is the expected one, normalised. A sentence that holds the answer is no
    exact match."""
    return bool(response.strip()) and normalised(response) == normalised(expected)


class _Asked:
    """A row on its way: its prompt as ids, and its answer as it grows."""

    def __init__(
        self, row: Row, template: Template | ChatTemplate, tokenizer: TextTokenizer, drop_empty_input: bool
    ) -> None:
        self._row = row
        self._stop_ids = tokenizer.stop_ids
        self._text = Detokenizer(tokenizer, at_start=False)
        self._splitter = Splitter(template.markers, template.start)
        self._sections: list[str] = []
        self._reason: Reason = "length"
        self._tokens = 0
        self.done = False
        self.prompt = encode_prompt(
            template.prompt_segments(row.instruction, row.input, drop_empty_input, row.syslang), tokenizer
        )

    def take(self, token: int) -> bool:
        """Add a token. False when it ends the answer: there is nothing more to decode."""
        if token in self._stop_ids:
            self._reason = "end"
            return False
        self._tokens += 1
        self._feed(self._text.push(token))
        if self._splitter.ran_away:
            self._reason = "runaway"
        return not self._splitter.ran_away

    def answer(self) -> Answer:
        self._feed(self._text.close())
        for part in self._splitter.close():
            self._note(part.section, part.text)
        reasoning, response = self._splitter.reasoning, self._splitter.response
        return Answer(
            row=self._row.index,
            instruction=self._row.instruction,
            input=self._row.input,
            expected=self._row.output,
            reasoning=reasoning,
            response=response,
            reason=self._reason,
            ending=self._splitter.ending,
            tokens=self._tokens,
            both_in_order=both_in_order(self._sections, self._reason, self._splitter.ending),
            exact=exact(response, self._row.output),
        )

    def _feed(self, text: str) -> None:
        if text:
            for part in self._splitter.feed(text):
                self._note(part.section, part.text)

    def _note(self, section: str, text: str) -> None:
        if text.strip() and section not in self._sections:
            self._sections.append(section)


def _decode(model: Any, batch: list[_Asked], max_tokens: int) -> Iterator[_Asked]:
    """Greedy decoding of a batch, padded on the left; yields each row as it is done. Rows that are done leave the
    batch, so that few long answers do not make the short ones pay."""
    import torch

    device = model.device
    longest = max(len(one.prompt) for one in batch)
    pads = [longest - len(one.prompt) for one in batch]
    ids = torch.tensor([[0] * pad + one.prompt for pad, one in zip(pads, batch, strict=True)], device=device)
    mask = torch.tensor([[0] * pad + [1] * (longest - pad) for pad in pads], device=device)
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    cache: Any = None
    for _ in range(max_tokens):
        out = model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        cache = out.past_key_values
        tokens = out.logits[:, -1].argmax(-1)
        for one, token in zip(batch, tokens.tolist(), strict=True):
            if not one.done and not one.take(token):
                one.done = True
                yield one
        alive = [index for index, one in enumerate(batch) if not one.done]
        if not alive:
            return
        if len(alive) < len(batch) and all(
            hasattr(layer, "batch_select_indices") for layer in cache.layers
        ):  # else they stay, unheard
            kept = torch.tensor(alive, device=device)
            cache.batch_select_indices(kept)
            batch, tokens, mask, positions = (
                [batch[index] for index in alive],
                tokens[kept],
                mask[kept],
                positions[kept],
            )
        ids, positions = tokens[:, None], positions[:, -1:] + 1
        mask = torch.cat([mask, mask.new_ones((len(batch), 1))], dim=-1)
    yield from (one for one in batch if not one.done)
