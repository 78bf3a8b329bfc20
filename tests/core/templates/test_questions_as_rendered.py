"""Chat templates that take a question in a form of their own: each prompt is what transformers renders."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.base.chat_history import history_to_json
from core.base.errors import UsageError
from core.base.row import Row
from core.templates.bind_chat_template import bind_chat_template
from core.templates.chat_template import ChatTemplate
from core.templates.template import ChatTemplateSettings
from core.tokens.tokenizer import TextTokenizer
from tests.support.chat_models import IM, Chat, write_chat
from tests.support.own_rendering import own_rendering

END = "{%- endfor -%}{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}"
SQUEEZED = (
    "{%- for m in messages -%}{{- '<|im_start|>' + m.role + '\\n' -}}"
    "{{- m.content.replace('\\n\\n', '\\n') + '<|im_end|>' -}}" + END
)
PARTS = (
    "{%- for m in messages -%}{{- '<|im_start|>' + m.role + '\\n' -}}{%- for part in m.content -%}"
    "{%- if part['type'] == 'text' -%}{{- part['text'] -}}{%- else -%}{{- '<image>' -}}{%- endif -%}{%- endfor -%}"
    "{{- '<|im_end|>' -}}" + END
)
HISTORY = [{"role": "user", "content": "One?"}, {"role": "assistant", "content": "One."}]


def bound(folder: Path, program: str) -> ChatTemplate:
    return bind_chat_template(
        ChatTemplateSettings(), TextTokenizer.from_folder(write_chat(folder, Chat(program, IM, "<|im_end|>")))
    )


def text(template: ChatTemplate, row: Row) -> str:
    return "".join(segment.text for segment in template.segments(row))


def test_white_space_that_is_changed_inside_a_question_is_changed_in_training(tmp_path: Path) -> None:
    template = bound(tmp_path, SQUEEZED)
    assert template.rewrites_question

    @settings(max_examples=30, deadline=None)
    @given(st.lists(st.sampled_from(["a", "\n", "\n\n", " ", "投"])).map("".join), st.sampled_from(["", "in\n\nput"]))
    def check(instruction: str, given_input: str) -> None:
        row = Row(f"q{instruction}", given_input, "", "It is\n\nso.", index=1)
        question = row.instruction + (f"\n\n{row.input}" if row.input else "")
        theirs = own_rendering(tmp_path, [{"role": "user", "content": question}], generate=True)
        assert text(template, row) == theirs + row.output
        assert template.prompt(row.instruction, row.input) == theirs
        assert template.context_losses(Row(row.instruction, row.input, history=history_to_json(HISTORY))) == ()

    check()


def test_a_template_that_takes_only_parts_gets_parts(tmp_path: Path) -> None:
    template = bound(tmp_path, PARTS)
    row = Row("Two?", "", "", "Two.", system="Be brief.", history=history_to_json(HISTORY), index=1)
    said = [{"role": "system", "content": "Be brief."}, *HISTORY, {"role": "user", "content": "Two?"}]
    parted = [{**message, "content": [{"type": "text", "text": message["content"]}]} for message in said]
    assert text(template, row) == own_rendering(tmp_path, parted, generate=True) + "Two."
    assert text(template, Row("Two?", "", "", "Two.")) == own_rendering(tmp_path, parted[-1:], generate=True) + "Two."
    assert not template.rewrites_question and template.context_losses(row) == ()


def test_a_template_that_goes_on_after_the_answer_is_refused(tmp_path: Path) -> None:
    judged = SQUEEZED.replace(END, "{%- endfor -%}{{- '\\n\\nIs that answer safe? ' * 20 -}}")
    with pytest.raises(UsageError, match="characters of its own after an answer"):
        bound(tmp_path, judged.replace(" + '<|im_end|>'", ""))
