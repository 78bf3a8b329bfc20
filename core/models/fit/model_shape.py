"""The shape of a model as far as its memory depends on it: its matrices, its widths, its vocabulary."""

from __future__ import annotations

import msgspec


class Matrix(msgspec.Struct, frozen=True):
    """A linear layer that occurs in many layers of a model, or one expert of several."""

    name: str
    """The module's name, as an adapter's target (`q_proj`)."""
    outputs: int
    """Its outputs: the rows of its weight."""
    inputs: int
    """Its inputs: the columns of its weight."""
    count: int
    """How often the model has it."""
    stored_bytes: int = 0
    """Bytes of all of them where the file holds them already quantised; 0 where it does not."""
    is_expert: bool = False
    """Whether it belongs to one of several experts, which are not quantised in the loader where they are one tensor."""

    @property
    def elements(self) -> int:
        """Weights of all of them."""
        return self.outputs * self.inputs * self.count


class ModelShape(msgspec.Struct, frozen=True, kw_only=True):
    """What the memory of a training depends on, of the model."""

    family: str
    """The architecture, as config.json names it (`qwen2`); `?` where it does not."""
    hidden: int
    """Width of the hidden states."""
    inner: int
    """Width inside the MLP, of all experts that one token passes."""
    query: int
    """Width of all query heads."""
    narrow: int
    """Width of all key heads, and of all value heads."""
    heads: int
    """Query heads."""
    layers: int
    """Layers."""
    vocabulary: int
    """Entries of the vocabulary."""
    matrices: tuple[Matrix, ...]
    """The linear layers of all layers."""
    embedding: int
    """Weights of the embeddings."""
    head: int
    """Weights of the head; 0 where it is tied to the embeddings."""
    others: int
    """Weights of norms, biases, and of all else that is never quantised."""
    is_exact: bool
    """Whether the counts are those of the files' headers and not of config.json alone."""
    is_known: bool
    """Whether the architecture is one whose shapes are known; if not, they are those of a usual one."""

    @property
    def parameters(self) -> int:
        """All weights."""
        return sum(matrix.elements for matrix in self.matrices) + self.embedding + self.head + self.others

    @property
    def largest(self) -> int:
        """Weights of the largest linear layer."""
        return max((matrix.outputs * matrix.inputs for matrix in self.matrices), default=0)
