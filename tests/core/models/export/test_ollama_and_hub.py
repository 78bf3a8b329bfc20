"""The Modelfile, and what an upload would send."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.base.errors import ModelError, UsageError
from core.models.export.hub_upload import check_upload, plan_upload, upload
from core.models.export.ollama_modelfile import _QUESTION, OllamaPrompt, _escaped, modelfile, ollama_prompt
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
    prompt = OllamaPrompt('a {{ "{{" }} b {{ .Prompt }}', ("### A:", "x\ny\\n", 'say "no"'))
    text = modelfile("m.gguf", prompt, 2048, "MIT", ("two\nlines",))
    assert text.splitlines()[:3] == ["# two", "# lines", "FROM ./m.gguf"]
    assert read_modelfile(text) == [
        ("FROM", "./m.gguf"),
        ("TEMPLATE", 'a {{ "{{" }} b {{ .Prompt }}'),
        ("PARAMETER", 'stop "### A:"'),
        ("PARAMETER", 'stop """x\ny\\n"""'),
        ("PARAMETER", 'stop """say "no""""'),
        ("PARAMETER", "num_ctx 2048"),
        ("PARAMETER", "temperature 0"),
        ("PARAMETER", "repeat_penalty 1.0"),
        ("LICENSE", "MIT"),
    ]


def read_modelfile(text: str) -> list[tuple[str, str]]:
    """The commands of a Modelfile by Ollama's rules: a value goes on until a line ends it, which one with open quotes
    does not."""
    commands: list[tuple[str, str]] = []
    lines = iter(text.splitlines(keepends=True))
    for line in lines:
        if line.startswith("#") or not line.strip():
            continue
        word, _, value = line.partition(" ")
        parameter = f"{value.partition(' ')[0]} " if word == "PARAMETER" else ""
        value = value.removeprefix(parameter)
        while (opened := value.strip()).startswith('"') and unquoted(opened) is None:
            value += next(lines)
        commands.append(
            (word, f"{parameter}{value.strip()}" if parameter else unquoted(value.strip()) or value.strip())
        )
    return commands


def unquoted(value: str) -> str | None:
    quotes = '"""' if value.startswith('"""') else '"'
    whole = value.startswith(quotes) and value.endswith(quotes) and len(value) >= 2 * len(quotes)
    return value[len(quotes) : -len(quotes)] if whole else None


@given(st.text(alphabet='ab{}" \n\t答\u3000\u200d\U0001f600"', max_size=40))
def test_a_template_in_a_modelfile_is_the_one_that_was_trained(text: str) -> None:
    try:
        written = modelfile("m.gguf", OllamaPrompt(escaped_template(f"{text}{{instruction}}{text}"), ()), 2048, "")
    except ModelError as error:
        assert re.search(r'"""[ \t]*\n', text), error
        return
    template = next(value for word, value in read_modelfile(written) if word == "TEMPLATE")
    assert "\u3000" not in template and "\u200d" not in template  # the Modelfile would lose them
    assert written_by_go(template, "Q") == f"{text}Q{text}"


def escaped_template(text: str) -> str:
    question = text.replace("{instruction}", _QUESTION)
    return "{{ .Prompt }}".join(map(_escaped, question.split(_QUESTION)))


def written_by_go(template: str, prompt: str) -> str:
    """What a template of Go with constants and `.Prompt` writes: two braces open from the left."""

    def value(match: re.Match[str]) -> str:
        word = match[1].strip()
        return prompt if word == ".Prompt" else str(json.loads(re.sub(r"\\U0000(\w{4})", r"\\u\1", word)))

    return re.sub(r"\{\{(.*?)\}\}", value, template, flags=re.DOTALL)


def test_what_a_modelfile_cannot_hold_is_refused() -> None:
    with pytest.raises(ModelError, match="quotes"):
        modelfile("m.gguf", OllamaPrompt('a """\n {{ .Prompt }}', ()), 2048, "")
    with pytest.raises(ModelError, match=r"U\+3000"):
        modelfile("m.gguf", OllamaPrompt("{{ .Prompt }}", ("答え\u3000",)), 2048, "")


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
def test_a_wrong_name_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="not a name on the hub"):
        check_upload(name)


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
