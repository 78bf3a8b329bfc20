"""An adapter that was not made for a model is refused before the model is touched: another base, other layers, other
shapes, a base that was replaced since."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.base.errors import ModelError
from core.models.adapter_check import check_adapter, check_adapter_files
from core.models.fingerprint import model_fingerprint
from core.models.load_form import TrainedBase
from core.models.loading import attach_adapter, load_for_inference
from tests.support.changed_models import Tensors, copy_of, with_config, with_tensors
from tests.support.tiny_model import make_tiny_adapter, make_tiny_model

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("adapters") / "model")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, tiny: Path) -> Path:
    return make_tiny_adapter(tmp_path_factory.mktemp("adapters") / "adapter", tiny)


@pytest.fixture
def adapter(made: Path, tmp_path: Path) -> Path:
    return copy_of(made, tmp_path / "adapter")


def refusal(adapter: Path, model: Path, trained_on: TrainedBase | None = None) -> str:
    with pytest.raises(ModelError) as caught:
        check_adapter(adapter, "tiny", model, trained_on=trained_on)
    assert caught.value.where.startswith(str(adapter))
    assert caught.value.do
    return caught.value.what


def layer(tensors: Tensors, number: int) -> Tensors:
    return {name: tensor for name, tensor in tensors.items() if f".layers.{number}." in name}


def test_an_adapter_of_this_model_is_taken_with_its_version(adapter: Path, tiny: Path) -> None:
    before = check_adapter(adapter, "tiny", tiny)
    assert before.folder == adapter
    assert check_adapter(adapter, "tiny", tiny) == before
    with_tensors(adapter, lambda tensors: next(iter(tensors.values())).add_(1), WEIGHTS)
    assert check_adapter(adapter, "tiny", tiny).version != before.version


def test_more_layers_than_the_model(adapter: Path, tiny: Path) -> None:
    def grow(tensors: Tensors) -> None:
        more = {
            name.replace(".1.", ".2.").replace(".layers.1", ".layers.2"): t for name, t in layer(tensors, 1).items()
        }
        tensors.update({name: tensor.clone() for name, tensor in more.items()})

    what = refusal(with_tensors(adapter, grow, WEIGHTS), tiny)
    assert "it is for 3 layers, and the model has 2" in what
    assert "6 tensors of it have no place there" in what


def test_fewer_layers_than_the_model(adapter: Path, tiny: Path) -> None:
    def shrink(tensors: Tensors) -> None:
        for name in layer(tensors, 1):
            del tensors[name]

    what = refusal(with_tensors(adapter, shrink, WEIGHTS), tiny)
    assert "it is for 1 layer, and the model has 2" in what
    assert "6 tensors are missing" in what


def test_chosen_layers_alone_are_no_lack(tiny: Path, tmp_path: Path) -> None:
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    config = LoraConfig(r=2, target_modules=["q_proj"], layers_to_transform=[0], task_type="CAUSAL_LM")
    get_peft_model(AutoModelForCausalLM.from_pretrained(tiny), config).save_pretrained(tmp_path / "one")
    check_adapter(tmp_path / "one", "tiny", tiny)


@pytest.mark.parametrize("extra", [{"use_dora": True}, {"modules_to_save": ["lm_head"]}, {"use_rslora": True}])
def test_the_other_kinds_of_lora_are_taken(tiny: Path, tmp_path: Path, extra: dict[str, object]) -> None:
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    config = LoraConfig(r=2, target_modules=["q_proj"], task_type="CAUSAL_LM", **extra)
    get_peft_model(AutoModelForCausalLM.from_pretrained(tiny), config).save_pretrained(tmp_path / "kind")
    check_adapter(tmp_path / "kind", "tiny", tiny)


def test_another_rank_in_the_settings_than_in_the_file(adapter: Path, tiny: Path) -> None:
    what = refusal(with_config(adapter, CONFIG, r=8), tiny)
    assert "has the shape [4, 64] in it, and [8, 64] by its settings there" in what
    assert "more)" in what


def test_modules_that_the_model_does_not_have(adapter: Path, tiny: Path) -> None:
    assert "does not fit tiny" in refusal(with_config(adapter, CONFIG, target_modules=["c_attn"]), tiny)


def test_modules_of_the_settings_that_the_file_lacks(adapter: Path, tiny: Path) -> None:
    modules = ["q_proj", "v_proj", "down_proj", "up_proj"]
    assert "4 tensors are missing" in refusal(with_config(adapter, CONFIG, target_modules=modules), tiny)


def test_a_model_of_another_width(adapter: Path, tmp_path: Path, tiny: Path) -> None:
    wide = with_config(copy_of(tiny, tmp_path / "wide"), hidden_size=128, head_dim=16)
    assert "has the shape [4, 64] in it, and [4, 128]" in refusal(adapter, wide)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"peft_type": "IA3"}, "IA3, not LORA"),
        ({"bias": "all"}, "biases"),
        ({"peft_type": 3}, "cannot be read"),
        ({"peft_type": ""}, "not LORA"),
    ],
)
def test_settings_that_cannot_be_asked(adapter: Path, changes: dict[str, object], words: str) -> None:
    with pytest.raises(ModelError, match=words):
        check_adapter_files(with_config(adapter, CONFIG, **changes))


def test_files_that_are_cut_short_or_not_there(adapter: Path) -> None:
    content = (adapter / WEIGHTS).read_bytes()
    (adapter / WEIGHTS).write_bytes(content[:-1])
    with pytest.raises(ModelError, match="cut short"):
        check_adapter_files(adapter)
    (adapter / WEIGHTS).unlink()
    with pytest.raises(ModelError, match="no complete adapter"):
        check_adapter_files(adapter)


def test_a_base_that_was_replaced_under_the_same_name_is_said_by_name(
    adapter: Path, tiny: Path, tmp_path: Path
) -> None:
    folder = copy_of(tiny, tmp_path / "model")
    trained_on = TrainedBase("tiny", model_fingerprint(folder))
    check_adapter(adapter, "tiny", folder, trained_on=trained_on)
    check_adapter(adapter, "tiny", copy_of(folder, tmp_path / "copy"), trained_on=trained_on)
    with_tensors(folder, lambda tensors: tensors["model.layers.1.mlp.up_proj.weight"].mul_(2))
    assert "the model tiny is not the one" in refusal(adapter, folder, trained_on)


def test_an_adapter_of_another_base_of_the_same_shapes(adapter: Path, tiny: Path, tmp_path: Path) -> None:
    other = make_tiny_model(tmp_path / "other", seed=5)
    what = refusal(adapter, tiny, TrainedBase("other/base", model_fingerprint(other)))
    assert what == "this adapter was trained on other/base, and tiny is another model"


def test_an_adapter_from_elsewhere_says_what_is_not_known(adapter: Path, tiny: Path) -> None:
    assert check_adapter(with_config(adapter, CONFIG, base_model_name_or_path="owner/tiny"), "tiny", tiny).note == ""
    snapshot = "/hub/models--owner--tiny/snapshots/abc"
    assert check_adapter(with_config(adapter, CONFIG, base_model_name_or_path=snapshot), "tiny", tiny).note == ""
    with_config(adapter, CONFIG, base_model_name_or_path="owner/an\x1bother")
    note = check_adapter(adapter, "tiny", tiny).note
    assert note.startswith("the adapter names owner/an") and "\x1b" not in note
    loaded = load_for_inference(str(tiny), adapter, progress=lambda _: None)
    assert loaded.notes == (note.replace("tiny", str(tiny)),)


def test_a_refused_adapter_leaves_the_model_as_it_was(adapter: Path, tiny: Path) -> None:
    loaded = load_for_inference(str(tiny), None, progress=lambda _: None)
    kind = type(loaded.model)
    names = list(loaded.model.state_dict())
    with pytest.raises(ModelError, match="does not fit"):
        attach_adapter(loaded, with_config(adapter, CONFIG, r=8), "wrong")
    assert type(loaded.model) is kind
    assert list(loaded.model.state_dict()) == names


def test_an_adapter_that_is_written_anew_between_check_and_load_is_refused(adapter: Path, tiny: Path) -> None:
    loaded = load_for_inference(str(tiny), None, progress=lambda _: None)
    checked = check_adapter(adapter, "tiny", tiny)
    with_tensors(adapter, lambda tensors: next(iter(tensors.values())).add_(1), WEIGHTS)
    with pytest.raises(ModelError, match="written anew"):
        attach_adapter(loaded, checked, "late")
