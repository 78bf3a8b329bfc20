"""Probe questions: which are asked, that a model in training answers them as it would alone, and that the training does
not notice."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from core.base.errors import DataError
from core.base.row import Row
from core.runs.run_folder import RunFolder
from core.runs.samples_file import RunSamples
from core.runs.spec import PromptSection, RunSpec, SamplesSection, ValidationSection, mixture_of_two
from core.tokens.tokenizer import TextTokenizer
from core.training.probe_questions import choose_probes
from core.training.validation import is_kept_out
from tests.support.packable_models import VOCABULARY, make_packable_model
from tests.support.run_forks import STEPS, ForkedRun, ForkServer, adapter_hash, losses
from tests.support.training_process import make_spec

SPEC = make_spec("rows", "model")


class Rows:
    """The part of a data set that is asked for questions."""

    name, columns = "rows", ("sysflag",)

    def __init__(self, rows: Sequence[Row]) -> None:
        self._rows = [replace(row, index=index) for index, row in enumerate(rows)]
        self.highest = len(rows) - 1

    def batches(self) -> list[list[Row]]:
        return [self._rows[:3], self._rows[3:]]

    def row(self, index: int) -> Row:
        return self._rows[index]


def questions(count: int, flag: str = "train") -> list[Row]:
    return [Row(f"What is {n} + 1?", "", "One more.", str(n + 1), sysflag=flag) for n in range(count)]


@pytest.fixture(scope="module")
def tokenizer(model_folder: Path) -> TextTokenizer:
    return TextTokenizer.from_folder(model_folder)


def chosen(spec: RunSpec, rows: Sequence[Row], tokenizer: TextTokenizer) -> list[Any]:
    return [probe.question for probe in choose_probes(spec, Rows(rows), tokenizer)]  # type: ignore[arg-type]


def asking(asked: int | tuple[int | str, ...], share: float = 0.0) -> RunSpec:
    samples = SamplesSection(steps=1, questions=asked)
    return replace(SPEC, samples=samples, validation=ValidationSection(share=share))


def test_questions_come_from_rows_kept_out_then_from_test_rows_then_from_trained_ones(tokenizer: TextTokenizer) -> None:
    rows = [*questions(40), *questions(3, "test"), *questions(5, "other")]
    kept = chosen(asking(3, share=0.3), rows, tokenizer)
    assert {question.source for question in kept} == {"kept out"} and len(kept) == 3
    section = ValidationSection(share=0.3)
    assert all(is_kept_out(rows[question.row], section) for question in kept)
    test = chosen(asking(4), rows, tokenizer)
    assert [(question.source, question.row) for question in test] == [("test", row) for row in (40, 41, 42)]
    trained = chosen(asking(4), rows[:40], tokenizer)
    assert {question.source for question in trained} == {"trained on"} and len(trained) == 4


@given(order=st.permutations(range(20)))
def test_the_same_questions_are_drawn_in_any_order_of_the_rows(tokenizer: TextTokenizer, order: list[int]) -> None:
    rows = questions(20)
    first = {question.id for question in chosen(asking(5), rows, tokenizer)}
    assert {question.id for question in chosen(asking(5), [rows[index] for index in order], tokenizer)} == first


def test_rows_and_questions_that_are_named_are_asked_in_their_order(tokenizer: TextTokenizer) -> None:
    named = chosen(asking((2, "富士山は？", 0)), questions(3), tokenizer)
    assert [(question.row, question.instruction) for question in named] == [
        (2, "What is 2 + 1?"),
        (-1, "富士山は？"),
        (0, "What is 0 + 1?"),
    ]
    assert [question.expected for question in named] == ["3", "", "1"]
    with pytest.raises(DataError, match="names row 9, which does not exist"):
        chosen(asking((9,)), questions(3), tokenizer)


def test_equal_questions_are_asked_once_and_questions_that_do_not_fit_are_not(tokenizer: TextTokenizer) -> None:
    twice = [*questions(2), *(replace(row, output="other") for row in questions(2))]
    assert len(chosen(asking(4), twice, tokenizer)) == 2
    short = replace(asking(4), prompt=replace(SPEC.prompt, max_seq_length=16))
    with pytest.raises(DataError, match="no row can be asked"):
        chosen(short, questions(3), tokenizer)
    with pytest.raises(DataError, match=r"tokens, prompt\.max_seq_length is 16"):
        chosen(replace(short, samples=SamplesSection(questions=("a long one",))), questions(3), tokenizer)


def test_questions_are_asked_with_the_reasoning_template_of_the_largest_share(tokenizer: TextTokenizer) -> None:
    for share, template in ((0.9, "alpaca-reasoning"), (0.1, "alpaca-reasoning")):
        spec = replace(asking(1), prompt=PromptSection(mixture=mixture_of_two(share)))
        assert [question.template for question in chosen(spec, questions(3), tokenizer)] == [template]
    plain = replace(asking(1), prompt=PromptSection(mixture=SPEC.prompt.mixture[:1]))
    assert [question.template for question in chosen(plain, questions(3), tokenizer)] == ["alpaca"]


# -- decoding --


def greedy_alone(model: Any, prompt: list[int], limit: int) -> list[int]:
    """One row, computed as a whole for each token."""
    import torch

    ids = list(prompt)
    for _ in range(limit):
        ids.append(int(model(input_ids=torch.tensor([ids])).logits[0, -1].argmax()))
    return ids[len(prompt) :]


@pytest.mark.parametrize("kind", ["llama", "qwen2", "qwen3", "gemma2"])
@pytest.mark.parametrize("whole", [False, True])
def test_rows_decoded_together_have_the_tokens_that_each_has_alone(kind: str, whole: bool) -> None:
    import torch

    from core.models.padded_rows import PaddedRows
    from core.training.lean_layers import use_lean_layers
    from core.training.probe_decoding import WholeRows, greedy_tokens

    model = make_packable_model(kind).eval()
    prompts = [list(range(1, 4)), list(range(9, 40)), [7]]
    with torch.no_grad():
        wanted = [greedy_alone(model, prompt, 12) for prompt in prompts]
        use_lean_layers(model)
        found: list[list[int]] = [[] for _ in prompts]

        def ends(row: int, token: int) -> bool:
            found[row].append(token)
            return row == 1 and len(found[row]) == 5  # one row ends before the others

        stepper = (WholeRows if whole else PaddedRows)(model, VOCABULARY - 1)
        assert greedy_tokens(stepper, prompts, 12, ends, lambda: False)
    assert found == [wanted[0], wanted[1][:5], wanted[2]]


def test_scores_that_are_no_numbers_end_an_answer() -> None:
    import torch

    from core.training.probe_decoding import NOT_FINITE, greedy_tokens

    class Broken:
        def start(self, prompts: Any) -> Any:
            return torch.tensor([[0.0, float("nan")], [0.0, 1.0]])

        def append(self, tokens: Any) -> Any:
            raise AssertionError("all rows have ended")

    met: list[tuple[int, int]] = []

    def ends(row: int, token: int) -> bool:
        met.append((row, token))
        return True

    assert greedy_tokens(Broken(), [[1], [1]], 5, ends, lambda: False)
    assert met == [(0, NOT_FINITE), (1, 1)]
    assert not greedy_tokens(Broken(), [[1], [1]], 5, ends, lambda: True)


# -- in a run --

SAMPLES = SamplesSection(steps=5, questions=3, max_tokens=12)


def lines_of(run: RunFolder) -> list[dict[str, Any]]:
    return [msgspec.json.decode(line) for line in (run.path / "samples.jsonl").read_bytes().splitlines()]


def by_step(samples: RunSamples) -> dict[int, int]:
    return dict(Counter(step for _, step in samples.answers))


@pytest.fixture(scope="module")
def sampled(server: ForkServer, forked_spec: RunSpec, tmp_path_factory: pytest.TempPathFactory) -> ForkedRun:
    run = ForkedRun(server, tmp_path_factory.mktemp("sampled") / "run", replace(forked_spec, samples=SAMPLES))
    assert run.go() == 0, run.log()
    return run


def test_samples_are_written_and_change_nothing_of_the_training(sampled: ForkedRun, undisturbed: RunFolder) -> None:
    """The model has dropout: a random number more or less would show."""
    samples = sampled.run.samples()
    assert by_step(samples) == {0: 3, 5: 3, 10: 3, STEPS: 3}
    assert len(samples.questions) == 3 and {question.source for question in samples.questions} == {"test"}
    answers = list(samples.answers.values())
    assert all(0 < answer.tokens <= 12 and answer.finish in ("end", "length", "runaway") for answer in answers)
    assert any(answer.reasoning for answer in answers)
    assert losses(sampled.run) == losses(undisturbed) and adapter_hash(sampled.run) == adapter_hash(undisturbed)
    events = [event for event in sampled.run.events()[0] if event.kind == "sampled"]
    assert [event.step for event in events] == [0, 5, 10, STEPS]
    assert events[0].words == "3 probe questions answered" and events[0].facts["tokens"] > 0


@pytest.mark.parametrize("step", ["padded", "packed"])
def test_every_kind_of_step_is_the_same_with_samples(
    server: ForkServer, forked_spec: RunSpec, tmp_path: Path, step: str
) -> None:
    spec = replace(forked_spec, train=replace(forked_spec.train, step=step, steps=4))
    runs = []
    for name, samples in (("with", replace(SAMPLES, steps=1)), ("without", SamplesSection())):
        run = ForkedRun(server, tmp_path / name, replace(spec, samples=samples))
        assert run.go() == 0, run.log()
        runs.append(run.run)
    assert losses(runs[0]) == losses(runs[1]) and adapter_hash(runs[0]) == adapter_hash(runs[1])
    assert by_step(runs[0].samples()) == dict.fromkeys(range(5), 3)
    assert not (runs[1].path / "samples.jsonl").exists()


def test_a_run_that_goes_on_repeats_nothing_and_answers_the_same(
    server: ForkServer, forked_spec: RunSpec, sampled: ForkedRun, tmp_path: Path
) -> None:
    """It is killed at a step that comes again after it has gone on from its checkpoint, with half of a sample gone."""
    run = ForkedRun(server, tmp_path / "run", replace(forked_spec, samples=SAMPLES))
    assert run.go(kill_at="checkpoint: adapter", after=1) == -signal.SIGKILL
    assert [line.get("step") for line in lines_of(run.run)][-1] == 5
    lines = (run.run.path / "samples.jsonl").read_bytes().splitlines(keepends=True)
    (run.run.path / "samples.jsonl").write_bytes(b"".join(lines[:-2]) + lines[-2][:20])  # a torn line
    assert run.go() == 0, run.log()
    assert losses(run.run) == losses(sampled.run)
    again, whole = run.run.samples(), sampled.run.samples()
    assert again.questions == whole.questions

    def texts(samples: RunSamples) -> dict[tuple[str, int], tuple[str, str, int]]:
        return {key: (each.reasoning, each.response, each.tokens) for key, each in samples.answers.items()}

    assert texts(again) == texts(whole)
    written = Counter((line["question"], line["step"]) for line in lines_of_whole(run.run) if "step" in line)
    assert set(written.values()) == {1}


def lines_of_whole(run: RunFolder) -> list[dict[str, Any]]:
    """The lines that can be read."""
    found = []
    for line in (run.path / "samples.jsonl").read_bytes().splitlines():
        try:
            found.append(msgspec.json.decode(line))
        except msgspec.DecodeError:
            continue
    return found


def test_a_sample_can_be_asked_for_and_its_cadence_changed(
    server: ForkServer, forked_spec: RunSpec, tmp_path: Path
) -> None:
    run = ForkedRun(
        server, tmp_path / "run", replace(forked_spec, train=replace(forked_spec.train, steps=100_000, save_steps=0))
    )
    run.start()
    run.until(lambda run: len(run.metrics()[0]) > 1)
    run.run.request("sample")
    run.until(_answered(1))
    run.run.request("set", 2, "samples.steps")
    run.until(_answered(4))
    run.run.request("stop")
    assert run.end() == 0, run.log()
    obeyed = [event for event in run.run.events()[0] if event.facts.get("asked") == "sample"]
    assert [(event.kind, event.words) for event in obeyed] == [("obeyed", "4 probe questions answered")]


def _answered(samples: int) -> Callable[[RunFolder], bool]:
    return lambda run: len(run.samples().steps) >= samples


def test_a_question_that_cannot_be_asked_ends_a_run_before_its_first_step(
    server: ForkServer, forked_spec: RunSpec, tmp_path: Path
) -> None:
    run = ForkedRun(server, tmp_path / "run", replace(forked_spec, samples=SamplesSection(steps=2, questions=(99,))))
    assert run.go() != 0
    error = run.run.status().error
    assert error is not None and "row 99" in error.what and run.run.metrics()[0] == []


def test_a_sample_that_fails_is_an_event_and_not_the_end(
    server: ForkServer, forked_spec: RunSpec, undisturbed: RunFolder, tmp_path: Path
) -> None:
    run = ForkedRun(server, tmp_path / "run", replace(forked_spec, samples=SAMPLES))
    (run.run.path / "samples.jsonl").mkdir()  # nothing can be written there
    assert run.go() == 0, run.log()
    assert losses(run.run) == losses(undisturbed)
    failed = [event for event in run.run.events()[0] if event.kind == "sample_failed"]
    assert [event.step for event in failed] == [0, 5, 10, STEPS]
