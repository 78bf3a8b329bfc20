"""Several models and adapters in memory: who holds what, who goes first, and that nobody is answered by another's."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from core.base.errors import EngineError, ModelError
from core.engine import resident_model
from core.engine.model_holders import ModelHolder
from core.engine.protocol import ModelHeld
from core.engine.resident_model import ResidentModels
from core.engine.target import UnknownModel, held_target, make_target, named_target
from tests.support.tiny_model import make_tiny_adapter, make_tiny_model

ME, OTHER = ModelHolder("me", os.getpid()), ModelHolder("other", os.getppid())


def quiet(_: str) -> None:
    pass


@pytest.fixture(scope="module")
def second_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("second") / "model", seed=9)


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The bases that are loaded, in order."""
    found: list[str] = []
    load = resident_model.load_for_inference

    def counted(name: str, *rest: Any, **more: Any) -> Any:
        found.append(Path(name).parent.name)
        return load(name, *rest, **more)

    monkeypatch.setattr(resident_model, "load_for_inference", counted)
    return found


def names(models: ResidentModels) -> set[str]:
    return {target.model for target in models.targets()}


def no_room(*_: Any) -> ModelError:
    return ModelError("the model needs about 9 GiB, and 1 GiB is free", "model", "")


def test_two_terminals_keep_their_models_where_there_is_room(tiny_folder: Path, second_folder: Path) -> None:
    models = ResidentModels()
    one, two = make_target(str(tiny_folder), ""), make_target(str(second_folder), "")
    models.load(one, ME, quiet)
    models.load(two, OTHER, quiet)
    assert names(models) == {one.model, two.model}
    models.load(two, ME, quiet)  # they share it; nobody holds the first one any more, which goes with the next load
    models.load(one, ME, quiet)
    assert names(models) == {one.model, two.model}
    assert [status.model for status in models.statuses() if status.held_by] == [one.model, two.model]


def test_the_model_of_a_terminal_that_has_ended_goes_first(tiny_folder: Path, second_folder: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    models = ResidentModels()
    models.load(make_target(str(tiny_folder), ""), ModelHolder("gone", gone.pid), quiet)
    models.load(make_target(str(second_folder), ""), ME, quiet)
    assert names(models) == {str(second_folder)}


def test_without_room_it_is_said_who_holds_what_and_it_can_be_taken(
    tiny_folder: Path, second_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = ResidentModels()
    models.load(make_target(str(tiny_folder), ""), OTHER, quiet)
    monkeypatch.setattr(resident_model, "fit_problem", no_room)
    wanted = make_target(str(second_folder), "")
    with pytest.raises(ModelHeld) as refused:
        models.load(wanted, ME, quiet)
    assert str(os.getppid()) in refused.value.what
    assert str(tiny_folder) in refused.value.what
    assert names(models) == {str(tiny_folder)}
    assert models.changes(wanted, ME, take=False) == frozenset()
    assert models.changes(wanted, ME, take=True) == {str(tiny_folder)}
    models.load(wanted, ME, quiet, take=True)
    assert names(models) == {str(second_folder)}
    with pytest.raises(EngineError, match="another terminal has loaded"):
        models.find(make_target(str(tiny_folder), ""))


def test_a_typo_unloads_nothing(tiny_folder: Path, tmp_path: Path) -> None:
    models = ResidentModels()
    models.load(make_target(str(tiny_folder), ""), ME, quiet)
    for model, adapter in ((str(tmp_path / "nowhere"), ""), (str(tiny_folder), str(tmp_path))):
        with pytest.raises(ModelError):
            models.load(make_target(model, adapter), ME, quiet)
    assert names(models) == {str(tiny_folder)}


def test_adapters_stand_side_by_side_and_old_states_go(
    tiny_folder: Path, tiny_adapter: Path, tmp_path: Path, loads: list[str]
) -> None:
    models = ResidentModels()
    copies = [tmp_path / f"run-{number}" for number in range(6)]
    for number, copy in enumerate(copies):
        make_tiny_adapter(copy, tiny_folder, seed=10 + number)
        models.load(make_target(str(tiny_folder), str(copy)), ME, quiet)
        assert models.targets()[0].adapter == str(copy)
    assert len(loads) == 1, "the base was loaded again"
    assert len(models.targets()) == 5, "four adapters and the base"
    newest = make_target(str(tiny_folder), str(copies[-1]))
    shutil.copytree(tiny_adapter, copies[-1], dirs_exist_ok=True)
    trained_again = make_target(str(tiny_folder), str(copies[-1]))
    assert newest != trained_again
    assert models.has(newest)
    assert not models.has(trained_again)
    assert models.changes(trained_again, ME, take=False) == {str(tiny_folder)}
    models.load(trained_again, ME, quiet)
    assert not models.has(newest)
    assert models.has(trained_again)
    assert models.changes(trained_again, ME, take=False) == frozenset()


def test_names_become_targets_when_they_are_said(tiny_folder: Path, tiny_adapter: Path) -> None:
    base, tuned = make_target(str(tiny_folder), ""), make_target(str(tiny_folder), str(tiny_adapter))
    known = (tuned, base)
    assert named_target(base.name, known) == base
    assert named_target(tuned.name, known) == tuned
    with pytest.raises(UnknownModel, match="gpt-4"):
        named_target("gpt-4", known)
    assert held_target(str(tiny_folder), f"{tiny_adapter}/", known) == tuned
    assert held_target("another", "", known).model == "another"
