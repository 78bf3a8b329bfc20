"""Tiny random models of every shape that is written as GGUF, with tokenizers that llama.cpp knows, and adapters."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

LETTERS = "三答えるは四。推論過程答案"
TEXTS = [
    "Below is an instruction that describes a task. Write a response that appropriately completes the request.",
    "### Instruction:\n\n### Response:\nWhat is 3 plus one? It's 4, isn't it? 12345 = 12 345",
    "三に一を足すと四です。答えは四。推論の過程を説明してください。",
    "推理过程用中文说明。答案是四十二。",
    "def f(x):\n    return x  # twice\n\n\nfor (int i = 0; i < n; ++i) {\n\tsum += a[i];\n}",
]
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
CHAT = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SHAPES = ("llama", "qwen2", "qwen3", "mistral")
QWEN_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
LLAMA3_SPLIT = QWEN_SPLIT.replace(r"\p{N}|", r"\p{N}{1,3}|", 1)


def make_model(folder: Path, shape: str, *, dtype: str = "float32", **changes: Any) -> Path:
    """A model of this `model_type` with two layers, and a tokenizer of the kind that such models have."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    if shape == "mistral":
        make_sentencepiece(folder)
    else:
        make_byte_level(folder, LLAMA3_SPLIT if shape == "llama" else QWEN_SPLIT)
    vocabulary = len(json.loads((folder / "tokenizer.json").read_text("utf-8"))["model"]["vocab"]) + 8
    sizes: dict[str, Any] = {
        "vocab_size": vocabulary,
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 512,
        "tie_word_embeddings": shape != "mistral",
        "initializer_range": 0.2,
        "head_dim": 32 if shape == "qwen3" else 16,
    }
    config = AutoConfig.for_model(shape, **{**sizes, **changes})
    settings = json.loads((folder / "tokenizer_config.json").read_text("utf-8"))
    definition = json.loads((folder / "tokenizer.json").read_text("utf-8"))
    config.eos_token_id = next(
        token["id"] for token in definition["added_tokens"] if token["content"] == settings["eos_token"]
    )
    config.bos_token_id = config.pad_token_id = None
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_config(config)
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):
                torch.nn.init.normal_(parameter, std=0.3)
            if "norm" in name:
                torch.nn.init.uniform_(parameter, 0.5, 1.5)
    model.to(getattr(torch, dtype)).save_pretrained(folder)
    return folder


def make_adapter(folder: Path, model: Path, *, seed: int = 1, size: float = 0.3, **changes: Any) -> Path:
    """A LoRA adapter with random weights; `changes` of its LoraConfig."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    settings: dict[str, Any] = {
        "r": 4,
        "lora_alpha": 8,
        "target_modules": ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"],
        "task_type": "CAUSAL_LM",
        "init_lora_weights": False,
    }
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        tuned = get_peft_model(
            AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32), LoraConfig(**{**settings, **changes})
        )
        for name, parameter in tuned.named_parameters():
            if "lora_" in name:
                torch.nn.init.normal_(parameter, std=size * 0.3)
        tuned.save_pretrained(folder)
    return folder


def make_byte_level(folder: Path, pattern: str) -> Path:
    """A tokenizer that merges bytes inside the pieces of `pattern`, as Llama 3 and Qwen have it."""
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE(ignore_merges=pattern == LLAMA3_SPLIT))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(
        TEXTS * 3,
        trainers.BpeTrainer(vocab_size=600, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False),
    )
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in SPECIAL])
    tokenizer.add_tokens([AddedToken("<think>", normalized=False), AddedToken("</think>", normalized=False)])
    return _write(folder, tokenizer, {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>", "chat_template": CHAT})


def make_sentencepiece(folder: Path) -> Path:
    """A tokenizer as SentencePiece models have it: merges of characters, with every way to make a token, bytes for what
    is unknown, and a beginning of sequence."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, processors

    words = sorted({f"▁{word}" for text in TEXTS for word in text.split()})
    pieces: dict[str, None] = {}
    for word in words:
        for length in range(2, min(len(word), 6) + 1):
            pieces.setdefault(word[:length], None)
    alphabet = sorted({letter for word in words for letter in word})
    vocabulary = {token: id for id, token in enumerate(["<unk>", "<s>", "</s>"])}
    for token in [f"<0x{byte:02X}>" for byte in range(256)] + list(pieces) + alphabet:
        vocabulary.setdefault(token, len(vocabulary))
    merges = [
        (piece[:cut], piece[cut:])
        for piece in pieces
        for cut in range(1, len(piece))
        if piece[:cut] in vocabulary and piece[cut:] in vocabulary
    ]
    tokenizer = Tokenizer(
        models.BPE(vocab=vocabulary, merges=merges, unk_token="<unk>", byte_fallback=True, fuse_unk=True)  # noqa: S106
    )
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    tokenizer.add_special_tokens(
        [AddedToken(token, special=True, normalized=False) for token in ("<unk>", "<s>", "</s>")]
    )
    return _write(folder, tokenizer, {"eos_token": "</s>", "bos_token": "<s>", "unk_token": "<unk>"})


def _write(folder: Path, tokenizer: Any, config: dict[str, str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tokenizer.json").write_text(tokenizer.to_str(), encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


def copied(folder: Path, target: Path) -> Path:
    """A copy of a folder that a test may change."""
    shutil.copytree(folder, target)
    return target
