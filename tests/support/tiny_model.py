"""A real model small enough for tests: a random Llama with a byte-level tokenizer, made in a second, saved as any model
folder is."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

END, PAD = "<|im_end|>", "<|endoftext|>"
CONTEXT = 1024


def make_tiny_model(folder: Path, seed: int = 0) -> Path:
    """Write config, weights (safetensors, float32, about 1 MB) and tokenizer to `folder`. One token is one byte; 256 is
    END, 257 is PAD."""
    sys.modules.setdefault("torchvision", None)  # type: ignore[arg-type]
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = make_tiny_tokenizer()
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
        initializer_range=0.2,  # large enough for answers that vary with the prompt
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = LlamaForCausalLM(config)
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def make_tiny_adapter(folder: Path, model: Path, seed: int = 1) -> Path:
    """Write a LoRA adapter with random weights for the tiny model in the folder `model`: its answers differ from the
    base model's."""
    sys.modules.setdefault("torchvision", None)  # type: ignore[arg-type]
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        config = LoraConfig(
            r=4,
            lora_alpha=16,
            target_modules=["q_proj", "v_proj", "down_proj"],
            init_lora_weights=False,
            task_type="CAUSAL_LM",
        )
        get_peft_model(AutoModelForCausalLM.from_pretrained(model), config).save_pretrained(folder)
    return folder


def make_tiny_tokenizer() -> Any:
    """A tokenizer of transformers whose ids 0 to 255 stand for one byte each, in no special order."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={letter: at for at, letter in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    made = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=END, pad_token=PAD, model_max_length=CONTEXT)
    made.add_special_tokens({"eos_token": END, "pad_token": PAD})
    return made
