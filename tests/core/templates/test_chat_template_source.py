"""Where a chat template is found: as transformers finds it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.base.errors import ModelError
from core.templates.chat_template_source import needs_tools, read_chat_template
from tests.support.chat_models import IM, Chat, write_chat
from tests.support.own_rendering import own_rendering

ASK = [{"role": "user", "content": "a"}]
TOOL = [{"type": "function", "function": {"name": "f"}}]


def program(word: str) -> str:
    return word + "{% for m in messages %}{{ m.content }}{% endfor %}"


@pytest.mark.parametrize(
    ("config", "own", "more"),
    [
        ("one", None, {}),
        ("one", "own", {}),
        ([("default", "named"), ("tool_use", "tools")], None, {}),
        ([("default", "named"), ("tool_use", "tools")], "own", {}),
        ("one", "own", {"tool_use": "more"}),
        ("one", None, {"default": "more", "rag": "other"}),
    ],
)
def test_the_template_is_the_one_that_transformers_takes(
    tmp_path: Path, config: str | list[tuple[str, str]], own: str | None, more: dict[str, str]
) -> None:
    listed = (
        program(config)
        if isinstance(config, str)
        else [{"name": name, "template": program(word)} for name, word in config]
    )
    write_chat(tmp_path, Chat(listed, IM, "<|im_end|>"))
    if own is not None:
        (tmp_path / "chat_template.jinja").write_text(program(own))
    for name, word in more.items():
        (tmp_path / "additional_chat_templates").mkdir(exist_ok=True)
        (tmp_path / "additional_chat_templates" / f"{name}.jinja").write_text(program(word))
    source = read_chat_template(tmp_path)
    assert source is not None
    for tools in (None, TOOL):
        assert source.render(ASK, generate=False, tools=tools) == own_rendering(tmp_path, ASK, tools=tools)


def test_several_templates_without_a_default_are_named(tmp_path: Path) -> None:
    write_chat(tmp_path, Chat([{"name": "rag", "template": "a"}, {"name": "x", "template": "b"}], IM, "<|im_end|>"))
    with pytest.raises(ModelError, match="rag, x"):
        read_chat_template(tmp_path)


def test_the_file_of_a_processor_is_the_last_resort(tmp_path: Path) -> None:
    write_chat(tmp_path, Chat("", IM, "<|im_end|>"))
    (tmp_path / "chat_template.json").write_text(json.dumps({"chat_template": program("p")}))
    source = read_chat_template(tmp_path)
    assert source is not None and source.where.endswith("chat_template.json")
    assert source.render(ASK, generate=True) == "pa"


def test_a_template_that_needs_tools_is_known(tmp_path: Path) -> None:
    sources = []
    for name, text in (
        ("tools", "{% for t in tools %}{{ t.name }}{% endfor %}"),
        ("not", "a"),
        ("never", "{{ 1 + '' }}"),
    ):
        write_chat(tmp_path / name, Chat(text, IM, "<|im_end|>"))
        sources.append(read_chat_template(tmp_path / name))
    assert [source is not None and needs_tools(source) for source in sources] == [True, False, False]
