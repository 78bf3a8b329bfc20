"""A model folder is judged before anything is loaded, and what is wrong with it is said with what, where and do."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.base.errors import ModelError
from core.models import resolve
from core.models.resolve import check_model_folder, fetch_from_hub, resolve_model
from core.models.weights import read_header, read_tensors, weight_files


def safetensors(tensors: dict[str, list[int]], tail: bytes | None = None) -> bytes:
    """A whole file with float32 tensors of these shapes, all zeros."""
    header, place = {}, 0
    for name, shape in tensors.items():
        size = 4
        for n in shape:
            size *= n
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [place, place + size]}
        place += size
    raw = json.dumps({**header, "__metadata__": {"format": "pt"}}).encode()
    return struct.pack("<Q", len(raw)) + raw + (bytes(place) if tail is None else tail)


WHOLE = safetensors({"a.weight": [3, 4], "b.weight": [5]})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "config.json").write_text('{"model_type": "llama", "hidden_size": 32}')
    (tmp_path / "tokenizer.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(WHOLE)
    return tmp_path


def refusal(folder: Path) -> ModelError:
    with pytest.raises(ModelError) as caught:
        check_model_folder(folder)
    assert caught.value.what and caught.value.where and caught.value.do
    return caught.value


def test_a_whole_folder_is_taken_and_counted(folder: Path) -> None:
    check_model_folder(folder)
    assert resolve_model(str(folder)).folder == folder
    tensors = read_tensors(folder).values()
    assert sum(tensor.elements for tensor in tensors) == 17
    assert sum(tensor.data_offsets[1] - tensor.data_offsets[0] for tensor in tensors) == 68


def test_a_truncated_file_is_named(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(WHOLE[:-1])
    error = refusal(folder)
    assert "cut short" in error.what and "68 bytes" in error.what
    assert error.where.endswith("model.safetensors")


@given(cut=st.integers(0, len(WHOLE) - 1))
def test_no_beginning_of_a_file_is_taken_for_the_file(cut: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("cut") / "model.safetensors"
    path.write_bytes(WHOLE[:cut])
    with pytest.raises(ModelError):
        read_header(path)


@given(place=st.integers(0, len(WHOLE) - 69), byte=st.integers(0, 255))
def test_a_damaged_header_is_refused_or_still_tiles_the_file(
    place: int, byte: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("damaged") / "model.safetensors"
    path.write_bytes(WHOLE[:place] + bytes([byte]) + WHOLE[place + 1 :])
    try:
        tensors = read_header(path)
    except ModelError:
        return
    assert sum(tensor.data_offsets[1] - tensor.data_offsets[0] for tensor in tensors.values()) == 68


def test_a_missing_shard_and_a_shard_that_lacks_a_tensor_are_named(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    (folder / "model-00001-of-00002.safetensors").write_bytes(safetensors({"a": [2]}))
    assert "model-00002-of-00002.safetensors" in refusal(folder).what
    (folder / "model-00002-of-00002.safetensors").write_bytes(safetensors({"c": [2]}))
    assert "the tensor b is in the index but not in this file" in refusal(folder).what
    (folder / "model-00002-of-00002.safetensors").write_bytes(safetensors({"b": [2]}))
    check_model_folder(folder)
    assert [path.name[:11] for path in weight_files(folder)] == ["model-00001", "model-00002"]


def with_header(raw: bytes, length: int | None = None) -> bytes:
    return struct.pack("<Q", len(raw) if length is None else length) + raw


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (with_header(b"{}", 2**63), "not a safetensors file"),
        (with_header(b"{}", 99_999_999), "cut short"),
        (with_header(b'{"a":' * 100_000), "corrupt"),
        (
            with_header(json.dumps({"a": {"dtype": "F32", "shape": [1] * 99, "data_offsets": [0, 4]}}).encode()),
            "99 dim",
        ),
        (with_header(b'{"a": {"dtype": "F32", "shape": [99999999999999999999], "data_offsets": [0, 4]}}'), "corrupt"),
    ],
)
def test_a_header_that_claims_more_than_there_is_is_refused(folder: Path, content: bytes, word: str) -> None:
    (folder / "model.safetensors").write_bytes(content)
    assert word in refusal(folder).what


@pytest.mark.parametrize("config", ["[" * 200_000, "{" + " " * 33_000_000 + "}"])
def test_a_config_that_is_no_config_is_refused(folder: Path, config: str) -> None:
    (folder / "config.json").write_text(config)
    assert refusal(folder).where.endswith("config.json")


def test_an_index_may_not_lead_out_of_the_folder(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text('{"weight_map": {"a": "../secret.safetensors"}}')
    assert "has no files of this folder" in refusal(folder).what


@pytest.mark.parametrize(
    ("name", "word"), [("pytorch_model.bin", "pickles"), ("model.gguf", "GGUF"), ("notes.txt", "notes.txt")]
)
def test_a_folder_without_safetensors_says_what_is_there(folder: Path, name: str, word: str) -> None:
    (folder / "model.safetensors").rename(folder / name)
    assert word in refusal(folder).what


def test_missing_config_tokenizer_and_an_adapter_in_place_of_a_model(folder: Path) -> None:
    (folder / "tokenizer.json").rename(folder / "aside")
    assert "tokenizer.json" in refusal(folder).what
    (folder / "config.json").unlink()
    assert "config.json" in refusal(folder).what
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "owner/base"}')
    error = refusal(folder)
    assert "adapter" in error.what and "owner/base" in error.do


def test_a_model_that_brings_code_needs_trust_unless_transformers_knows_it(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": "my_own", "auto_map": {"AutoModelForCausalLM": "m.M"}}')
    error = refusal(folder)
    assert "trust_remote_code" in error.what and "trust_remote_code = true" in error.do
    check_model_folder(folder, trust_remote_code=True)
    (folder / "config.json").write_text('{"model_type": "llama", "auto_map": {"AutoModelForCausalLM": "m.M"}}')
    check_model_folder(folder)


def test_names() -> None:
    assert resolve_model("demo").is_demo
    assert resolve_model("Qwen/Qwen2.5-0.5B").is_hub
    for name in ("", "/no/such/folder", "a/b/c", "x\x1b]52;c;Zm9v\x07/y", "n" * 5000, "nul\x00"):
        with pytest.raises(ModelError):
            resolve_model(name)


def test_a_file_is_no_model(folder: Path) -> None:
    with pytest.raises(ModelError, match="a model is a folder"):
        resolve_model(str(folder / "model.safetensors"))


def hub_errors() -> list[tuple[Exception, str]]:
    import httpx
    from huggingface_hub import errors

    def with_status(kind: type[Any], status: int) -> Exception:
        request = httpx.Request("GET", "https://hub.example/x", headers={"authorization": "Bearer hf_secret"})
        return kind("Bearer hf_secret", response=httpx.Response(status, request=request))

    return [
        (with_status(errors.GatedRepoError, 403), "accepted its terms"),
        (with_status(errors.RepositoryNotFoundError, 404), "no such model"),
        (with_status(errors.HfHubHTTPError, 500), "status 500"),
        (with_status(errors.HfHubHTTPError, 401), "does not accept the token"),
        (errors.LocalTokenNotFoundError("hf_secret"), "needs a login"),
        (errors.LocalEntryNotFoundError("hf_secret"), "cannot be reached"),
        (httpx.ConnectError("hf_secret"), "cannot be reached"),
        (OSError(28, "No space left on device"), "No space left"),
        (RuntimeError("hf_secret"), "RuntimeError"),
    ]


@pytest.mark.parametrize("place", range(9))
def test_hub_failures_say_what_to_do_and_no_token(place: int, monkeypatch: pytest.MonkeyPatch) -> None:
    error, word = hub_errors()[place]

    def refuse(*_: Any, **wanted: Any) -> str:
        assert not any(pattern.endswith((".bin", ".pt", ".pkl")) for pattern in wanted["allow_patterns"])
        raise error

    monkeypatch.setattr("huggingface_hub.snapshot_download", refuse)
    with pytest.raises(ModelError) as caught:
        fetch_from_hub("owner/name", lambda message: None)
    assert word in caught.value.what and caught.value.do
    assert "hf_secret" not in "".join(traceback.format_exception(caught.value))


def test_without_a_network_the_hub_is_said_to_be_out_of_reach(tmp_path: Path) -> None:
    code = """
from core.models.resolve import fetch_from_hub
try:
    fetch_from_hub("owner/name", lambda message: None)
except Exception as error:
    print(type(error).__name__, error)
"""
    environment = {
        **os.environ,
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(tmp_path),
        "PYTHONPATH": str(Path(resolve.__file__).parents[2]),
    }
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith("ModelError owner/name: the hub cannot be reached"), done.stdout + done.stderr


def test_resolving_imports_nothing_heavy(folder: Path) -> None:
    code = f"import sys; from core.models.resolve import *; resolve_model({str(folder)!r})\n"
    code += "import core.models.fit.memory, core.models.backend\n"
    code += "print([m for m in ('torch', 'transformers', 'huggingface_hub', 'datasets') if m in sys.modules])"
    environment = {**os.environ, "PYTHONPATH": str(Path(resolve.__file__).parents[2])}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr
