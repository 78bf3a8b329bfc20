"""A run is never trained on weights that were invented, nor from an adapter that does not fit."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from core.base.errors import RunError
from core.runs.checkpoint_folders import AdapterOrigin, write_folder_whole
from core.runs.facts_file import write_facts
from core.runs.spec import LoraSection, ModelSection, RunSpec
from core.training.first_weights import find_first_weights, load_first_weights
from tests.support.changed_models import Tensors, copy_of, with_config, with_tensors
from tests.support.run_forks import ForkedRun, ForkServer
from tests.support.tiny_model import make_tiny_adapter


def run_on(server: ForkServer, spec: RunSpec, model: Path, folder: Path) -> ForkedRun:
    return ForkedRun(server, folder, replace(spec, model=ModelSection(name=str(model))))


def test_a_run_on_weights_that_lack_a_layer_fails_before_its_first_step(
    server: ForkServer, forked_spec: RunSpec, model_folder: Path, tmp_path: Path
) -> None:
    model = with_config(copy_of(model_folder, tmp_path / "model"), num_hidden_layers=3, layer_types=None)
    run = run_on(server, forked_spec, model, tmp_path / "run")
    assert run.go() != 0
    error = run.run.status().error
    assert error is not None
    assert error.what.startswith("3 layers are in config.json, and the weights have 2")
    assert run.run.metrics()[0] == []


def test_tensors_that_a_run_does_not_use_are_in_its_facts(
    server: ForkServer, forked_spec: RunSpec, model_folder: Path, tmp_path: Path
) -> None:
    def more(tensors: Tensors) -> None:
        tensors["extra.weight"] = tensors["model.norm.weight"].clone()

    model = with_tensors(copy_of(model_folder, tmp_path / "model"), more)
    run = run_on(server, forked_spec, model, tmp_path / "run")
    assert run.go() == 0, run.log()
    (note,) = run.run.facts()["model_notes"]
    assert note.startswith("1 tensor of the weights is not in the model") and "extra.weight" in note
    assert any(event.kind == "note" and event.words == note for event in run.run.events()[0])


def test_a_run_goes_on_whose_model_was_recorded_by_an_earlier_version(
    server: ForkServer, forked_spec: RunSpec, model_folder: Path, tmp_path: Path
) -> None:
    from core.models.fingerprint import model_fingerprint

    run = run_on(server, forked_spec, model_folder, tmp_path / "run")
    earlier = model_fingerprint(model_folder, like="0" * 32)
    write_facts(run.run.path, {"model_fingerprint": earlier})
    assert run.go() == 0, run.log()


@pytest.fixture
def adapter(model_folder: Path, tmp_path: Path) -> Path:
    return make_tiny_adapter(tmp_path / "adapter", model_folder)


def test_first_weights_of_a_model_that_was_replaced_are_refused(
    adapter: Path, model_folder: Path, tmp_path: Path
) -> None:
    from core.models.fingerprint import model_fingerprint

    lora = LoraSection(r=4, target_modules=("q_proj", "v_proj", "down_proj"), init_from=str(adapter))
    assert find_first_weights(lora, model_folder) == adapter
    for like in ("", "0" * 32):
        origin = AdapterOrigin("tiny", "", "run", 1, model_fingerprint(model_folder, like=like))
        marked = tmp_path / f"marked{len(like)}"
        write_folder_whole(marked, lambda part: [copy_file(adapter, part, name) for name in FILES], origin, "adapter")
        lora = msgspec.structs.replace(lora, init_from=str(marked))
        assert find_first_weights(lora, model_folder) == marked
        other = with_config(copy_of(model_folder, tmp_path / f"other{len(like)}"), rope_theta=5.0)
        with pytest.raises(RunError, match="trained on another model: tiny"):
            find_first_weights(lora, other)


FILES = ("adapter_config.json", "adapter_model.safetensors")


def copy_file(source: Path, target: Path, name: str) -> None:
    (target / name).write_bytes((source / name).read_bytes())


def grow(tensors: Tensors) -> None:
    for name in [name for name in tensors if ".layers.1." in name]:
        tensors[name.replace(".layers.1.", ".layers.2.")] = tensors[name].clone()


def shrink(tensors: Tensors) -> None:
    for name in [name for name in tensors if ".layers.1." in name]:
        del tensors[name]


def widen(tensors: Tensors) -> None:
    for name, tensor in tensors.items():
        tensors[name] = tensor.repeat(2, 1)


@pytest.mark.parametrize(
    ("change", "words"),
    [(grow, "6 weights have no place"), (shrink, "6 weights are missing"), (widen, "does not fit: size mismatch")],
)
def test_first_weights_that_do_not_fill_the_adapter_are_refused(
    change: object, words: str, adapter: Path, model_folder: Path, tmp_path: Path
) -> None:
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    config = LoraConfig.from_pretrained(str(adapter))
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(model_folder), config)
    load_first_weights(model, adapter)
    with pytest.raises(RunError, match=words):
        load_first_weights(model, with_tensors(adapter, change, FILES[1]))  # type: ignore[arg-type]
