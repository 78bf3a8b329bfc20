"""An optimizer step whose passes are recorded once a shape as CUDA graphs, forward and backward, and replayed: short
rows take as long as their arithmetic instead of the time to start thousands of kernels. Imports torch.

The gradients stay where they are, so that the recorded passes add to them. Without CUDA the same passes run unrecorded.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch

from core.training.loss import SECTION_COUNT
from core.training.packed_model import PackedModel, PassLosses, PassTensors
from core.training.packed_rows import PackedRows, split_passes
from core.training.packed_step import PackedStep
from core.training.pass_shapes import FilledPass, PassShape, ShapeGrid, fill_pass

_MOST_RECORDINGS = 24
_WARM_UPS = 2


class CapturedStep:
    """Replays recorded passes. otherwise: runs passes that no recording fits. parameters: those that are trained. tell:
    gets why recording failed, as a sentence."""

    failure = ""
    """Why recording failed, after which passes run as they come; empty where it did not."""

    def __init__(
        self,
        model: PackedModel,
        otherwise: PackedStep,
        parameters: list[torch.Tensor],
        grid: ShapeGrid,
        tell: Callable[[str], None],
    ) -> None:
        self._tell = tell
        self._model, self._otherwise, self._grid = model, otherwise, grid
        self._parameters = parameters
        self._gradients = [torch.zeros_like(parameter) for parameter in parameters]
        self._recordings: dict[PassShape, _RecordedPass] = {}
        self._pool: Any = torch.cuda.graph_pool_handle() if model.device.type == "cuda" else None

    def run(self, rows: PackedRows, divisor: float) -> Iterator[PassLosses]:
        """See `UpdateStep.run`. The gradients of before are dropped: they were used."""
        if self._parameters[0].grad is not self._gradients[0]:
            torch._foreach_zero_(self._gradients)
            for parameter, gradient in zip(self._parameters, self._gradients, strict=True):
                parameter.grad = gradient
        for part in split_passes(rows, self._otherwise.most_tokens):
            yield self._run_pass(part, divisor)

    def _run_pass(self, rows: PackedRows, divisor: float) -> PassLosses:
        shape = None if self.failure else self._grid.shape(rows)
        recording = self._recording(shape) if shape is not None else None
        if recording is not None:
            try:
                losses = recording.replay(fill_pass(rows, recording.shape, divisor, SECTION_COUNT))
                return losses._replace(tokens=rows.tokens)
            except RuntimeError as error:  # memory ran out, or an operation cannot be recorded
                if recording.recorded:
                    raise
                self.failure = f"{type(error).__name__}: {(str(error).strip().splitlines() or ['no message'])[0]}"
                self._recordings.clear()
                self._tell(f"steps are no longer captured: {self.failure}")
        return self._otherwise.run_pass(rows, divisor)

    def _recording(self, shape: PassShape) -> _RecordedPass | None:
        """The recording of this shape. Once there are many, the smallest one that is large enough; None without one."""
        if shape not in self._recordings and len(self._recordings) < _MOST_RECORDINGS:
            self._recordings[shape] = _RecordedPass(self._model, shape, self._pool)
        if shape in self._recordings:
            return self._recordings[shape]
        fitting = [key for key in self._recordings if key.tokens >= shape.tokens and key.trained >= shape.trained]
        return self._recordings[min(fitting)] if fitting else None


class _RecordedPass:
    """One shape's tensors, and its graph on CUDA. The first replay records."""

    def __init__(self, model: PackedModel, shape: PassShape, pool: Any) -> None:
        self._model, self.shape = model, shape
        self._sizes = [shape.tokens, shape.tokens, shape.trained, shape.trained, shape.trained, shape.rows + 1]
        self._integers = torch.zeros(sum(self._sizes), dtype=torch.int64, device=model.device)
        self._weights = torch.zeros(shape.trained, dtype=torch.float32, device=model.device)
        self._losses: PassLosses | None = None
        self._graph: Any = None
        self._pool = pool

    @property
    def recorded(self) -> bool:
        """Whether it is recorded already; always without CUDA."""
        return self._graph is not None or self._model.device.type != "cuda"

    def replay(self, filled: FilledPass) -> PassLosses:
        _copy(self._integers, filled.integers)
        if self._model.device.type != "cuda":
            _copy(self._weights, filled.weights)
            return self._compute(filled.lengths)
        if self._graph is None:
            self._record()
        _copy(self._weights, filled.weights)
        self._graph.replay()
        assert self._losses is not None  # noqa: S101 - set by the recording
        return PassLosses(self._losses.total.clone(), self._losses.by_section.clone())

    def _record(self) -> None:
        """Record the pass. The passes that warm up have weights of zero, so that they add nothing to the gradients."""
        self._weights.zero_()
        with _same_random_numbers():
            stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                for _ in range(_WARM_UPS):
                    self._compute([])
            torch.cuda.current_stream().wait_stream(stream)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
                self._losses = self._compute([])
        self._graph = graph

    def _compute(self, lengths: list[int]) -> PassLosses:
        ids, positions, sources, targets, sections, ends = torch.split(self._integers, self._sizes)
        tensors = PassTensors(
            ids[None], positions[None], sources, targets, sections, self._weights, ends.to(torch.int32)
        )
        losses = self._model.losses(tensors, lengths, self.shape.longest)
        losses.total.backward()  # type: ignore[no-untyped-call]
        return PassLosses(losses.total.detach(), losses.by_section)


@contextlib.contextmanager
def _same_random_numbers() -> Iterator[None]:
    """Random numbers drawn inside are drawn again after it."""
    with torch.random.fork_rng([torch.cuda.current_device()]):
        yield


def _copy(target: torch.Tensor, values: Any) -> None:
    source = torch.from_numpy(values)
    target.copy_(source.pin_memory() if target.is_cuda else source, non_blocking=True)
