"""Layers of a model with an adapter that compute the same with fewer kernels and less memory traffic. Imports torch.

An adapted layer adds its low-rank part to the product in place, forward and backward, as W x + s B (A x) (LoRA,
arXiv:2106.09685), in the number format of W. A norm is one kernel.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn.functional import linear, rms_norm


class _AdaptedLinear(torch.autograd.Function):
    """x: shape (tokens, inputs), of the weight's dtype. down: A, shape (r, inputs); up: B, shape (outputs, r), both
    float32. scale: s. The weight and its bias are frozen."""

    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        down: torch.Tensor,
        up: torch.Tensor,
        scale: float,
    ) -> torch.Tensor:
        down16, up16 = down.to(weight.dtype), (up if scale == 1.0 else up * scale).to(weight.dtype)
        inner = x @ down16.t()
        out = linear(x, weight, bias).addmm_(inner, up16.t())
        ctx.save_for_backward(x, inner, weight, down16, up16)
        ctx.scale, ctx.dtype = scale, down.dtype
        return out

    @staticmethod
    def backward(ctx: Any, of_out: torch.Tensor) -> tuple[Any, ...]:
        x, inner, weight, down16, up16 = ctx.saved_tensors
        of_inner = of_out @ up16
        of_down = (of_inner.t() @ x).to(ctx.dtype)
        of_up = (of_out.t() @ inner).to(ctx.dtype)
        if ctx.scale != 1.0:
            of_up *= ctx.scale
        of_x = (of_out @ weight).addmm_(of_inner, down16) if ctx.needs_input_grad[0] else None
        return of_x, None, None, of_down, of_up, None


def use_lean_layers(model: Any) -> list[Any]:
    """Let the adapted layers and norms of the PeftModel `model` compute so from now on, where they allow it: one
    adapter without dropout on a layer that is not quantised. The modules that do."""
    changed = []
    for module in model.modules():
        forward = _adapted_forward(module) or _norm_forward(module)
        if forward is not None:
            module.forward = forward
            changed.append(module)
    return changed


def use_own_layers(changed: list[Any]) -> None:
    """Undo `use_lean_layers`."""
    for module in changed:
        del module.forward


def _adapted_forward(module: Any) -> Callable[..., torch.Tensor] | None:
    base, adapters = getattr(module, "base_layer", None), getattr(module, "lora_A", None)
    if type(base) is not torch.nn.Linear or adapters is None or list(adapters) != list(module.active_adapters):
        return None
    if len(adapters) != 1 or base.weight.requires_grad or getattr(module, "lora_variant", None):
        return None
    (name,) = adapters
    down, up, scale = adapters[name], module.lora_B[name], float(module.scaling[name])
    if type(module.lora_dropout[name]) is not torch.nn.Identity or down.bias is not None or up.bias is not None:
        return None
    original = module.forward

    def forward(x: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        if module.disable_adapters or module.merged or args or kwargs:
            other: torch.Tensor = original(x, *args, **kwargs)
            return other
        with torch.autocast(x.device.type, enabled=False):
            flat = x.reshape(-1, x.shape[-1]).to(base.weight.dtype)
            out = _AdaptedLinear.apply(flat, base.weight, base.bias, down.weight, up.weight, scale)  # type: ignore[no-untyped-call]
        shaped: torch.Tensor = out.view(*x.shape[:-1], -1)
        return shaped

    return forward


def _norm_forward(module: Any) -> Callable[..., torch.Tensor] | None:
    if not type(module).__name__.endswith("RMSNorm") or not hasattr(module, "variance_epsilon"):
        return None
    if module.weight.requires_grad:
        return None

    def forward(hidden_states: torch.Tensor) -> torch.Tensor:
        with torch.autocast(hidden_states.device.type, enabled=False):
            flat = hidden_states.to(module.weight.dtype)
            out: torch.Tensor = rms_norm(flat, (flat.shape[-1],), module.weight, module.variance_epsilon)
        return out

    return forward
