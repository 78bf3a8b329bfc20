"""Greedy answers against transformers' own, distances, and llama.cpp's server played by a script."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import pytest

from core.export.asked_model import distances, greedy_answers, next_tokens
from core.export.export_result import Agreement
from core.export.exported_models import choose_place, load_folder
from core.export.held_out_questions import Question
from core.export.llama_server import LlamaServerFailed, answers_of_llama_server
from core.export.proof import RunAnswers, agreement_of_answers, agreement_of_model, answers_of_run

PROMPTS = [[5, 6, 7], [8, 9], [20, 21, 22, 23, 24, 25], [30]]
SERVER = """#!{python}
import http.server, json, sys
port = int(sys.argv[sys.argv.index("--port") + 1])
class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass
    def say(self, status, value):
        content = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
    def do_GET(self):
        self.say(200, {{"status": "ok"}})
    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.say({status}, {{"tokens": [token + 1 for token in asked["prompt"]] + [2, 9], "stop_type": "eos"}})
http.server.HTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""


@pytest.fixture(scope="module")
def model(base: Path) -> Any:
    place = choose_place(1000)
    assert not isinstance(place, str)
    return load_folder(base, place)


def test_answers_are_those_of_generate(model: Any) -> None:
    import torch

    stops = frozenset({3, 4})
    answers = greedy_answers(model, PROMPTS, stops, 12)
    for prompt, answer in zip(PROMPTS, answers, strict=True):
        ids = torch.tensor([prompt])
        made = model.generate(
            ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=12, eos_token_id=sorted(stops),
            pad_token_id=0,
        )  # fmt: skip
        assert made[0, len(prompt) :].tolist() == answer


def test_a_model_is_no_distance_from_itself_and_some_from_another(model: Any) -> None:
    questions = [Question(number, prompt) for number, prompt in enumerate(PROMPTS)]
    steps: list[int] = []
    run = answers_of_run(model, questions, frozenset({3}), steps.append)
    assert steps == sorted(steps)
    same = agreement_of_model(model, run, lambda _: None)
    assert (same.equal, same.asked, same.first_difference) == (4, 4, None)
    assert same.largest_kl == pytest.approx(0, abs=1e-6)
    weight = model.get_input_embeddings().weight
    before = weight.detach().clone()
    try:
        weight.data.mul_(-1)
        other = agreement_of_model(model, run, lambda _: None)
    finally:
        weight.data.copy_(before)
    assert (other.mean_kl or 0) > 0.01
    assert other.equal < 4


def test_the_distance_is_that_of_the_formula(model: Any) -> None:
    import torch

    prompt, answer = [5, 6], [7, 8]
    expected = next_tokens(model, prompt, answer)
    uniform = [torch.zeros(1, 3, model.config.vocab_size)]

    class Uniform:
        device = "cpu"

        def __call__(self, **_: Any) -> Any:
            return type("Out", (), {"logits": uniform[0][:, -2:]})

    apart = distances(Uniform(), prompt, answer, expected)
    with torch.inference_mode():
        logs = torch.log_softmax(model(torch.tensor([[5, 6, 7]])).logits[0, -2:].double(), -1)
    exact = (logs.exp() * (logs + math.log(model.config.vocab_size))).sum(-1)
    assert apart == pytest.approx(exact.tolist(), rel=1e-3, abs=1e-4)


def test_an_asked_model_can_be_interrupted(model: Any) -> None:
    class Enough(Exception):
        pass

    def stop(done: int) -> None:
        raise Enough

    with pytest.raises(Enough):
        greedy_answers(model, PROMPTS, frozenset(), 1000, stop)


def test_the_proof_in_words() -> None:
    assert Agreement(50, 48, 12).words == "48 of 50 answers equal; first difference in row 12"
    assert Agreement(1, 1).words == "1 of 1 answer equal"


def run_answers() -> RunAnswers:
    answers = [[token + 1 for token in prompt] + [2] for prompt in PROMPTS]
    return RunAnswers(tuple(Question(n, p) for n, p in enumerate(PROMPTS)), answers, [], frozenset({2}))


def serve(folder: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    program = folder / "llama-server"
    program.write_text(text)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))


def test_llama_cpp_is_asked_by_ids(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    serve(tmp_path, monkeypatch, SERVER.format(python=sys.executable, status=200))
    run, seen = run_answers(), []
    answers = answers_of_llama_server(tmp_path / "m.gguf", PROMPTS, run.stops, 64, seen.append)
    assert seen == [0, 1, 2, 3, 4]
    assert agreement_of_answers(answers, run, without_stops=True).equal == 4
    assert agreement_of_answers([[1], *answers[1:]], run, without_stops=True).first_difference == 0


@pytest.mark.parametrize("text", ["#!/bin/sh\nexit 3\n", SERVER.format(python=sys.executable, status=500)])
def test_a_server_that_fails_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    serve(tmp_path, monkeypatch, text)
    with pytest.raises(LlamaServerFailed):
        answers_of_llama_server(tmp_path / "m.gguf", PROMPTS, frozenset({2}), 4, lambda _: None)
