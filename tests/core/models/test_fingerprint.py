"""Fingerprints: the same for copies, another for any change that decides answers."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.models.fingerprint import adapter_version, model_fingerprint
from tests.core.models.test_resolve import safetensors


def write_model(folder: Path, last: bytes = b"") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text('{"model_type": "llama"}')
    whole = safetensors({"a.weight": [3, 4], "b.weight": [5]})
    (folder / "model.safetensors").write_bytes(whole[: len(whole) - len(last)] + last)
    return folder


@given(tail=st.binary(min_size=1, max_size=60))
def test_any_byte_of_a_small_model_counts(tail: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("fingerprint")
    one, two = write_model(folder / "one"), write_model(folder / "two", tail)
    same = (one / "model.safetensors").read_bytes() == (two / "model.safetensors").read_bytes()
    assert (model_fingerprint(one) == model_fingerprint(two)) == same


def test_a_copy_has_the_same_and_another_config_or_header_has_not(tmp_path: Path) -> None:
    one = write_model(tmp_path / "one")
    two = shutil.copytree(one, tmp_path / "two")
    os.utime(two / "model.safetensors", (1, 1))
    assert model_fingerprint(one) == model_fingerprint(two)
    (two / "config.json").write_text('{"model_type": "mistral"}')
    assert model_fingerprint(one) != model_fingerprint(two)
    shutil.copy(one / "config.json", two / "config.json")
    (two / "model.safetensors").write_bytes(safetensors({"a.weight": [3, 4], "c.weight": [5]}))
    assert model_fingerprint(one) != model_fingerprint(two)


def test_a_large_file_is_sampled_all_over_and_not_read(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "large")
    os.truncate(folder / "model.safetensors", 1 << 40)  # sparse
    before = model_fingerprint(folder)
    assert before == model_fingerprint(folder)
    with open(folder / "model.safetensors", "r+b") as file:
        file.seek((1 << 40) - 7)
        file.write(b"changed")
    assert model_fingerprint(folder) != before


def test_a_fingerprint_of_an_earlier_version_can_still_be_compared(tmp_path: Path) -> None:
    one, two = write_model(tmp_path / "one"), write_model(tmp_path / "two", b"other")
    earlier = model_fingerprint(one, like="0" * 32)
    assert len(earlier) == 32
    assert model_fingerprint(one, like=earlier) == earlier != model_fingerprint(two, like=earlier)
    now = model_fingerprint(one)
    assert now.startswith("2-")
    assert model_fingerprint(one, like=now) == now


def test_the_version_of_an_adapter_changes_with_its_files(tmp_path: Path) -> None:
    seen = {adapter_version(tmp_path)}
    for content in (b"{}", b"{ }", b"{}"):
        (tmp_path / "adapter_config.json").write_bytes(content)
        seen.add(adapter_version(tmp_path))
        assert adapter_version(tmp_path) in seen
    (tmp_path / "adapter_model.safetensors").write_bytes(safetensors({"a": [4]}))
    seen.add(adapter_version(tmp_path))
    assert len(seen) >= 4
