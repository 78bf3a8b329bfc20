"""The demo model as it comes out of the package index and the conversion: its tokens are right, and it speaks, and
ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.models.embedded_model import demo_model_is_ready
from core.models.loading import load_for_inference
from core.tokens.tokenizer import TextTokenizer

pytestmark = pytest.mark.journey


def test_its_tokens(demo_model: Path) -> None:
    assert demo_model_is_ready()
    tokenizer = TextTokenizer.from_folder(demo_model)
    assert (tokenizer.eos, tokenizer.eos_id, tokenizer.stop_ids, tokenizer.bos_ids) == ("<|im_end|>", 2, {2}, [])
    for text in ("It costs  12 yen,\n\n 3) x1.", "推論は 42 です。", " a ▁ b .", "é 😀\t"):
        ids, _ = tokenizer.encode(text)
        assert tokenizer.decode(ids) == text
    assert len(tokenizer.encode("1234567")[0]) == 7  # digits stand alone, as in the model's own training


def test_it_answers_and_ends(demo_model: Path) -> None:
    loaded = load_for_inference("demo", None, progress=lambda _: None)
    import torch
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(demo_model)
    assert (tokenizer.eos_token_id, tokenizer.pad_token_id) == (2, 0)
    assert (loaded.model.generation_config.eos_token_id, loaded.model.generation_config.pad_token_id) == (2, 0)
    question = [{"role": "user", "content": "What is the capital of France? Answer in one short sentence."}]
    prompt = tokenizer.apply_chat_template(
        question, add_generation_prompt=True, return_tensors="pt", return_dict=True
    ).to(loaded.model.device)
    text = "It costs  12 yen,\n\n 3) x1. 推論"
    assert tokenizer(text).input_ids == loaded.tokenizer.encode(text)[0]  # transformers and Suiron read the same tokens
    with torch.inference_mode():
        made = loaded.model.generate(**prompt, max_new_tokens=40, do_sample=False)[
            0, prompt.input_ids.shape[1] :
        ].tolist()
    assert made[-1] == 2 and "Paris" in loaded.tokenizer.decode(made[:-1])
