"""Several models and adapters in memory: who holds what, who goes first, and that nobody is answered by another's."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from core.base.errors import EngineError, ModelError
from core.engine import load_check
from core.engine.load_check import check_load, check_unchanged, weights_form
from core.engine.model_holders import ModelHolder
from core.engine.protocol import ModelHeld
from core.engine.resident_model import ResidentModels
from core.engine.target import ModelTarget, UnknownModel, held_target, make_target, named_target
from core.models.load_form import OWN_FORM, LoadForm
from core.models.loading import LoadedModel, load_checked
from tests.support.tiny_model import make_tiny_adapter, make_tiny_model

ME, OTHER = ModelHolder("me", os.getpid()), ModelHolder("other", os.getppid())


def quiet(_: str) -> None:
    pass


@pytest.fixture(scope="module")
def second_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("second") / "model", seed=9)


class Memory(ResidentModels):
    """Models in memory, loaded in one go."""

    def __init__(self) -> None:
        super().__init__()
        self.reads: list[str] = []
        """The bases whose weights were read."""

    def load(self, target: ModelTarget, holder: ModelHolder = ME, *, take: bool = False) -> LoadedModel:
        load = check_load(target, self.known(holder), quiet)
        loaded = None
        if self.make_room(load, holder, take=take):
            assert load.base is not None
            self.reads.append(target.model)
            loaded = load_checked(load.base, quiet)
            check_unchanged(load)
        return self.put(load, loaded, holder)

    def would_change(self, target: ModelTarget, *, take: bool = False) -> frozenset[str]:
        return self.changes(check_load(target, self.known(ME), quiet), ME, take=take)


def names(models: ResidentModels) -> set[str]:
    return {target.model for target in models.targets()}


@pytest.fixture
def no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """No model fits beside another."""
    resolve = load_check.resolve_and_check

    def judged(*args: Any, **more: Any) -> Any:
        checked = resolve(*args, **more)
        assert checked.fit is not None
        fit = msgspec.structs.replace(checked.fit, verdict="does not fit", warning="It needs about 9 GiB.")
        return msgspec.structs.replace(checked, fit=fit)

    monkeypatch.setattr(load_check, "resolve_and_check", judged)


def asks_for(monkeypatch: pytest.MonkeyPatch, form: LoadForm) -> None:
    """Every adapter's run was trained on a base in this form."""
    monkeypatch.setattr(load_check, "run_load_form", lambda _: form)


def test_two_terminals_keep_their_models_where_there_is_room(tiny_folder: Path, second_folder: Path) -> None:
    models = Memory()
    one, two = make_target(str(tiny_folder), ""), make_target(str(second_folder), "")
    models.load(one, ME)
    models.load(two, OTHER)
    assert names(models) == {one.model, two.model}
    models.load(two, ME)  # they share it; nobody holds the first one any more, which goes with the next load
    models.load(one, ME)
    assert names(models) == {one.model, two.model}
    assert models.reads == [one.model, two.model]
    assert [status.model for status in models.statuses() if status.held_by] == [one.model, two.model]
    models.unload_all()
    assert models.targets() == ()
    assert models.memory_gib() is None
    models.load(one)
    assert names(models) == {one.model}


