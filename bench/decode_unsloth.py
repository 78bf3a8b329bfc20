"""How fast Unsloth's for_inference decodes NF4 with a LoRA: the peer of `bench.decode`, in a process of its own.

    python -m bench.decode_unsloth SHAPE TOKENIZER_FOLDER

SHAPE is 0.5b or 7b; the model is made on this disk with random weights. Prompt of 200 tokens, 64 new ones, greedy.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
NEW = 64


def main(shape: str, tokenizer: Path) -> None:
    from core.models.backend import prepare_imports

    prepare_imports()
    from unsloth import FastLanguageModel

    from bench.generate_rate import generate_rate
    from bench.random_model import make

    with tempfile.TemporaryDirectory() as folder:
        path = make(shape, Path(folder), tokenizer)
        options = {"max_seq_length": 2048, "load_in_4bit": True, "local_files_only": True, "use_exact_model_name": True}
        model, _ = FastLanguageModel.from_pretrained(model_name=str(path), **options)
    model = FastLanguageModel.get_peft_model(model, r=16, lora_alpha=16, target_modules=TARGETS)
    FastLanguageModel.for_inference(model)
    rate = generate_rate(model, range(100, 300), NEW)
    print(json.dumps({"model": f"{shape}-nf4-lora", "path": "unsloth for_inference", "tok_s": round(rate, 1)}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
