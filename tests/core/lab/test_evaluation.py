"""What counts as both sections in order, and that batched decoding says what one row at a time says."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from core.base.row import Row
from core.lab.evaluation import EvaluatedAnswer, evaluate_rows
from core.templates.by_name import TEXT_TEMPLATES
from core.tokens.tokenizer import TextTokenizer
from tests.support.tiny_model import make_tiny_adapter, make_tiny_model, make_tiny_tokenizer

REASONING = TEXT_TEMPLATES["alpaca-reasoning"]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> TextTokenizer:
    # before transformers is imported: torchvision may be installed and not load
    sys.modules.setdefault("torchvision", None)  # type: ignore[arg-type]
    folder = tmp_path_factory.mktemp("tokenizer")
    make_tiny_tokenizer().save_pretrained(folder)
    return TextTokenizer.from_folder(folder)


class Scripted:
    """A causal model that writes a given text after each prompt, however rows are batched, reordered or dropped."""

    def __init__(self, tokenizer: TextTokenizer, answers: dict[str, str], end: bool = True) -> None:
        import torch

        self.device = torch.device("cpu")
        self.tokenizer = tokenizer
        self.answers = {
            question: tokenizer.encode(text)[0] + [tokenizer.eos_id] * end for question, text in answers.items()
        }
        self.widths: list[int] = []

    def forward(self, input_ids: Any, attention_mask: Any, position_ids: Any, past_key_values: Any, **_: Any) -> Any:
        import torch

        cache = past_key_values or Rows()
        if past_key_values is None:
            for ids, mask in zip(input_ids.tolist(), attention_mask.tolist(), strict=True):
                prompt = self.tokenizer.decode([id for id, kept in zip(ids, mask, strict=True) if kept])
                cache.rows.append(
                    [self.answers[next(question for question in self.answers if f"\n{question}\n" in prompt)], 0]
                )
        assert position_ids[:, -1].tolist() == (attention_mask.sum(-1) - 1).tolist()
        assert len(cache.rows) == len(input_ids)
        self.widths.append(len(input_ids))
        logits = torch.zeros(len(input_ids), 1, self.tokenizer.vocab_size)
        for index, row in enumerate(cache.rows):
            logits[index, 0, row[0][min(row[1], len(row[0]) - 1)]] = 1.0
            row[1] += 1
        return SimpleNamespace(logits=logits, past_key_values=cache)

    __call__ = forward


class Rows:
    def __init__(self) -> None:
        self.rows: list[Any] = []
        self.layers: list[Any] = [self]

    def batch_select_indices(self, kept: Any) -> None:
        self.rows = [self.rows[index] for index in kept.tolist()]


def ask(tokenizer: TextTokenizer, text: str, expected: str = "42", **options: Any) -> EvaluatedAnswer:
    end = options.pop("end", True)
    report = evaluate_rows(
        Scripted(tokenizer, {"q": text}, end), tokenizer, [Row("q", output=expected)], REASONING, **options
    )
    return report.answers[0]


def test_a_whole_answer(tokenizer: TextTokenizer) -> None:
    answer = ask(tokenizer, "6 * 7 = 42.\n\n### Response:\n42")
    assert (answer.reasoning, answer.response, answer.reason, answer.ending) == ("6 * 7 = 42.", "42", "end", "complete")
    assert answer.both_in_order and answer.exact and answer.tokens == len("6 * 7 = 42.\n\n### Response:\n42")


@pytest.mark.parametrize(
    "text",
    [
        "It is 42.",  # no response of its own
        "\n\n### Response:\n42",  # no reasoning
        "  \n\n### Response:\n42\n\n### Reasoning:\nbecause",  # the wrong way round
        "because\n\n### Response:\n",  # no answer
        "because\n\n### Response:\n42\n\n### Instruction:\nNow you",  # a runaway
        "because ### Response: 42",  # in the middle of a line it is text
    ],
)
def test_what_is_not_both_in_order(tokenizer: TextTokenizer, text: str) -> None:
    assert not ask(tokenizer, text).both_in_order


def test_an_answer_that_does_not_end_is_cut_and_does_not_count(tokenizer: TextTokenizer) -> None:
    answer = ask(tokenizer, "because\n\n### Response:\n42", end=False, max_tokens=30)
    assert answer.reason == "length" and answer.tokens == 30 and not answer.both_in_order


def test_a_runaway_stops_at_once(tokenizer: TextTokenizer) -> None:
    text = "because\n\n### Response:\n42\n\n### Instruction:\n"
    answer = ask(tokenizer, text + "x" * 500, max_tokens=600)
    assert answer.reason == answer.ending == "runaway" and answer.response == "42" and answer.tokens <= len(text)


def test_rows_that_are_done_leave_the_batch(tokenizer: TextTokenizer) -> None:
    answers = {f"q{i}": f"r{i}\n\n### Response:\n{'a' * (10 * i + 1)}" for i in range(5)}
    model = Scripted(tokenizer, answers)
    seen: list[tuple[int, int]] = []
    rows = [
        Row(question, input="x" * (7 * index % 11), output="a", index=index) for index, question in enumerate(answers)
    ]
    report = evaluate_rows(
        model, tokenizer, rows, REASONING, batch_size=3, progress=lambda done, total: seen.append((done, total))
    )
    assert [answer.row for answer in report.answers] == list(range(5))
    assert [answer.response for answer in report.answers] == ["a" * (10 * i + 1) for i in range(5)]
    assert seen == [(done, 5) for done in range(1, 6)]
    assert max(model.widths) == 3 and model.widths.count(1) >= 10
    summary = report.summary()
    assert (summary["asked"], summary["both_sections"], summary["share_both_sections"], summary["exact"]) == (
        5,
        5,
        1.0,
        1,
    )
    assert summary["exact_match"] == 0.2 and summary["reasons"] == {"end": 5, "length": 0, "runaway": 0}


def test_nothing_asked(tokenizer: TextTokenizer) -> None:
    summary = evaluate_rows(Scripted(tokenizer, {}), tokenizer, [], REASONING).summary()
    assert summary["asked"] == 0 and summary["share_both_sections"] is None


def test_a_batch_says_what_each_row_says_alone(tmp_path: Path) -> None:
    """A real model, real cache and left padding, and an adapter that is switched off: as `generate` on one row at a
    time."""
    base = make_tiny_model(tmp_path / "model")
    adapter = make_tiny_adapter(tmp_path / "adapter", base)
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), adapter).eval()
    tokenizer = TextTokenizer.from_folder(base)
    rows = [
        Row(f"{'word ' * (index % 4)}{index} + {index}?", input="一" * (index % 3), index=index) for index in range(6)
    ]

    def alone(row: Row) -> str:
        prompt = torch.tensor([tokenizer.encode(REASONING.prompt(row.instruction, row.input))[0]])
        with torch.inference_mode():
            made = model.generate(
                input_ids=prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=24, do_sample=False
            )[0, prompt.shape[1] :]
        return tokenizer.decode([id for id in made.tolist() if id not in tokenizer.stop_ids])

    tuned = evaluate_rows(model, tokenizer, rows, REASONING, max_tokens=24, batch_size=4)
    assert [answer.reasoning + answer.response for answer in tuned.answers] == [alone(row) for row in rows]
    with model.disable_adapter():
        before = evaluate_rows(model, tokenizer, rows, REASONING, max_tokens=24, batch_size=4)
        assert [answer.reasoning + answer.response for answer in before.answers] == [alone(row) for row in rows]
    assert [a.reasoning for a in before.answers] != [a.reasoning for a in tuned.answers]
