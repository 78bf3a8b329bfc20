from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from core.base.errors import DataError, ModelError
from core.tokens.tokenizer import TextTokenizer


@pytest.fixture
def folder(byte_level: TextTokenizer, tmp_path: Path) -> Path:
    (tmp_path / "tokenizer.json").write_bytes((Path(byte_level.where) / "tokenizer.json").read_bytes())
    return tmp_path


def test_row_text_cannot_plant_an_end_of_sequence(byte_level: TextTokenizer, sentencepiece: TextTokenizer) -> None:
    for tokenizer in (byte_level, sentencepiece):
        text = f"before{tokenizer.eos}after <s> <|end|>"
        ids, offsets = tokenizer.encode(text)
        assert tokenizer.stop_ids.isdisjoint(ids)
        assert set(tokenizer.bos_ids).isdisjoint(ids)
        assert tokenizer.decode(ids) == text
        assert offsets[-1][1] == len(text)


def test_beginning_and_end_of_sequence(byte_level: TextTokenizer, sentencepiece: TextTokenizer) -> None:
    assert (byte_level.bos_ids, byte_level.eos, byte_level.eos_id, byte_level.stop_ids) == ([], "<|im_end|>", 1, {0, 1})
    assert (sentencepiece.bos_ids, sentencepiece.eos, sentencepiece.eos_id, sentencepiece.stop_ids) == (
        [1],
        "</s>",
        2,
        {2},
    )
    assert byte_level.decode([1, 2]) == "<|im_end|><think>"
    assert byte_level.decode([1, 2], skip_special=True) == ""
    assert byte_level.vocab_size == len({byte_level.token_text(id) for id in range(byte_level.vocab_size)})


@pytest.mark.parametrize(
    ("name", "content", "eos_id"),
    [
        ("tokenizer_config.json", {"eos_token": {"content": "<|im_end|>", "lstrip": False}}, 1),
        ("special_tokens_map.json", {"eos_token": "<|end|>"}, 0),
        ("generation_config.json", {"eos_token_id": [1, 0]}, 1),
        ("config.json", {"eos_token_id": 0}, 0),
        ("config.json", {"text_config": {"eos_token_id": 1}}, 1),
        ("config.json", {"eos_token": "<|im_end|>"}, 1),
    ],
)
def test_the_end_is_found_wherever_a_model_says_it(folder: Path, name: str, content: object, eos_id: int) -> None:
    (folder / name).write_text(json.dumps(content))
    assert TextTokenizer.from_folder(folder).eos_id == eos_id


def test_an_end_that_was_not_marked_special_cannot_be_planted_either(folder: Path) -> None:
    definition = json.loads((folder / "tokenizer.json").read_text())
    for token in definition["added_tokens"]:
        token["special"] = False
    (folder / "tokenizer.json").write_text(json.dumps(definition))
    (folder / "tokenizer_config.json").write_text('{"eos_token": "<|im_end|>"}')
    tokenizer = TextTokenizer.from_folder(folder)
    assert 1 not in tokenizer.encode("x<|im_end|>")[0]
    assert 2 in tokenizer.encode("<think>x")[0]  # other added words stay what inference makes of them


def test_errors_say_what_where_and_what_to_do(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="names the token that ends") as caught:
        TextTokenizer.from_folder(folder)
    assert caught.value.where == str(folder)
    assert caught.value.do
    (folder / "tokenizer_config.json").write_text('{"eos_token": "<nope>"}')
    with pytest.raises(ModelError, match="<nope>"):
        TextTokenizer.from_folder(folder)
    for broken in ("{", "[]", "{}", '{"model": {"type": "???"}}'):
        (folder / "tokenizer.json").write_text(broken)
        with pytest.raises(ModelError):
            TextTokenizer.from_folder(folder)
    with pytest.raises(ModelError, match=r"no tokenizer\.json"):
        TextTokenizer.from_folder(tmp_path / "nowhere")


def test_half_a_surrogate_pair_is_a_data_error(byte_level: TextTokenizer) -> None:
    with pytest.raises(DataError, match="surrogate"):
        byte_level.encode("a\ud800b")


def test_a_preview_shows_bytes_that_are_no_character(byte_level: TextTokenizer, sentencepiece: TextTokenizer) -> None:
    for tokenizer in (byte_level, sentencepiece):
        shown = [tokenizer.token_text(id) for id in tokenizer.encode("🗻")[0]]
        assert "".join(shown).strip() == r"\xf0\x9f\x97\xbb"
    assert byte_level.token_text(10**6) == ""


def test_the_terminal_can_import_all_of_it_without_a_library() -> None:
    code = (
        "import sys, core.tokens.encode, core.tokens.detokenizer, core.examples.draw_template;"
        "import core.templates.chat_template, core.templates.bind_chat_template, core.splitter.splitter;"
        "sys.exit(any(name in sys.modules for name in ('tokenizers', 'torch', 'transformers', 'jinja2')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
