"""What is wrong with a specification is found before anything is started, and the nearest right word is named."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from core.base.errors import RunError
from core.runs.job_requests import JobRequest
from core.runs.known_names import CUDA_OPTIMIZERS, OPTIMIZERS, SCHEDULERS
from core.runs.launch import start_run
from core.runs.run_folder import list_runs
from core.runs.spec import DataSection, ModelSection, RunSpec, TrainSection, load_run_spec
from core.runs.spec_checks import check_for_device, check_run_spec
from core.runs.steering import LiveSettings, check_request

SPEC = RunSpec(data=DataSection(source="rows"), model=ModelSection(name="demo"))
HEAD = '[data]\nsource = "x"\n[model]\nname = "m"\n'


@pytest.mark.parametrize(
    ("text", "what", "do"),
    [
        ("[train]\nbach_size = 2\n", "train.bach_size is not a setting", "batch_size"),
        ("[trian]\nsteps = 2\n", "trian is not a setting", "train"),
        ("[prompt.loss_on]\nreasonning = 1\n", "reasonning", ""),
        ("[train]\nsteps = 2.5\n", "Expected `int`", ""),
        ('[train]\nscheduler = "cosin"\n', "train.scheduler is not a name that is known: 'cosin'", "Write cosine"),
        ('[train]\noptim = "adamw8bit"\n', "train.optim is not a name that is known", "adamw_8bit"),
        ("[train]\nmax_grad_norm = -1.0\n", "train.max_grad_norm must be 0 (no clipping) or more", ""),
        ("[train]\nweight_decay = -0.1\n", "train.weight_decay must be from 0", ""),
        ("[train]\nepochs = inf\n", "train.epochs must be a number that can be meant", ""),
        ("[train]\nweight_decay = nan\n", "train.weight_decay must be a number that can be meant", ""),
        ("[train]\nsteps = 9000000000000\n", "train.steps must be a number that can be meant", ""),
        ("[train]\nsteps = 10\nwarmup_steps = 11\n", "at most the run's 10 steps, not 11", "train.warmup_steps"),
        ('[train]\ndtype = "float8"\n', "Invalid enum value 'float8'", ""),
        ("[train]\nthreads = -1\n", "train.threads must be from 0 to 1024", ""),
        ("[train]\nkeep_checkpoints = -1\n", "train.keep_checkpoints must be 0 (all) or more", ""),
        ('[train]\non_bad_loss = "ignore"\n', "Invalid enum value 'ignore'", ""),
        ('[train]\nreport_to = ["wandb", "wandb"]\n', "must be different programs", ""),
        ("[validation]\nshare = 0.7\n", "validation.share must be from 0 to 0.5", ""),
        ("[validation]\nsteps = 5\n", "validation.share must be above 0 where validation.steps is", ""),
        ("[samples]\nsteps = -1\n", "samples.steps must be 0 (only where asked) or more", ""),
        ("[samples]\nquestions = 0\n", "samples.questions must be from 1 to 100, or a list", ""),
        ("[samples]\nquestions = []\n", "a list of 1 to 100 questions", ""),
        ("[samples]\nquestions = [-3]\n", "row numbers from 0", ""),
        ('[samples]\nquestions = ["a", " "]\n', "questions that are not empty", ""),
        ('[samples]\nquestions = ["a", "a"]\n', "different questions", ""),
        ("[samples]\nquestions = 2.5\n", "Expected", ""),
        ("[samples]\nmax_tokens = 0\n", "samples.max_tokens must be from 1 to 32768", ""),
        ("[validation]\nshare = 0.1\npatience = 5\n", "validation.steps must be above 0 where", ""),
    ],
)
def test_nonsense_is_named(tmp_path: Path, text: str, what: str, do: str) -> None:
    path = tmp_path / "run.toml"
    path.write_text(HEAD + text)
    with pytest.raises(RunError) as caught:
        load_run_spec(path)
    assert what in caught.value.what and do in caught.value.do and caught.value.where == str(path)


def test_formats_and_kinds_of_others_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    for head, what in (
        ("format = 3\n", "another version"),
        ("format = true\n", "another version"),
        ('kind = "evaluate"\n', "kind 'evaluate'"),
    ):
        path.write_text(head + HEAD)
        with pytest.raises(RunError, match=what):
            load_run_spec(path)
    path.write_text('format = 2\nkind = "train"\n' + HEAD)
    assert load_run_spec(path).data.source == "x"


def test_programs_that_are_not_installed_are_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = replace(SPEC, train=TrainSection(report_to=("trackio",)))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(RunError, match="trackio, which is not installed"):
        check_run_spec(spec)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    check_run_spec(spec)


def test_what_needs_cuda_is_refused_without_it_and_what_does_nothing_is_noted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for train, what in ((TrainSection(optim="lion_8bit"), "lion_8bit"), (TrainSection(dtype="float16"), "float16")):
        spec = replace(SPEC, train=train)
        with pytest.raises(RunError, match=f"{what} needs CUDA"):
            check_for_device(spec, has_cuda=False)
        assert check_for_device(spec, has_cuda=True) == []
        monkeypatch.setattr("core.runs.launch.cuda_is_visible", lambda: False)
        with pytest.raises(RunError, match="needs CUDA"):
            start_run(spec)
    assert list_runs() == []
    assert check_for_device(SPEC, has_cuda=False) == ["model.load_in_4bit does nothing without CUDA"]
    threads = replace(SPEC, train=TrainSection(threads=3))
    assert check_for_device(threads, has_cuda=True) == ["train.threads = 3 does nothing with CUDA"]


def test_the_names_are_those_of_the_library() -> None:
    from transformers.trainer_utils import SchedulerType
    from transformers.training_args import OptimizerNames

    assert set(SCHEDULERS) <= {kind.value for kind in SchedulerType}
    assert set(OPTIMIZERS) | set(CUDA_OPTIMIZERS) <= {"auto"} | {kind.value for kind in OptimizerNames}


@pytest.mark.parametrize(
    ("request_", "what"),
    [
        (JobRequest("paus"), "'paus'"),
        (JobRequest("rate"), "the factor of the rate"),
        (JobRequest("rate", -1), "the factor of the rate"),
        (JobRequest("rate", float("nan")), "the factor of the rate"),
        (JobRequest("rate", True), "the factor of the rate"),
        (JobRequest("rate", [1]), "the factor of the rate"),
        (JobRequest("set", 3), "a setting without a name"),
        (JobRequest("set", 3, "train.steps"), "train.steps cannot be changed"),
        (JobRequest("set", -3, "train.save_steps"), "a whole number of at least 0"),
        (JobRequest("set", "9" * 400, "train.save_steps"), "a whole number of at least 0"),
        (JobRequest("set", "ignore", "train.on_bad_loss"), "one of stop, back_off, go_on"),
        (JobRequest("set", 3, "validation.patience"), "no rows are kept out"),
        (JobRequest("evaluate"), "no rows are kept out"),
    ],
)
def test_requests_that_make_no_sense_are_refused(request_: JobRequest, what: str) -> None:
    with pytest.raises(RunError) as caught:
        check_request(request_, SPEC)
    assert what in caught.value.what and caught.value.do


def test_requests_that_make_sense_have_numbers() -> None:
    assert check_request(JobRequest("rate", "0.5"), SPEC).value == 0.5
    assert check_request(JobRequest("set", "30", "train.save_steps"), SPEC).value == 30
    assert check_request(JobRequest("set", "0.3", "train.max_grad_norm"), SPEC).value == 0.3
    assert check_request(JobRequest("pause"), SPEC) == JobRequest("pause")
    assert LiveSettings.of_spec(SPEC).keep_checkpoints == SPEC.train.keep_checkpoints