def test_the_model_of_a_terminal_that_has_ended_goes_first(tiny_folder: Path, second_folder: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    models = Memory()
    models.load(make_target(str(tiny_folder), ""), ModelHolder("gone", gone.pid))
    assert [known.goes for known in models.known(ME)] == [True]
    models.load(make_target(str(second_folder), ""))
    assert names(models) == {str(second_folder)}


def test_without_room_it_is_said_who_holds_what_and_it_can_be_taken(
    tiny_folder: Path, second_folder: Path, no_room: None
) -> None:
    models = Memory()
    models.load(make_target(str(tiny_folder), ""), OTHER)
    wanted = make_target(str(second_folder), "")
    with pytest.raises(ModelHeld) as refused:
        models.load(wanted)
    assert str(os.getppid()) in refused.value.what
    assert str(tiny_folder) in refused.value.what
    assert "9 GiB" in refused.value.what
    assert names(models) == {str(tiny_folder)}
    assert models.would_change(wanted) == frozenset()
    assert models.would_change(wanted, take=True) == {str(tiny_folder)}
    models.load(wanted, take=True)
    assert names(models) == {str(second_folder)}
    with pytest.raises(EngineError, match="another terminal has loaded"):
        models.find(make_target(str(tiny_folder), ""))


def test_what_fits_beside_others_takes_nothing(tiny_folder: Path, second_folder: Path) -> None:
    models = Memory()
    models.load(make_target(str(tiny_folder), ""), OTHER)
    models.load(make_target(str(second_folder), ""), ME, take=True)
    assert names(models) == {str(tiny_folder), str(second_folder)}


def test_a_typo_unloads_nothing(tiny_folder: Path, tmp_path: Path) -> None:
    models = Memory()
    models.load(make_target(str(tiny_folder), ""))
    for model, adapter in ((str(tmp_path / "nowhere"), ""), (str(tiny_folder), str(tmp_path))):
        with pytest.raises(ModelError):
            models.load(make_target(model, adapter))
    assert names(models) == {str(tiny_folder)}


def test_adapters_stand_side_by_side_and_old_states_go(tiny_folder: Path, tiny_adapter: Path, tmp_path: Path) -> None:
    models = Memory()
    copies = [tmp_path / f"run-{number}" for number in range(6)]
    for number, copy in enumerate(copies):
        make_tiny_adapter(copy, tiny_folder, seed=10 + number)
        models.load(make_target(str(tiny_folder), str(copy)))
        assert models.targets()[0].adapter == str(copy)
    assert len(models.reads) == 1, "the base was loaded again"
    assert len(models.targets()) == 5, "four adapters and the base"
    newest = make_target(str(tiny_folder), str(copies[-1]))
    assert models.view(newest).adapter_version == newest.version
    shutil.copytree(tiny_adapter, copies[-1], dirs_exist_ok=True)
    trained_again = make_target(str(tiny_folder), str(copies[-1]))
    assert newest != trained_again
    assert models.has(newest)
    assert not models.has(trained_again)
    assert models.would_change(trained_again) == {str(tiny_folder)}
    models.load(trained_again)
    assert not models.has(newest)
    assert models.has(trained_again)
    assert models.would_change(trained_again) == frozenset()


def test_an_adapter_that_is_written_anew_before_its_turn_is_not_taken_for_the_old_one(
    tiny_folder: Path, tmp_path: Path
) -> None:
    models = Memory()
    adapter = make_tiny_adapter(tmp_path / "run", tiny_folder, seed=3)
    asked = make_target(str(tiny_folder), str(adapter))
    make_tiny_adapter(adapter, tiny_folder, seed=4)
    with pytest.raises(ModelError, match="written anew"):
        models.load(asked)


def test_a_base_that_is_replaced_under_its_name_is_noticed(tiny_folder: Path, tmp_path: Path) -> None:
    models = Memory()
    folder = tmp_path / "model"
    shutil.copytree(tiny_folder, folder)
    target = make_target(str(folder), "")
    models.load(target)
    models.load(target, OTHER)
    for path in folder.iterdir():
        os.utime(path)  # other times and the same content
    models.load(target)
    assert len(models.reads) == 1
    shutil.rmtree(folder)
    make_tiny_model(folder, seed=5)
    assert models.would_change(target) == {str(folder)}
    before = models.view(target).fingerprint
    models.load(target)
    assert len(models.reads) == 2
    assert models.view(target).fingerprint != before
    assert len(models.statuses()) == 1, "nobody is answered by the old one, whoever held it"


def test_files_that_change_while_they_are_read_are_refused(tiny_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_folder, folder)
    load = check_load(make_target(str(folder), ""), (), quiet)
    check_unchanged(load)
    make_tiny_model(folder, seed=5)
    with pytest.raises(ModelError, match="changed while they were read"):
        check_unchanged(load)


def test_a_base_has_the_form_of_its_adapters_run_and_its_own_when_it_is_asked_alone(
    tiny_folder: Path, tiny_adapter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone, tuned = make_target(str(tiny_folder), ""), make_target(str(tiny_folder), str(tiny_adapter))
    own = weights_form(OWN_FORM)
    other = "float16" if own != "float16" else "float32"
    models = Memory()
    asks_for(monkeypatch, LoadForm(dtype=other))
    loaded = models.load(tuned)
    assert str(loaded.model.dtype) == f"torch.{other}"
    assert [(status.form, status.alone) for status in models.statuses()] == [(other, False)]
    with pytest.raises(EngineError, match=f"in memory are its weights as {other}"):
        models.find(alone)
    assert alone not in models.targets()
    assert str(models.load(alone, OTHER).model.dtype) == f"torch.{own}"
    assert models.find(alone)[0] is not models.find(tuned)[0]
    assert {(status.form, status.alone) for status in models.statuses()} == {(other, False), (own, True)}


def test_forms_that_are_the_same_weights_here_share_them(
    tiny_folder: Path, tiny_adapter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone, tuned = make_target(str(tiny_folder), ""), make_target(str(tiny_folder), str(tiny_adapter))
    models = Memory()
    models.load(alone)
    asks_for(monkeypatch, LoadForm(dtype=weights_form(OWN_FORM)))
    models.load(tuned)
    assert models.find(alone)[0] is models.find(tuned)[0]
    assert len(models.reads) == 1


def test_names_become_targets_when_they_are_said(tiny_folder: Path, tiny_adapter: Path) -> None:
    base, tuned = make_target(str(tiny_folder), ""), make_target(str(tiny_folder), str(tiny_adapter))
    known = (tuned, base)
    assert named_target(base.name, known) == base
    assert named_target(tuned.name, known) == tuned
    with pytest.raises(UnknownModel, match="gpt-4"):
        named_target("gpt-4", known)
    assert held_target(str(tiny_folder), f"{tiny_adapter}/", known) == tuned
    assert held_target("another", "", known).model == "another"
