"""The child process that converts the embedded model from GGUF to safetensors. Run by name, never imported."""

from __future__ import annotations

from pathlib import Path

from core.base.child_main import ReportProgress, answer_parent

# The GGUF's metadata have the wrong tokens: by them an answer "ends" at <|im_start|>, which the model never writes.
_EOS, _EOS_ID = "<|im_end|>", 2
# Padding must differ from EOS, or a trainer that masks padding also masks the end of every answer. <|endoftext|> is not
# used otherwise.
_PAD, _PAD_ID = "<|endoftext|>", 0


def write_safetensors(gguf: Path, target: Path) -> None:
    """Read the GGUF file and save config, weights and tokenizer to the folder `target`. Imports torch; takes about
    20 s.

    Weights are saved in bfloat16, the model's own precision: half the disk and page cache of float32, for weights made
    of 4 bits each. A loader can convert them to float32 without loss.
    """
    from core.models.backend import prepare_imports

    prepare_imports()
    import torch
    from tokenizers import decoders, pre_tokenizers
    from transformers import AutoModelForCausalLM, AutoTokenizer

    source, name = str(gguf.parent), gguf.name
    read = AutoModelForCausalLM.from_pretrained(source, gguf_file=name, dtype=torch.float32)
    config = read.config
    del config.quantization_config  # with it, saving is refused: the weights are no longer those of the GGUF
    config.eos_token_id, config.pad_token_id = _EOS_ID, _PAD_ID
    config.dtype = torch.bfloat16
    model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    model.load_state_dict(read.state_dict())
    model.generation_config.eos_token_id, model.generation_config.pad_token_id = _EOS_ID, _PAD_ID
    model.save_pretrained(target)

    tokenizer = AutoTokenizer.from_pretrained(source, gguf_file=name)
    tokenizer.eos_token, tokenizer.pad_token = _EOS, _PAD
    ids = tokenizer.convert_tokens_to_ids([_EOS, _PAD])
    if ids != [_EOS_ID, _PAD_ID]:
        raise ValueError(f"the tokenizer of {name} has other ids for {_EOS} and {_PAD} than expected: {ids}")
    tokenizer.model_max_length = config.max_position_embeddings
    # A decoder that drops the space before a full stop would change the model's text.
    tokenizer.clean_up_tokenization_spaces = False
    # The GGUF names its pre-tokenizer "smollm", which splits off digits first. The reader knows only GPT-2's, which
    # joins spaces differently near numbers.
    digits = pre_tokenizers.Digits(individual_digits=True)
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [digits, pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.backend_tokenizer.decoder = decoders.ByteLevel()
    tokenizer.save_pretrained(target)


def convert_for_parent(request: dict[str, str], _: ReportProgress) -> None:
    """Convert the file `request["gguf"]` into the folder `request["target"]`."""
    write_safetensors(Path(request["gguf"]), Path(request["target"]))


if __name__ == "__main__":
    answer_parent(convert_for_parent)
