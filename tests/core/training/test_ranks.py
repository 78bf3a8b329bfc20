"""Several ranks train what one process trains: real processes with gloo on the CPU, on a tiny model in 32 bit."""

from __future__ import annotations

import json
import signal
from collections import Counter
from pathlib import Path

import pytest
from msgspec.structs import replace
from safetensors.numpy import load_file

from core.runs.checkpoint_folders import checkpoint_folder, checkpoint_step
from core.runs.run_folder import RunFolder
from core.runs.spec import RunSpec, SamplesSection, ValidationSection
from tests.support.mirror_program import TRACKIO
from tests.support.rank_forks import RankedRun
from tests.support.run_forks import EVERY, STEPS, ForkedRun, ForkServer, adapter_hash, losses


@pytest.fixture
def spec(forked_spec: RunSpec) -> RunSpec:
    """Without dropout, whose random numbers each rank draws for itself."""
    return replace(forked_spec, lora=replace(forked_spec.lora, dropout=0.0))


def numbers(run: RunFolder, name: str = "loss") -> list[float]:
    return [getattr(metric, name) for metric in run.metrics()[0]]


def notes(run: RunFolder, kind: str = "note") -> str:
    return "\n".join(event.words for event in run.events()[0] if event.kind == kind)


def with_step(spec: RunSpec, step: str) -> RunSpec:
    return replace(spec, train=replace(spec.train, step=step))


@pytest.mark.parametrize("step", ["packed", "padded"])
def test_two_ranks_have_the_losses_of_one_process(server: ForkServer, spec: RunSpec, tmp_path: Path, step: str) -> None:
    validated = replace(with_step(spec, step), validation=ValidationSection(share=0.4, steps=4, seed=1))
    one, two = ForkedRun(server, tmp_path / "one", validated), RankedRun(server, tmp_path / "two", validated)
    assert one.go() == 0, one.log()
    assert two.go() == 0, two.log()
    assert two.codes == [0, 0]
    assert two.run.status().state == "finished" and two.run.facts()["ranks"] == 2
    assert two.run.facts()["step_kind"] == step
    assert len(numbers(two.run)) == STEPS
    for name in ("loss", "loss_response", "grad_norm", "learning_rate", "tokens"):
        assert numbers(two.run, name) == pytest.approx(numbers(one.run, name), abs=1e-4, rel=1e-4), name
    evaluated = [[event.facts for event in run.events()[0] if event.kind == "evaluated"] for run in (one.run, two.run)]
    assert len(evaluated[0]) == len(evaluated[1]) > 1
    for alone, together in zip(*evaluated, strict=True):
        assert together == pytest.approx(alone, abs=1e-4)
    adapters = [load_file(run.run.adapter / "adapter_model.safetensors") for run in (one, two)]
    assert adapters[0].keys() == adapters[1].keys()
    assert all(abs(adapters[0][name] - adapters[1][name]).max() < 1e-3 for name in adapters[0])


@pytest.mark.parametrize("step", ["packed", "padded"])
def test_resumed_with_as_many_ranks_it_is_equal_to_the_last_bit(
    server: ForkServer, forked_spec: RunSpec, tmp_path: Path, step: str
) -> None:
    """With dropout: each rank goes on with its own random numbers."""
    made = with_step(forked_spec, step)
    plain, killed = (RankedRun(server, tmp_path / name, made) for name in ("plain", "killed"))
    assert plain.go() == 0, plain.log()
    assert killed.go(rank_0={"kill_at": "checkpoint: done", "after": 1}) == -signal.SIGKILL
    assert killed.codes[1] > 0, killed.log()  # it notices
    assert (checkpoint_folder(killed.run.path, 2 * EVERY) / "rng_state_1.pth").is_file()
    assert killed.go() == 0, killed.log()
    assert losses(killed.run) == losses(plain.run) and adapter_hash(killed.run) == adapter_hash(plain.run)
    assert "random numbers will differ" not in notes(killed.run)


def test_resumed_with_another_number_of_ranks_it_goes_on_and_says_so(
    server: ForkServer, spec: RunSpec, tmp_path: Path
) -> None:
    plain, one = (ForkedRun(server, tmp_path / name, spec) for name in ("plain", "one"))
    assert plain.go() == 0, plain.log()
    assert one.go(kill_at="checkpoint: done", after=1) == -signal.SIGKILL
    two = RankedRun.__new__(RankedRun)
    two.server, two.run, two.count = server, one.run, 2
    assert two.go() == 0, two.log()
    assert "goes on with 2 ranks instead of 1 rank: random numbers will differ" in notes(two.run)
    assert numbers(two.run) == pytest.approx(numbers(plain.run), abs=1e-4)


