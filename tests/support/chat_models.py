"""Model folders whose chat templates behave as known models' do: written here in few lines, with the special tokens
those models have."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from tests.core.conftest import LINES


class Chat(NamedTuple):
    template: str | list[dict[str, str]]
    special: list[str]
    eos: str
    stops: tuple[str, ...] = ()
    bos: str = ""
    added: tuple[str, ...] = ()  # added words that are not special
    writes_bos: bool = False  # the tokenizer's post-processor, beside the template
    rstrip: tuple[str, ...] = ()  # special tokens that take the white space after them


CHATML = """\
{% for m in messages %}{% if loop.first and m['role'] != 'system' %}{{ '<|im_start|>system
You are a helpful assistant.<|im_end|>
' }}{% endif %}{{ '<|im_start|>' + m['role'] + '
' + m['content'] + '<|im_end|>' + '
' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant
' }}{% endif %}"""

QWEN3 = """\
{%- set ns = namespace(last=-1) %}
{%- for m in messages %}{%- if m.role == 'user' %}{%- set ns.last = loop.index0 %}{%- endif %}{%- endfor %}
{%- for message in messages %}
    {%- if message.role == 'assistant' %}
        {%- set content = message.content %}
        {%- set reasoning_content = '' %}
        {%- if message.reasoning_content is string %}
            {%- set reasoning_content = message.reasoning_content %}
        {%- elif '</think>' in content %}
            {%- set reasoning_content = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}
            {%- set content = content.split('</think>')[-1].lstrip('\\n') %}
        {%- endif %}
        {%- if loop.index0 > ns.last and (loop.last or reasoning_content) %}
            {{- '<|im_start|>assistant\\n<think>\\n' + reasoning_content.strip('\\n') + '\\n</think>\\n\\n' + \
content.lstrip('\\n') }}
        {%- else %}
            {{- '<|im_start|>assistant\\n' + content }}
        {%- endif %}
        {{- '<|im_end|>\\n' }}
    {%- else %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\\n\\n</think>\\n\\n' }}
    {%- endif %}
{%- endif %}"""

QWEN3_THINKING = (
    QWEN3.split("    {%- if enable_thinking")[0].replace("assistant\\n' }}\n", "assistant\\n' }}\n").rstrip()
)
QWEN3_THINKING = (
    QWEN3_THINKING[: QWEN3_THINKING.rindex("{{-")] + "{{- '<|im_start|>assistant\\n<think>\\n' }}\n{%- endif %}"
)

R1 = """\
{{ bos_token }}{%- for message in messages %}{%- if message['role'] == 'user' %}{{ '<｜User｜>' + message['content'] \
}}{%- endif %}\
{%- if message['role'] == 'assistant' %}{%- set content = message['content'] %}\
{%- if '</think>' in content %}{%- set content = content.split('</think>')[-1] %}{%- endif %}\
{{ '<｜Assistant｜>' + content + '<｜end▁of▁sentence｜>' }}{%- endif %}{%- endfor %}\
{% if add_generation_prompt %}{{ '<｜Assistant｜><think>\\n' }}{% endif %}"""

LLAMA3 = """\
{{- bos_token }}{%- if strftime_now is defined %}{%- set date = strftime_now('%d %b %Y') %}{%- endif %}
{{- '<|start_header_id|>system<|end_header_id|>\\n\\n' }}{{- 'Today is a day.\\n' }}{{- '<|eot_id|>' }}
{%- for message in messages %}
    {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' + message['content'] | trim + \
'<|eot_id|>' }}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{%- endif %}
"""

GEMMA = """\
{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}\
{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}\
{{ raise_exception('Conversation roles must alternate') }}{% endif %}\
{% set role = 'model' if message['role'] == 'assistant' else message['role'] %}\
{{ '<start_of_turn>' + role + '\\n' + message['content'] | trim + '<end_of_turn>\\n' }}{% endfor %}\
{% if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}"""

CHANNELS = """\
{{- '<|start|>system<|message|>You are a model.\\nReasoning: medium<|end|>' }}
{%- for message in messages %}
    {%- if message.role == 'assistant' %}
        {%- if loop.last and not add_generation_prompt %}
            {%- if message.thinking %}{{- '<|start|>assistant<|channel|>analysis<|message|>' + message.thinking + \
'<|end|>' }}{%- endif %}
            {{- '<|start|>assistant<|channel|>final<|message|>' + message.content + '<|return|>' }}
        {%- else %}
            {{- '<|start|>assistant<|channel|>final<|message|>' + message.content + '<|end|>' }}
        {%- endif %}
    {%- else %}
        {{- '<|start|>user<|message|>' + message.content + '<|end|>' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|start|>assistant' }}{%- endif %}"""

ZEPHYR = """\
{% for message in messages %}
{{ '<|' + message['role'] + '|>\\n' + message['content'] + eos_token }}
{% generation %}{% endgeneration %}
{% if loop.last and add_generation_prompt %}
{{ '<|assistant|>' }}
{% endif %}
{% endfor %}"""

INST = """\
{{ bos_token }}{% for message in messages %}{% if message.role == 'user' %}{{ '[INST] ' + message.content + ' \
[/INST]' }}\
{% else %}{{ ' ' + message.content + eos_token }}{% endif %}{% endfor %}"""

IM = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
MODELS = {
    "qwen2.5": Chat(CHATML, IM, "<|im_end|>", ("<|im_end|>", "<|endoftext|>")),
    "smollm2": Chat(CHATML, IM, "<|im_end|>", bos="<|im_start|>"),
    "base": Chat(CHATML, IM, "<|endoftext|>"),  # a base model: it does not stop at the template's end of turn
    "qwen3": Chat(QWEN3, IM, "<|im_end|>", ("<|im_end|>", "<|endoftext|>"), added=("<think>", "</think>")),
    "qwen3-thinking": Chat(QWEN3_THINKING, IM, "<|im_end|>", added=("<think>", "</think>")),
    "r1-distill": Chat(
        R1,
        ["<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜User｜>", "<｜Assistant｜>"],
        "<｜end▁of▁sentence｜>",
        bos="<｜begin▁of▁sentence｜>",
        added=("<think>", "</think>"),
        writes_bos=True,
    ),
    "llama3": Chat(
        LLAMA3,
        ["<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"],
        "<|eot_id|>",
        ("<|end_of_text|>", "<|eot_id|>"),
        bos="<|begin_of_text|>",
        writes_bos=True,
    ),
    "gemma": Chat(
        GEMMA,
        ["<pad>", "<eos>", "<bos>", "<start_of_turn>", "<end_of_turn>"],
        "<eos>",
        ("<eos>", "<end_of_turn>"),
        bos="<bos>",
        writes_bos=True,
    ),
    "channels": Chat(
        CHANNELS, ["<|start|>", "<|channel|>", "<|message|>", "<|end|>", "<|return|>"], "<|return|>", ("<|return|>",)
    ),
    "zephyr": Chat(
        [{"name": "tool", "template": "no"}, {"name": "default", "template": ZEPHYR}],
        ["<s>", "</s>"],
        "</s>",
        bos="<s>",
        writes_bos=True,
    ),
    "inst": Chat(INST, ["<unk>", "<s>", "</s>"], "</s>", bos="<s>", writes_bos=True),
}


def write_model(folder: Path, name: str) -> Path:
    """A byte-level tokenizer with the model's special tokens and its template; `inst` has a sentencepiece-like one."""
    chat = MODELS[name]
    return write_chat(folder, chat, _sentencepiece(chat) if name == "inst" else None)


def write_chat(folder: Path, chat: Chat, definition: dict[str, Any] | None = None) -> Path:
    """A folder with a tokenizer (a byte-level one unless `definition` is given) and a chat template."""
    definition = _byte_level(chat) if definition is None else definition
    folder.mkdir(parents=True, exist_ok=True)
    ids = {token["content"]: token["id"] for token in definition["added_tokens"]}
    (folder / "tokenizer.json").write_text(json.dumps(definition), encoding="utf-8")
    config: dict[str, Any] = {"eos_token": chat.eos, "chat_template": chat.template}
    if chat.bos:
        config["bos_token"] = {"content": chat.bos, "lstrip": False}
    (folder / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    (folder / "generation_config.json").write_text(
        json.dumps({"eos_token_id": [ids[stop] for stop in chat.stops or (chat.eos,)]}), encoding="utf-8"
    )
    return folder


def _byte_level(chat: Chat) -> dict[str, Any]:
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = [AddedToken(token, special=True, rstrip=token in chat.rstrip) for token in chat.special]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(
        LINES * 3,
        trainers.BpeTrainer(vocab_size=600, special_tokens=special, initial_alphabet=alphabet, show_progress=False),
    )
    tokenizer.add_tokens([AddedToken(token, special=False, normalized=False) for token in chat.added])
    if chat.writes_bos:
        bos = (chat.bos, tokenizer.token_to_id(chat.bos))
        tokenizer.post_processor = processors.TemplateProcessing(single=f"{chat.bos} $A", special_tokens=[bos])
    loaded: dict[str, Any] = json.loads(tokenizer.to_str())
    return loaded


def _sentencepiece(chat: Chat) -> dict[str, Any]:
    from tests.core.conftest import sentencepiece_json

    return dict(sentencepiece_json()) | {
        "normalizer": None,
        "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": False},
    }
