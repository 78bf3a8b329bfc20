"""Which paths can serve a model, and why not, in words. Reads modules and tensors; runs nothing."""

from __future__ import annotations

from typing import Any

import torch

from core.engine.kernels.plan import DecodeShape, shape_problem
from core.engine.steps.row_cache import attends_to_everything
from core.engine.steps.step import StepVerdict

FUSED_TYPES = ("llama", "mistral", "qwen2", "qwen3", "phi3")
"""The kinds of model (`config.model_type`) whose layers are those of the fused kernel."""
_ROPE_TYPES = ("default", "linear", "llama3", "yarn")  # one table of angles, whatever the length
_NF4_BLOCK, _NF4_SCALE_BLOCK = 64, 256
_OLDEST_CAPABILITY = (8, 0)  # asynchronous copies and the matrix instruction


def captured_verdict(model: Any) -> StepVerdict:
    """Whether the captured step can serve `model` (without a PeftModel around it)."""
    return StepVerdict("captured", not (why := _capture_problem(model)), why)


def fused_verdict(model: Any) -> StepVerdict:
    """Whether the fused step can serve `model` (without a PeftModel around it), its kernel's shared memory aside."""
    return StepVerdict("fused", not (why := _device_problem(model) or fused_problem(model)), why)


def fused_problem(model: Any) -> str:
    """What in the model's architecture, weights or adapter the fused kernel cannot serve; empty where there is nothing.
    The device does not count."""
    return _architecture_problem(model) or _weights_problem(model) or shape_problem(decode_shape(model))


def decode_shape(model: Any, rank: int = 0, slots: int = 1) -> DecodeShape:
    """The shape of a model whose architecture the fused kernel serves."""
    config = model.config
    layer = model.model.layers[0]
    return DecodeShape(
        layers=config.num_hidden_layers,
        hidden=config.hidden_size,
        inner=config.intermediate_size,
        heads=config.num_attention_heads,
        kv_heads=config.num_key_value_heads,
        head_dim=getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads,
        vocabulary=config.vocab_size,
        eps=config.rms_norm_eps,
        nf4=is_nf4(projections(layer)["o"]),
        qk_norm=hasattr(layer.self_attn, "q_norm"),
        rank=rank,
        slots=slots,
    )


def projections(layer: Any) -> dict[str, Any]:
    """A layer's linear modules by their places; Phi-3 has `qkv` and `gate_up` where others have three and two."""
    attention, mlp = layer.self_attn, layer.mlp
    if hasattr(attention, "qkv_proj"):
        found = {"qkv": attention.qkv_proj}
    else:
        found = {"q": attention.q_proj, "k": attention.k_proj, "v": attention.v_proj}
    found["o"] = attention.o_proj
    found |= (
        {"gate_up": mlp.gate_up_proj} if hasattr(mlp, "gate_up_proj") else {"gate": mlp.gate_proj, "up": mlp.up_proj}
    )
    return found | {"down": mlp.down_proj}


def base_linear(module: Any) -> Any:
    """The linear module itself, without the adapter's layer around it."""
    return module.get_base_layer() if hasattr(module, "get_base_layer") else module


def is_nf4(module: Any) -> bool:
    """Whether a linear module's weights are quantised by bitsandbytes."""
    return hasattr(base_linear(module).weight, "quant_state")


def active_adapter(module: Any) -> str | None:
    """The adapter that a linear module adds, None where it adds none."""
    if not hasattr(module, "lora_A") or module.disable_adapters:
        return None
    active = [name for name in module.active_adapters if name in module.lora_A]
    return active[0] if active else None


def _capture_problem(model: Any) -> str:
    if model.device.type != "cuda":
        return "there is no CUDA device"
    if len({parameter.device for parameter in model.parameters()}) > 1:
        return "it is spread over several devices"
    if not attends_to_everything(model):
        return "some of its layers keep a sliding window or a state, not the whole past"
    return ""


def _device_problem(model: Any) -> str:
    if why := _capture_problem(model):
        return why
    if torch.version.cuda is None:
        return "its GPU is not NVIDIA's"
    if torch.cuda.get_device_capability(model.device) < _OLDEST_CAPABILITY:
        return f"{torch.cuda.get_device_name(model.device)} is older than the kernel"
    return ""


def _architecture_problem(model: Any) -> str:
    config = model.config
    kind = config.model_type
    if kind not in FUSED_TYPES:
        return f"there is no kernel for the layers of {kind}"
    if not attends_to_everything(model):
        return "some of its layers keep a sliding window or a state, not the whole past"
    if config.hidden_act != "silu":
        return f"its activation is {config.hidden_act}"
    rope = getattr(config, "rope_parameters", None) or {}
    if rope.get("rope_type", "default") not in _ROPE_TYPES:
        return f"its rotary embedding ({rope['rope_type']}) changes with the length"
    if rope.get("partial_rotary_factor", 1.0) != 1.0:
        return "only a part of each head is rotated"
    if model.dtype != torch.bfloat16:
        return f"it computes in {str(model.dtype).removeprefix('torch.')}"
    return ""


def _weights_problem(model: Any) -> str:
    if model.lm_head.weight.dtype != torch.bfloat16 or hasattr(model.lm_head, "lora_A"):
        return "its head is quantised or has an adapter"
    if hasattr(model.model.embed_tokens, "lora_embedding_A"):
        return "its embedding has an adapter"
    code = None
    quantised = is_nf4(projections(model.model.layers[0])["o"])
    for layer in model.model.layers:
        for module in projections(layer).values():
            linear = base_linear(module)
            if is_nf4(module) != quantised:
                return "some of its layers are quantised and others are not"
            if not quantised and linear.weight.dtype != torch.bfloat16:
                return f"its weights are {str(linear.weight.dtype).removeprefix('torch.')}"
            if quantised:
                state = linear.weight.quant_state
                if why := _nf4_problem(linear.weight, state):
                    return why
                code = state.state2.code if code is None else code
                if not torch.equal(code, state.state2.code):
                    return "its scales are coded in several ways"
            if why := _adapter_problem(module):
                return why
    return ""


def _nf4_problem(weight: Any, state: Any) -> str:
    if state is None or state.quant_type != "nf4":
        return "its weights are quantised, but not to NF4"
    if state.blocksize != _NF4_BLOCK or weight.dtype != torch.uint8:
        return f"its NF4 blocks have {state.blocksize} weights"
    if not state.nested or state.state2.blocksize != _NF4_SCALE_BLOCK:
        return "its NF4 scales are not quantised themselves"
    return ""


def _adapter_problem(module: Any) -> str:
    if not hasattr(module, "lora_A"):
        return "an adapter changes its layers in another way than LoRA" if hasattr(module, "base_layer") else ""
    if module.merged:
        return "an adapter is merged into its weights"
    if len([name for name in module.active_adapters if name in module.lora_A]) > 1:
        return "several adapters are active at once"
    if getattr(module, "lora_variant", None):
        return "its adapter is a variant of LoRA"
    if any(layer.bias is not None for layer in module.lora_B.values()):
        return "its adapter has biases"
    return ""
