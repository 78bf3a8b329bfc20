"""A tokenizer's folder without a model, made by the tokenizers library alone: byte-level merges over a few sentences,
as GPT-2 and Qwen have them."""

from __future__ import annotations

import json
from pathlib import Path

END = "<|im_end|>"
LINES = [
    "Below is an instruction that describes a task, paired with an input that provides further context.",
    "Write a response that appropriately completes the request.\n\n"
    "### Instruction:\n\n### Input:\n\n### Reasoning:\n\n### Response:\n",
    "What is 3 plus one? 3 + 1 = 4. The answer is four.",
    "三に一を足すと四です。答えは四。",
]
CHAT = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def make_tokenizer_folder(folder: Path, *, bos: str = "", chat: bool = True) -> Path:
    """bos: a special token that begins every text. chat: with a chat template that knows no reasoning."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = [AddedToken(token, special=True) for token in (END, "<|im_start|>", *([bos] if bos else []))]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(
        LINES * 3,
        trainers.BpeTrainer(vocab_size=600, special_tokens=special, initial_alphabet=alphabet, show_progress=False),
    )
    if bos:
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{bos} $A", special_tokens=[(bos, tokenizer.token_to_id(bos))]
        )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tokenizer.json").write_text(tokenizer.to_str(), encoding="utf-8")
    config = {"eos_token": END, **({"bos_token": bos} if bos else {}), **({"chat_template": CHAT} if chat else {})}
    (folder / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder
