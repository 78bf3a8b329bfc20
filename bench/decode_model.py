"""Random models of real shapes, made in memory on the GPU, and their float32 reference: for `bench.decode`."""

from __future__ import annotations

from typing import Any

SHAPES: dict[str, dict[str, Any]] = {
    "tiny": {"hidden_size": 256, "num_hidden_layers": 2, "intermediate_size": 512, "num_attention_heads": 8,
             "num_key_value_heads": 2, "vocab_size": 1000, "tie_word_embeddings": True},
    "0.5b": {"hidden_size": 896, "num_hidden_layers": 24, "intermediate_size": 4864, "num_attention_heads": 14,
             "num_key_value_heads": 2, "vocab_size": 151936, "tie_word_embeddings": True},
    "7b": {"hidden_size": 3584, "num_hidden_layers": 28, "intermediate_size": 18944, "num_attention_heads": 28,
           "num_key_value_heads": 4, "vocab_size": 152064, "tie_word_embeddings": False},
    "14b": {"hidden_size": 5120, "num_hidden_layers": 48, "intermediate_size": 13824, "num_attention_heads": 40,
            "num_key_value_heads": 8, "vocab_size": 152064, "tie_word_embeddings": False},
    "32b": {"hidden_size": 5120, "num_hidden_layers": 64, "intermediate_size": 27648, "num_attention_heads": 40,
            "num_key_value_heads": 8, "vocab_size": 152064, "tie_word_embeddings": False},
}  # fmt: skip
"""Qwen2.5's shapes, and a tiny one."""
TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


def random_decoder(shape: str, *, four_bit: bool, lora: int = 0, kind: str = "qwen2", **changes: Any) -> Any:
    """A model of this shape in bfloat16 on the GPU, its layers in NF4 where `four_bit`, with a random LoRA adapter of
    rank `lora`. kind: qwen2, llama or qwen3. changes: of the configuration."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(0)
    sizes = SHAPES[shape] | {"max_position_embeddings": 32768} | changes
    config = AutoConfig.for_model(kind, **sizes, rope_parameters={"rope_type": "default", "rope_theta": 1e6})
    config.eos_token_id = config.bos_token_id = None
    config.pad_token_id = 0
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    _fill(model, four_bit)
    model.model.rotary_emb = type(model.model.rotary_emb)(config=config, device="cuda")
    model.tie_weights()
    model.eval()
    if not lora:
        return model
    from peft import LoraConfig, get_peft_model

    model.is_loaded_in_4bit = four_bit
    adapter = LoraConfig(r=lora, lora_alpha=lora, target_modules=list(TARGETS), task_type="CAUSAL_LM")
    wrapped = get_peft_model(model, adapter, autocast_adapter_dtype=four_bit)
    with torch.no_grad():
        for name, parameter in wrapped.named_parameters():
            if "lora_B" in name:
                parameter.normal_(0, 0.01)
    return wrapped.eval()


def _fill(model: Any, four_bit: bool) -> None:
    """Give every module of a model on the meta device its weights, one after the other, so that memory never holds
    more than the result and one matrix."""
    import torch

    for name, module in list(model.named_modules()):
        is_quantised = four_bit and isinstance(module, torch.nn.Linear) and ".layers." in name
        if is_quantised:
            parent, _, last = name.rpartition(".")
            setattr(model.get_submodule(parent), last, _quantised(module))
            continue
        for key, parameter in list(module.named_parameters(recurse=False)):
            made = torch.empty_like(parameter, device="cuda")
            if "norm" in name:
                made.uniform_(0.5, 1.5)
            else:
                made.normal_(0, 0.1 if key == "bias" else 0.02)
            setattr(module, key, torch.nn.Parameter(made, requires_grad=False))


def _quantised(linear: Any) -> Any:
    import bitsandbytes as bnb
    import torch

    with torch.device("meta"):
        made = bnb.nn.Linear4bit(
            linear.in_features,
            linear.out_features,
            linear.bias is not None,
            compute_dtype=torch.bfloat16,
            compress_statistics=True,
            quant_type="nf4",
        )
    weight = torch.empty(linear.out_features, linear.in_features, dtype=torch.bfloat16, device="cuda").normal_(0, 0.02)
    made.weight = bnb.nn.Params4bit(weight, requires_grad=False, compress_statistics=True, quant_type="nf4").to("cuda")
    if linear.bias is not None:
        bias = torch.empty(linear.out_features, dtype=torch.bfloat16, device="cuda").normal_(0, 0.1)
        made.bias = torch.nn.Parameter(bias, requires_grad=False)
    return made


def float32_reference(model: Any) -> Any:
    """The same model in float32: NF4 dequantised in float32, LoRA as in the model."""
    import copy

    import torch

    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    with torch.device("meta"):
        made = type(base)(copy.deepcopy(base.config)).float()
    made.model.rotary_emb = type(base.model.rotary_emb)(config=base.config, device="cuda")
    source = dict(base.named_modules())
    with torch.no_grad():
        for name, module in made.named_modules():
            for key in list(module._parameters):
                if module._parameters[key] is None:
                    continue
                old = source[name]
                if hasattr(old, "lora_A"):
                    value = _merged(old) if key == "weight" else old.get_base_layer().bias
                else:
                    value = _plain_weight(old) if key == "weight" else getattr(old, key)
                setattr(module, key, torch.nn.Parameter(value.detach().float(), requires_grad=False))
    return made.eval()


def _plain_weight(module: Any) -> Any:
    import copy

    import torch

    quantised = getattr(module.weight, "quant_state", None)
    if quantised is None:
        return module.weight
    from bitsandbytes.functional import dequantize_4bit

    state = copy.copy(quantised)
    state.dtype = torch.float32  # else the exact values are rounded to bfloat16
    return dequantize_4bit(module.weight.data, state)


def _merged(module: Any) -> Any:
    weight = _plain_weight(module.get_base_layer()).float()
    for name in module.active_adapters:
        weight = weight + module.lora_B[name].weight.float() @ module.lora_A[name].weight.float() * module.scaling[name]
    return weight