def test_requests_are_obeyed_by_all_ranks(server: ForkServer, spec: RunSpec, tmp_path: Path) -> None:
    """A rank that kept another rate, or went on, would make other losses, or wait for ever."""
    long = replace(spec, train=replace(spec.train, steps=100_000, save_steps=0, scheduler="constant", warmup_steps=0))
    run = RankedRun(server, tmp_path / "run", long)
    run.start()
    run.until(lambda folder: len(folder.metrics()[0]) >= 2)
    for kind, value, key in (("rate", 0.5, ""), ("set", 0.25, "train.max_grad_norm"), ("checkpoint", None, "")):
        run.run.request(kind, value, key)
    run.until(lambda folder: folder.checkpoint() is not None)
    run.run.request("stop")
    assert run.end() == 0, run.log()
    assert run.codes == [0, 0] and run.run.status().state == "stopped"
    obeyed = [(event.facts["asked"], event.step) for event in run.run.events()[0] if event.kind == "obeyed"]
    assert [kind for kind, _ in obeyed] == ["rate", "set", "checkpoint", "stop"]
    assert numbers(run.run, "learning_rate")[-1] == pytest.approx(1e-3)


@pytest.mark.parametrize("step", ["packed", "padded"])
def test_a_signal_in_a_step_of_one_rank_ends_all_before_their_update(
    server: ForkServer, forked_spec: RunSpec, tmp_path: Path, step: str
) -> None:
    made = with_step(forked_spec, step)
    plain, ended = (RankedRun(server, tmp_path / name, made) for name in ("plain", "ended"))
    assert plain.go() == 0, plain.log()
    ended.start()
    ended.until(lambda folder: len(folder.metrics()[0]) >= 2)
    ended.signal_all()
    assert ended.end() == 0, ended.log()
    assert ended.codes == [0, 0]
    status = ended.run.status()
    newest = ended.run.checkpoint()
    assert status.state == "paused" and newest is not None and checkpoint_step(newest) == status.step
    assert ended.go() == 0, ended.log()
    assert losses(ended.run) == losses(plain.run) and adapter_hash(ended.run) == adapter_hash(plain.run)


def test_a_bad_loss_ends_all_ranks_with_the_words_of_the_first(
    server: ForkServer, spec: RunSpec, tmp_path: Path
) -> None:
    run = RankedRun(server, tmp_path / "run", with_step(spec, "padded"))
    assert run.go(rank_1={"not_finite_at": 5}) == 5
    error = run.run.status().error
    assert error is not None and "not a finite number (nan) at step 5" in error.what
    assert run.codes == [5, 5] and len(numbers(run.run)) == 4


def test_rank_0_alone_answers_probe_questions_and_copies_numbers(
    server: ForkServer, forked_spec: RunSpec, tmp_path: Path
) -> None:
    """With dropout: a random number more or less on one rank would show."""
    modules = tmp_path / "modules"
    modules.mkdir()
    (modules / "trackio.py").write_text(TRACKIO)
    plain = RankedRun(server, tmp_path / "plain", forked_spec)
    assert plain.go() == 0, plain.log()
    train = replace(forked_spec.train, report_to=("trackio",))
    samples = SamplesSection(steps=5, questions=3, max_tokens=6)
    watched = RankedRun(server, tmp_path / "watched", replace(forked_spec, train=train, samples=samples))
    watched.run.request("sample")
    assert watched.go(modules=str(modules)) == 0, watched.log()
    assert watched.codes == [0, 0]
    assert losses(watched.run) == losses(plain.run) and adapter_hash(watched.run) == adapter_hash(plain.run)
    written = [json.loads(line) for line in (watched.run.path / "samples.jsonl").read_text().splitlines()]
    asked = Counter(line["step"] for line in written if "step" in line)
    assert asked == {0: 3, 5: 3, 10: 3, STEPS: 3}
    obeyed = [event.facts["asked"] for event in watched.run.events()[0] if event.kind == "obeyed"]
    assert obeyed == ["sample"]
    about, *copied = [json.loads(line) for line in (watched.run.path / "mirrored.jsonl").read_text().splitlines()]
    assert about["name"] == watched.run.id
    assert [line["step"] for line in copied] == list(range(1, STEPS + 1))
    results = json.loads((watched.run.path / "results" / "train.json").read_bytes())
    assert results["ended"] == "finished" and results["peak_memory_gib"] > 0
