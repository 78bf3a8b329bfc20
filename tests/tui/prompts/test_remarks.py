"""What the Prompts room remarks on a row: warnings about its context, refused rows, faults, notes on the template."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from rich.cells import cell_len

from core.base import folders
from tests.support.chat_models import MODELS, QWEN3, write_chat, write_model
from tests.support.prompts_room import Hands, opened
from tests.support.rooms import until, write_rows
from tests.support.tiny_tokenizer import make_tokenizer_folder

SIZES = [(80, 24), (120, 40)]
SYSTEM = "You answer for the town hall."
REFUSAL = "System role not supported by this model: leave it out, or choose one that takes it"
OPENED_TWICE = """\
name: twice
words: opens a thought two times
versions:
  default:
    text: |-
      {instruction}
      {input}
      <think>
      <think>
      {reasoning}
      </think>
      {output}
    input_block: "{input}\\n"
    markers:
      reasoning: ["<think>"]
      response: ["</think>"]
"""


@pytest.fixture
def chats(tmp_path: Path) -> Path:
    """Rows with a system prompt and an earlier turn."""
    turns = [("system", SYSTEM), ("user", "Does it rain?"), ("assistant", "No."), ("user", "Does it snow?")]
    messages = [{"role": role, "content": content} for role, content in turns]
    answer = {"role": "assistant", "content": "<think>It is July.</think>It does not."}
    return write_rows(tmp_path / "chats.jsonl", [{"messages": [*messages, answer]} for _ in range(8)])


async def choose(hands: Hands, template: str) -> None:
    for _ in range(12):
        if f"{template} chosen" in hands.about:
            return
        before = hands.about.splitlines()[0]
        await hands.press("T")
        await until(hands.pilot, lambda before=before: hands.about.splitlines()[0] != before)
    raise AssertionError(f"{template} is not among the templates")


def is_all_in_sight(hands: Hands) -> bool:
    """Whether no line above the sheet or of the sheet is cut off."""
    width = hands.app.size.width
    return "…" not in hands.about and all(cell_len(line) <= width for line in hands.lines())


@pytest.mark.parametrize("size", SIZES)
async def test_a_template_of_text_says_where_the_context_went(
    chats: Path, tmp_path: Path, size: tuple[int, int]
) -> None:
    async with opened(chats, make_tokenizer_folder(tmp_path / "model"), size) as hands:
        await hands.shows("the system prompt and 2 earlier turns are put into the Input")
        text = "\n".join(hands.lines())
        assert SYSTEM in text and "Does it rain?" in text and is_all_in_sight(hands)


@pytest.mark.parametrize("size", SIZES)
async def test_notes_say_how_the_model_is_asked(chats: Path, tmp_path: Path, size: tuple[int, int]) -> None:
    async with opened(chats, write_model(tmp_path / "model", "qwen3"), size) as hands:
        await choose(hands, "chat")
        await hands.shows("note: chat is the model's chat template with enable_thinking=True")
        text = "\n".join(hands.lines())
        assert SYSTEM in text and "Does it rain?" in text and is_all_in_sight(hands)
        await hands.press("v", "v")
        await hands.has("note: chat is the model's chat template with enable_thinking=True")
        assert "note:" not in hands.about


@pytest.mark.parametrize("size", SIZES)
async def test_a_refused_row_says_why_and_what_to_do(chats: Path, tmp_path: Path, size: tuple[int, int]) -> None:
    refusing = "{%- if messages[0].role == 'system' %}{{ raise_exception('" + REFUSAL + "') }}{%- endif %}" + QWEN3
    model = write_chat(tmp_path / "model", MODELS["qwen3"]._replace(template=refusing))
    async with opened(chats, model, size) as hands:
        await choose(hands, "chat")
        await hands.shows("left out")
        said = " ".join(line.strip() for line in hands.lines())
        assert REFUSAL in said and "T shows it in another template" in said and "Data (F2)" in said
        assert is_all_in_sight(hands)
        await hands.press("v", "v")
        await hands.has("1 reasoning and answer")
        assert REFUSAL in " ".join(line.strip() for line in hands.lines())


async def test_a_thought_that_is_opened_twice_is_a_fault(tmp_path: Path) -> None:
    folder = folders.config() / "templates"
    folder.mkdir(parents=True)
    (folder / "twice.yaml").write_text(OPENED_TWICE, encoding="utf-8")
    rows = write_rows(tmp_path / "rows.jsonl", [{"instruction": "q", "input": "", "reasoning": "r", "output": "a"}])
    async with opened(rows, make_tokenizer_folder(tmp_path / "model")) as hands:
        await choose(hands, "twice")
        await hands.shows("a thought is opened twice before its reasoning")


async def test_more_remarks_than_fit_are_with_the_prompts(tmp_path: Path) -> None:
    tools = json.dumps([{"name": "snow"}])
    marked = "x\n### Response:\ny\n### Input:\nz"
    turns = [("system", SYSTEM * 3), ("user", marked), ("assistant", "No."), ("user", marked)]
    messages = [{"role": role, "content": content} for role, content in turns]
    answer = {"role": "assistant", "content": f"<think>{marked * 900}</think>{marked}"}
    rows = write_rows(tmp_path / "rows.jsonl", [{"messages": [*messages, answer], "tools": tools}])
    async with opened(rows, make_tokenizer_folder(tmp_path / "model"), (40, 15)) as hands:
        await hands.shows("remarks in all; v shows them with", "the prompts")
        await hands.press("v", "v")
        await hands.has("a template of text drops the tools")
