"""Reads the tensors of a model folder by rows, as float32, without mapping or loading whole files."""

from __future__ import annotations

import math
import os
import struct
from pathlib import Path

import numpy as np

from core.base.errors import ModelError
from core.base.safe_text import safe_line
from core.models.export.number_formats import FLOAT_BYTES, Array, to_float32
from core.models.weights import TensorHeader, read_header, weight_files

_AGAIN = "Copy or download the file again"


class StoredTensors:
    """The tensors of safetensors files, by name. A context manager: its end closes the files. Threads may read at the
    same time. Raises ModelError where a file cannot be read."""

    def __init__(self, paths: list[Path]) -> None:
        self.headers: dict[str, TensorHeader] = {}
        """The tensors, in the order of the files."""
        self._places: dict[str, tuple[int, int, Path]] = {}  # descriptor, offset in the file
        self._descriptors: list[int] = []
        for path in paths:
            headers = read_header(path)
            descriptor = os.open(path, os.O_RDONLY)
            self._descriptors.append(descriptor)
            begin = 8 + struct.unpack("<Q", os.pread(descriptor, 8, 0))[0]
            for name, header in headers.items():
                self._places[name] = (descriptor, begin + header.data_offsets[0], path)
            self.headers.update(headers)

    def __enter__(self) -> StoredTensors:
        return self

    def __exit__(self, *_: object) -> None:
        for descriptor in self._descriptors:
            os.close(descriptor)
        self._descriptors = []

    def read_bytes(self, name: str, start: int, count: int) -> bytes:
        """`count` bytes of a tensor from its byte `start` on."""
        descriptor, offset, path = self._places[name]
        pieces: list[bytes] = []
        done = 0
        while done < count:
            piece = os.pread(descriptor, count - done, offset + start + done)
            if not piece:
                raise ModelError(f"the file ends inside {safe_line(name, 80)}", str(path), _AGAIN)
            pieces.append(piece)
            done += len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def rows(self, name: str, start: int, stop: int) -> Array:
        """The rows `start` to `stop` of a tensor as float32, shape (rows, ...); all of a vector's elements are its
        rows. The tensor must have a `FloatFormat`."""
        header = self.headers[name]
        width = math.prod(header.shape[1:]) if header.shape else 1
        size = FLOAT_BYTES[header.dtype] * width
        values = to_float32(self.read_bytes(name, start * size, (stop - start) * size), header.dtype)
        return values.reshape(stop - start, *header.shape[1:])

    def whole(self, name: str) -> Array:
        """A whole tensor as float32."""
        shape = self.headers[name].shape
        return self.rows(name, 0, shape[0] if shape else 1).reshape(shape)


def open_model_tensors(folder: Path, *, packed: bool = False) -> StoredTensors:
    """The tensors of the model in `folder`. packed: also those that are not plain floating point numbers, of which only
    the headers can be used. Raises ModelError where there are none, or they are packed and may not be."""
    tensors = StoredTensors(weight_files(folder))
    if packed:
        return tensors
    other = next((name for name, header in tensors.headers.items() if header.dtype not in FLOAT_BYTES), None)
    if other is not None:
        dtype = tensors.headers[other].dtype
        tensors.__exit__()
        what = f"the weights are packed: {safe_line(other, 80)} has the type {dtype}"
        do = "Train on, or name, the model's 16-bit weights: packed ones cannot be merged"
        raise ModelError(what, str(folder), do)
    return tensors


def largest_tensor_bytes(headers: dict[str, TensorHeader]) -> int:
    """Bytes of the largest tensor, as it is stored."""
    return max((header.data_offsets[1] - header.data_offsets[0] for header in headers.values()), default=0)


def total_weights(headers: dict[str, TensorHeader]) -> int:
    """How many weights there are in all."""
    return int(np.sum([header.elements for header in headers.values()], dtype=np.int64))
