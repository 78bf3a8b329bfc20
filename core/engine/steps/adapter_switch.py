"""Switches a model between its loaded adapters and the base model, at the price of a comparison where nothing changes.

PEFT's layers carry the choice as flags, so one forward pass is one adapter's: rows of several take turns, except on the
fused path.
"""

from __future__ import annotations

from typing import Any

AS_IT_IS = ""
"""Stands for the adapter that is active in the model, whichever it is."""


class AdapterSwitch:
    """The adapters in one model's layers. Make it anew when an adapter was loaded or removed."""

    def __init__(self, model: Any) -> None:
        """model: a model of Transformers, with or without layers of PEFT inside."""
        modules = model.modules() if hasattr(model, "modules") else ()
        self._layers = [module for module in modules if hasattr(module, "lora_A")]

    def use(self, adapter: str | None) -> None:
        """Make the adapter of this name answer; None: the base model."""
        if adapter == AS_IT_IS or not self._layers:
            return
        first = self._layers[0]
        if adapter is None:
            if not first.disable_adapters:
                for layer in self._layers:
                    layer.enable_adapters(False)
            return
        if first.disable_adapters:
            for layer in self._layers:
                layer.enable_adapters(True)
        if list(first.active_adapters) != [adapter]:
            for layer in self._layers:
                layer.set_adapter([adapter])
                layer.requires_grad_(False)
