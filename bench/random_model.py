"""A model folder of a real shape with random weights: speed and memory depend only on the shape.

    python -m bench.random_model SHAPE FOLDER TOKENIZER_FOLDER

SHAPE is 0.5b or 7b (Qwen2.5's), or tiny. Needs a GPU for 7b in reasonable time.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

SHAPES = {
    "tiny": {
        "hidden_size": 64,
        "num_hidden_layers": 2,
        "intermediate_size": 128,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
    },
    "0.5b": {
        "hidden_size": 896,
        "num_hidden_layers": 24,
        "intermediate_size": 4864,
        "num_attention_heads": 14,
        "num_key_value_heads": 2,
    },
    "7b": {
        "hidden_size": 3584,
        "num_hidden_layers": 28,
        "intermediate_size": 18944,
        "num_attention_heads": 28,
        "num_key_value_heads": 4,
    },
}
VOCABULARY = {"tiny": 49152, "0.5b": 151936, "7b": 152064}


def make(shape: str, folder: Path, tokenizer: Path, spread: float = 0.02) -> Path:
    """Save a Qwen2 model of this shape in bfloat16 with the tokenizer's files beside it. spread: of its weights; 0.02
    makes all answers alike."""
    from core.models.backend import prepare_imports
    from core.tokens.tokenizer import TextTokenizer

    prepare_imports()
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=VOCABULARY[shape],
        tie_word_embeddings=shape != "7b",
        max_position_embeddings=32768,
        rope_theta=1e6,
        **SHAPES[shape],
    )
    config.initializer_range = spread
    end = TextTokenizer.from_folder(tokenizer).eos_id
    config.eos_token_id, config.pad_token_id, config.bos_token_id = end, end, None
    torch.set_default_dtype(torch.bfloat16)
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        model = Qwen2ForCausalLM(config)
    model.save_pretrained(folder)
    for file in tokenizer.iterdir():
        if file.name.startswith("tokenizer"):
            shutil.copy(file, folder)
    return folder


if __name__ == "__main__":
    print(make(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])))
