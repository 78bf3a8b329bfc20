"""The Modelfile, and what an upload would send."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from core.base.errors import ModelError, UsageError
from core.models.export.hub_upload import plan_upload, upload
from core.models.export.ollama_modelfile import OllamaPrompt, modelfile, ollama_prompt
from core.templates.bind_chat_template import bind_chat_template
from core.templates.by_name import get_template
from core.tokens.tokenizer import TextTokenizer
from tests.core.models.export.conftest import Tuned


def test_the_alpaca_form_has_its_markers_as_stops() -> None:
    template = get_template("alpaca-reasoning")
    made = ollama_prompt(template, drop_empty_input=True, end="</s>")
    assert made.template.replace("{{ .Prompt }}", "Why?") == template.prompt("Why?", "", True)
    assert made.stops == ("### Instruction:", "### Input:", "</s>")
    kept = ollama_prompt(template, drop_empty_input=False, end="</s>")
    assert "### Input:\n" in kept.template


def test_the_chat_template_is_that_of_the_model(tuned: dict[str, Tuned]) -> None:
    tokenizer = TextTokenizer.from_folder(tuned["qwen2"].model)
    template = bind_chat_template(get_template("chat"), tokenizer)
    made = ollama_prompt(template, False, "<|im_end|>")
    assert made.template == "<|im_start|>user\n{{ .Prompt }}<|im_end|>\n<|im_start|>assistant\n"
    assert made.stops == ("<|im_end|>",)


def test_the_beginning_that_ollama_writes_is_left_out() -> None:
    template = get_template("alpaca")
    whole = ollama_prompt(template, False, "</s>").template
    assert ollama_prompt(template, False, "</s>", whole[:5]).template == whole[5:]


def test_a_modelfile_has_template_stops_and_licence() -> None:
    prompt = OllamaPrompt('a {{ "{{" }} b {{ .Prompt }}', ("x\ny", 'say "no"'))
    text = modelfile("m.gguf", prompt, 2048, "MIT", ("two\nlines",))
    assert text.splitlines()[:3] == ["# two", "# lines", "FROM ./m.gguf"]
    assert 'TEMPLATE """a {{ "{{" }} b {{ .Prompt }}"""' in text
    assert 'PARAMETER stop "x\\ny"' in text
    assert 'PARAMETER stop "say \\"no\\""' in text
    assert 'LICENSE """MIT"""' in text
    with pytest.raises(ModelError, match="quotes"):
        modelfile("m.gguf", OllamaPrompt('a """ {{ .Prompt }}', ()), 2048, "")


def folder_with_files(folder: Path) -> Path:
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"12345")
    (folder / "suiron.json").write_text("{}")
    return folder


def test_what_will_be_uploaded_is_listed(tmp_path: Path) -> None:
    plan = plan_upload(folder_with_files(tmp_path / "out"), "owner/name")
    assert plan.private
    assert plan.files == (("model.safetensors", 5),)
    assert "private" in plan.lines[0]
    assert "everybody" in plan_upload(tmp_path / "out", "owner/name", public=True).lines[0]


@pytest.mark.parametrize("name", ["", "name", "a/b/c", "../x", "owner/name.git", "owner/na me"])
def test_a_wrong_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="not a name on the hub"):
        plan_upload(folder_with_files(tmp_path / "out"), name)


def test_an_empty_folder_is_not_uploaded(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="nothing to upload"):
        plan_upload(tmp_path, "owner/name")


def test_the_token_comes_from_the_environment_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    sent: list[tuple[str, dict[str, Any]]] = []

    class Api:
        def __init__(self, token: str) -> None:
            assert token == "hf_given"  # noqa: S105

        def create_repo(self, name: str, **options: Any) -> str:
            sent.append((name, options))
            return f"https://hub/{name}"

        def upload_folder(self, **options: Any) -> None:
            sent.append(("files", options))

    monkeypatch.setattr(huggingface_hub, "HfApi", Api)
    plan = plan_upload(folder_with_files(tmp_path / "out"), "owner/name")
    monkeypatch.delenv("HF_TOKEN", raising=False)
    with pytest.raises(ModelError, match="HF_TOKEN"):
        upload(tmp_path / "out", plan)
    assert not sent
    monkeypatch.setenv("HF_TOKEN", "hf_given")
    assert upload(tmp_path / "out", plan) == "https://hub/owner/name"
    assert sent[0] == ("owner/name", {"private": True, "exist_ok": True})
    assert sent[1][1]["ignore_patterns"] == ["suiron.json"]
