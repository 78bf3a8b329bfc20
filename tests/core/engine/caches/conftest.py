"""The models of the steps' tests."""

from tests.core.engine.steps.conftest import exact_llama, hybrid, llama, make_model, sliding

__all__ = ["exact_llama", "hybrid", "llama", "make_model", "sliding"]
