"""Asks a model the questions of held-out rows, and counts answers with both sections in order and exact matches.

It decodes greedily, many rows at once, and knows templates and sections. It does not load models, choose rows or switch
adapters: the caller does (`with model.disable_adapter()` around the call evaluates the base model).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import msgspec

from core.base.row import Row
from core.lab.answers import is_exact_match
from core.splitter.splitter import AnswerEnding, SectionText, Splitter
from core.templates.bind_chat_template import bind_chat_template
from core.templates.chat_template import AnyTemplate
from core.tokens.detokenizer import Detokenizer
from core.tokens.encode import encode_prompt
from core.tokens.tokenizer import TextTokenizer

StopReason = Literal["end", "length", "runaway"]
"""Why decoding stopped. end: the model wrote the end of sequence. length: the token limit was reached. runaway: the
model continued past its answer."""


class EvaluatedAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The model's answer to one row's question, and the result of comparing it."""

    row: int
    """The row's index in its source."""
    instruction: str
    """The row's instruction."""
    input: str
    """The row's input."""
    expected: str
    """The row's output."""
    reasoning: str
    """The reasoning that the model wrote."""
    response: str
    """The response that the model wrote."""
    reason: StopReason
    """Why decoding stopped."""
    ending: AnswerEnding
    """How the text ended, from the splitter."""
    tokens: int
    """Tokens that were decoded, without the end of sequence."""
    both_in_order: bool
    """See `has_both_in_order`."""
    exact: bool
    """Whether the response is an exact match, see `is_exact_match`."""


class EvaluationReport(msgspec.Struct, frozen=True):
    """All answers of one evaluation."""

    answers: tuple[EvaluatedAnswer, ...]
    """The answers, in the order of their rows."""
    seconds: float
    """The time for all answers."""

    def summary(self) -> dict[str, Any]:
        """Counts and shares (0 to 1; None where there are no answers)."""
        count = len(self.answers)
        both = sum(answer.both_in_order for answer in self.answers)
        exact = sum(answer.exact for answer in self.answers)
        reasons = [answer.reason for answer in self.answers]
        return {
            "asked": count,
            "both_sections": both,
            "share_both_sections": both / count if count else None,
            "exact": exact,
            "exact_match": exact / count if count else None,
            "reasons": {reason: reasons.count(reason) for reason in ("end", "length", "runaway")},
            "tokens": sum(answer.tokens for answer in self.answers),
            "seconds": round(self.seconds, 2),
        }


def evaluate_rows(
    model: Any,
    tokenizer: TextTokenizer,
    rows: Sequence[Row],
    template: AnyTemplate,
    *,
    max_tokens: int = 200,
    batch_size: int = 20,
    drop_empty_input: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> EvaluationReport:
    """Ask `model` (a causal model of Transformers, with or without PEFT) every row's question.

    max_tokens: the most tokens decoded for a row. batch_size: rows decoded together. progress: called with the number
    of answers done and of all answers.
    """
    import torch

    started = time.perf_counter()
    bound = bind_chat_template(template, tokenizer)
    asked_rows = [_AskedRow(row, bound, tokenizer, drop_empty_input) for row in rows]
    done = 0
    with torch.inference_mode():
        # prompts of similar length together, which needs little padding
        by_length = sorted(asked_rows, key=lambda asked_row: len(asked_row.prompt))
        for start in range(0, len(asked_rows), max(1, batch_size)):
            for _ in _decode_batch(model, by_length[start : start + max(1, batch_size)], max_tokens):
                done += 1
                progress(done, len(asked_rows))
    answers = tuple(asked_row.answer() for asked_row in asked_rows)
    return EvaluationReport(answers, time.perf_counter() - started)


def has_both_in_order(sections: Sequence[str], reason: StopReason, ending: AnswerEnding) -> bool:
    """Whether an answer has a reasoning, then a response, and then ends by itself.

    sections: the sections with more than white space, in the order in which they got text. The prompt of a reasoning
    template ends with the heading of the reasoning, so the model must write a reasoning, `### Response:`, an answer,
    and the end of sequence.
    """
    return list(sections) == ["reasoning", "response"] and reason == "end" and ending == "complete"


class _AskedRow:
    """A row that is being answered: its prompt as ids, and its answer so far."""

    def __init__(self, row: Row, template: AnyTemplate, tokenizer: TextTokenizer, drop_empty_input: bool) -> None:
        self._row = row
        self._stop_ids = tokenizer.stop_ids
        self._detokenizer = Detokenizer(tokenizer, at_start=False)
        self._sections: list[str] = []  # in the order in which they first had text
        self._reason: StopReason = "length"
        self._tokens = 0
        self.done = False
        segments = template.row_prompt_segments(row, drop_empty_input)
        self._splitter = Splitter(template.markers, template.start_after(segments))
        self.prompt = encode_prompt(segments, tokenizer)

    def add_token(self, token: int) -> bool:
        """Add a token to the answer. False when it ends the answer, so that decoding can stop."""
        if token in self._stop_ids:
            self._reason = "end"
            return False
        self._tokens += 1
        self._feed(self._detokenizer.push(token))
        if self._splitter.ran_away:
            self._reason = "runaway"
        return not self._splitter.ran_away

    def answer(self) -> EvaluatedAnswer:
        """The answer, complete."""
        self._feed(self._detokenizer.close())
        self._note_sections(self._splitter.close())
        reasoning, response = self._splitter.reasoning, self._splitter.response
        return EvaluatedAnswer(
            row=self._row.index,
            instruction=self._row.instruction,
            input=self._row.input,
            expected=self._row.output,
            reasoning=reasoning,
            response=response,
            reason=self._reason,
            ending=self._splitter.ending,
            tokens=self._tokens,
            both_in_order=has_both_in_order(self._sections, self._reason, self._splitter.ending),
            exact=is_exact_match(response, self._row.output),
        )

    def _feed(self, text: str) -> None:
        if text:
            self._note_sections(self._splitter.feed(text))

    def _note_sections(self, new_texts: Sequence[SectionText]) -> None:
        for new in new_texts:
            if new.text.strip() and new.section not in self._sections:
                self._sections.append(new.section)


def _decode_batch(model: Any, batch: list[_AskedRow], max_tokens: int) -> Iterator[_AskedRow]:
    """Decodes a batch greedily; yields each row when it is done. Rows that are done leave the batch, so that it gets
    smaller while the long answers are decoded."""
    from core.models.padded_rows import PaddedRows

    rows = PaddedRows(model, pad=0)
    scores = rows.start([row.prompt for row in batch])
    for count in range(1, max_tokens + 1):
        tokens = scores.argmax(-1)
        for row, token in zip(batch, tokens.tolist(), strict=True):
            if not row.done and not row.add_token(token):
                row.done = True
                yield row
        unfinished = [index for index, row in enumerate(batch) if not row.done]
        if not unfinished:
            return
        # a cache that cannot drop rows keeps them; their tokens are ignored
        if len(unfinished) < len(batch) and rows.keep(unfinished):
            batch, tokens = [batch[index] for index in unfinished], tokens[unfinished]
        if count < max_tokens:
            scores = rows.append(tokens)
    yield from (row for row in batch if not row.done)
