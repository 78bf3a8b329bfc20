from __future__ import annotations

from pathlib import Path

import pytest

from core.templates.by_name import built_in_templates
from core.templates.template_file import TemplateError, dump_template, load_template, parse_template

MINE = """\
name: mine
words: "Short: one heading each"
drop_empty_input: true
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
  日本語:
    text: "問 {instruction}\\n{input}\\n考\\n{reasoning}\\n答\\n{output}"
    input_block: "{input}\\n"
    markers: {reasoning: [考], response: [答], runaway: [問]}
"""


def test_a_file_is_read_and_written_back() -> None:
    mine = parse_template(MINE, "mine.yaml")
    assert (
        mine.drop_empty_input and mine.words == "Short: one heading each" and mine.versions.keys() == {"default", "ja"}
    )
    assert mine.prompt("q", "", drop_empty_input=True) == "Q: q\nT:\n"
    assert mine.prompt("q", "i", language="ja") == "問 q\ni\n考\n"
    for template in (mine, *built_in_templates().values()):
        assert parse_template(dump_template(template), "again") == template


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (MINE.replace("words", "wrods"), "wrods: there is no such key (did you mean words?)"),
        (
            MINE.replace("input_block", "input-block", 1),
            "versions.default.input-block: there is no such key (did you mean input_block?)",
        ),
        (
            MINE.replace("response: [答]", "respons: [答]"),
            "versions.日本語.markers.respons: there is no such key (did you mean response?)",
        ),
        (
            MINE.replace("{reasoning}", "{reasonning}", 1),
            "versions.default.text: {reasonning} is not a placeholder (did you mean {reasoning}?)",
        ),
        (MINE.replace("{output}", "{output}.", 1), "versions.default.text: the template's placeholders are wrong"),
        (
            MINE.replace('input_block: "{input}\\n"', 'input_block: "x"', 1),
            "versions.default.input_block: it must be in the text",
        ),
        (MINE.replace("default:", "en:"), "no version for other languages"),
        (
            MINE.replace("日本語", "ja").replace("default:", "jp:"),
            "versions.ja: there already is a version for this language",
        ),
        (MINE.replace("true", "maybe"), "drop_empty_input: must be true or false"),
        (MINE.replace("name: mine", "name: my own"), "name: must be one word of letters"),
        (MINE.replace("name: mine", "name: no"), "name: must be text"),
        (MINE.replace('"T:"', '"A:"', 1), "versions.default.markers: one marker is inside another"),
        (MINE.replace('"T:"', "3", 1), "versions.default.markers.reasoning: must be a list of texts"),
        (
            "name: x\nchat: {reasoning: thinks}",
            "chat.reasoning: 'thinks' is none of auto, field, think, none (did you mean think?)",
        ),
        ("name: x\nchat: {reasoning: none}\n" + MINE.partition("\n")[2], "either versions or a chat template"),
        ("name: &a x", "anchors"),
        ("name: x\nwords: a\nwords: b", "the key 'words' in line 3 is there already"),
        (MINE.replace("drop_empty_input", "name"), "is there already"),
        ("a: [{b: 1, c: 1, b: 2}]", "the key 'b' in line 1 is there already"),
        ("[" * 50 + "]" * 50, "nested too deeply"),
        ("a: [1", "in line"),
        ("- 1", "must have keys with values"),
        ("name: 2020-13-45", "cannot be read"),
        ("no: 1", "False is not text"),
        ("", "must have keys with values"),
    ],
)
def test_a_bad_file_is_told_its_key(text: str, says: str) -> None:
    with pytest.raises(TemplateError) as caught:
        parse_template(text, "here/mine.yaml")
    assert says in caught.value.what and caught.value.where == "here/mine.yaml" and caught.value.do


def test_bytes_that_are_no_text_or_too_many(tmp_path: Path) -> None:
    for name, block, says in (
        ("a", b"\xff\xfe", "UTF-8"),
        ("b", b"#" * 300_000, "larger than"),
        ("c", "name: \ud800".encode("utf-8", "surrogatepass"), "UTF-8"),
    ):
        (tmp_path / name).write_bytes(block)
        with pytest.raises(TemplateError, match=says):
            load_template(tmp_path / name)
    with pytest.raises(TemplateError, match="cannot be read"):
        load_template(tmp_path / "none.yaml")
