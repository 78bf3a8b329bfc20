"""The form in which a base model is loaded, and the base model that an adapter was trained on. Light: no torch."""

from __future__ import annotations

import msgspec


class LoadForm(msgspec.Struct, frozen=True, kw_only=True):
    """How the weights of a base model are brought into memory. Two forms of one model give different answers, so they
    are two models to whoever keeps answers or caches."""

    four_bit: bool = True
    """Whether the weights are NF4 on CUDA. Elsewhere this has no effect."""
    dtype: str = "auto"
    """The number format of weights that are not quantised (`bfloat16`); `auto`: see `backend.dtype_name`."""
    trust_remote_code: bool = False
    """Whether the model author's own code may run."""

    @property
    def key(self) -> str:
        """The form as a word, equal where the loaded weights are."""
        return f"{'nf4' if self.four_bit else '16-bit'}-{self.dtype}"


OWN_FORM = LoadForm()
"""The form of a base model that is asked alone."""


class TrainedBase(msgspec.Struct, frozen=True):
    """The base model that an adapter was trained on, as the training recorded it."""

    name: str
    """Its name, as the specification of the run has it."""
    fingerprint: str
    """See `fingerprint.model_fingerprint`."""
