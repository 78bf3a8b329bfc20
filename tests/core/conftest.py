"""Tokenizers made on the spot: a byte-level one (GPT-2, Qwen) and a sentencepiece-like one with byte fallback (Llama 2,
Gemma)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from core.tokens.tokenizer import TextTokenizer
from tests.support.tiny_model import make_tiny_model
from tests.support.training_process import ROWS, TEST_WORD

LINES = [
    "Below is an instruction that describes a task, paired with an input that provides further context.",
    "Write a response that appropriately completes the request.\n\n"
    "### Instruction:\n\n### Input:\n\n### Reasoning:\n\n### Response:\n",
    "The train leaves at nine and arrives at noon, so it takes three hours. 3 + 4 = 7.",
    "まず、地図の投影法について理解する必要があります。富士山は日本で一番高い山です。",
    "首先，我们需要理解地图的投影方法。答案是四十二。",
]


def write_folder(folder: Path, tokenizer: dict[str, object], eos: str, **generation: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps({"eos_token": eos}), encoding="utf-8")
    if generation:
        (folder / "generation_config.json").write_text(json.dumps(generation), encoding="utf-8")
    return folder


def byte_level_json(*, merge_newlines: bool = False) -> dict[str, object]:
    """`merge_newlines`: punctuation and the line ends after it may become one token, as in Qwen and Llama 3."""
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    tokenizer = Tokenizer(models.BPE())
    split = pre_tokenizers.Split(Regex(r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+| ?\p{L}+|\p{N}|\s+"), "isolated")
    tokenizer.pre_tokenizer = (
        pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
        if merge_newlines
        else pre_tokenizers.ByteLevel(add_prefix_space=False)
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=True)
    special = [
        AddedToken("<|end|>", special=True),
        AddedToken("<|im_end|>", special=True),
        AddedToken("<think>", special=True),
    ]
    trainer = trainers.BpeTrainer(
        vocab_size=700,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(LINES * 3, trainer)
    loaded: dict[str, object] = json.loads(tokenizer.to_str())
    return loaded


def sentencepiece_json() -> dict[str, object]:
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, processors, trainers

    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))  # noqa: S106
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    special = [AddedToken(t, special=True) for t in ("<unk>", "<s>", "</s>")] + [
        AddedToken(f"<0x{b:02X}>", special=True) for b in range(256)
    ]
    words = [word for line in LINES[:3] for word in line.split(" ")]
    tokenizer.train_from_iterator(
        words, trainers.BpeTrainer(vocab_size=500, special_tokens=special, show_progress=False)
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", 1)]
    )
    loaded = json.loads(tokenizer.to_str())
    loaded["added_tokens"] = loaded["added_tokens"][
        :3
    ]  # the bytes are words of the vocabulary, as sentencepiece has them, not added ones
    return dict(loaded)


@pytest.fixture(scope="session")
def byte_level(tmp_path_factory: pytest.TempPathFactory) -> TextTokenizer:
    folder = tmp_path_factory.mktemp("byte-level")
    return TextTokenizer.from_folder(write_folder(folder, byte_level_json(), "<|im_end|>", eos_token_id=[0, 1]))


@pytest.fixture(scope="session")
def merging(tmp_path_factory: pytest.TempPathFactory) -> TextTokenizer:
    folder = tmp_path_factory.mktemp("merging")
    return TextTokenizer.from_folder(write_folder(folder, byte_level_json(merge_newlines=True), "<|im_end|>"))


@pytest.fixture(scope="session")
def sentencepiece(tmp_path_factory: pytest.TempPathFactory) -> TextTokenizer:
    return TextTokenizer.from_folder(
        write_folder(tmp_path_factory.mktemp("sentencepiece"), sentencepiece_json(), "</s>")
    )


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("training") / "model")


@pytest.fixture(scope="session")
def rows_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = []
    for number in range(ROWS):
        question = {
            "instruction": f"What is {number} + 1?",
            "input": "",
            "reasoning": f"One more than {number}.",
            "output": str(number + 1),
        }
        rows.append({**question, "syslang": "English", "sysflag": "train"})
        rows.append({**question, "instruction": f"{TEST_WORD} {number}", "syslang": "English", "sysflag": "test"})
    rows[0]["reasoning"] = "  "
    path = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows))
    return path
