from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from core.base import folders
from core.base.errors import UsageError
from core.templates.by_name import built_in_templates, get_template, list_templates, save_template, template_folders
from core.templates.template_file import TemplateError, load_template, parse_template

MINE = """\
name: mine
words: "Short: one heading each"
versions:
  default:
    text: |-
      Q: {instruction}
      {input}
      T:
      {reasoning}
      A:
      {output}
    input_block: "{input}\\n"
    markers: {reasoning: "T:", response: ["A:", "Answer:"]}
"""


def put(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    return folder / f"{name}.yaml"


def test_built_in_templates() -> None:
    assert list(built_in_templates()) == [
        "alpaca",
        "alpaca-reasoning",
        "alpaca-languages",
        "alpaca-reasoning-languages",
        "chat",
        "chat-plain",
    ]
    assert all(template.words for template in built_in_templates().values())
    assert [built_in_templates()[name].has_reasoning for name in ("chat", "chat-plain")] == [True, False]
    assert [set(built_in_templates()[f"{name}-languages"].versions) for name in ("alpaca", "alpaca-reasoning")] == [
        {"default", "ja", "zh"}
    ] * 2


def test_lists_show_where_a_template_is_from_and_a_bad_one_costs_no_other(tmp_path: Path) -> None:
    own, data = folders.config() / "templates", tmp_path / "rows.jsonl"
    data.touch()
    put(own, "mine", MINE)
    put(own, "bad", "name: bad\nversons: 1")
    put(own, "alpaca", MINE.replace("mine", "alpaca"))
    (folder,) = template_folders(str(data))
    assert folder == tmp_path / "rows.jsonl.suiron" / "templates"
    put(folder, "mine", MINE.replace("Q:", "Question:"))
    listed = {(one.name, one.origin): one for one in list_templates([folder])}
    assert listed["mine", "yours"].template is not None and listed["mine", "beside the data"].template is not None
    bad, taken = listed["bad", "yours"].error, listed["alpaca", "yours"].error
    assert bad is not None and "versons" in bad.what and taken is not None and "is built in" in taken.what
    assert get_template("mine").prompt("q", "i").startswith("Q:")
    assert get_template("mine", [folder]).prompt("q", "i").startswith("Question:")
    assert get_template("alpaca").prompt("q", "i").startswith("Below is")
    with pytest.raises(UsageError, match="versons"):
        get_template("bad")
    assert template_folders("owner/name") == () and template_folders("") == () and template_folders("a\0b") == ()


def test_saving_as_ones_own(tmp_path: Path) -> None:
    mine = parse_template(MINE, "mine.yaml")
    path = save_template(mine)
    assert path == folders.config() / "templates" / "mine.yaml" and load_template(path) == mine
    save_template(replace(mine, words="changed"))
    assert get_template("mine").words == "changed"
    with pytest.raises(TemplateError, match="built-in"):
        save_template(replace(mine, name="alpaca"))
    assert save_template(mine, tmp_path / "deep" / "templates").is_file()
