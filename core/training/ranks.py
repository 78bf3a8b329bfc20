"""What the ranks of a run do together: agree with rank 0, and add up gradients and losses. Imports torch.

Every rank draws the same rows, computes its share of them, adds its gradients to those of the others and makes the same
update, so that all have the same adapter. One rank alone does none of this and pays nothing.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar

import msgspec
import torch
import torch.distributed as distributed
from torch.distributed import PrefixStore, TCPStore  # type: ignore[attr-defined]

from core.base.errors import RunError
from core.training.rank_place import LOOPBACK, RankPlace

T = TypeVar("T")
_PATIENCE = timedelta(hours=12)  # rank 0 may read a large source first; a rank that dies is seen in another way
_INLINE = 1024  # bytes of a message that travel with its length


class RanksLost(RunError):
    """Another rank is gone, or no longer answers."""


class Ranks:
    """The ranks of a run, as one of them sees them, once all have come. device: of this rank's model."""

    def __init__(self, place: RankPlace | None = None, device: str = "cpu") -> None:
        place = place or RankPlace()
        self.rank, self.count = place.rank, place.count
        self.first = self.rank == 0
        """Whether this is the one that writes the run's folder and hears requests."""
        self._device = torch.device(device)
        self._flat: dict[torch.dtype, torch.Tensor] = {}

    def close(self) -> None:
        """Wait for the others, and leave."""
        if self.count > 1:
            self.add_up(torch.zeros(1))
            distributed.destroy_process_group()

    def from_first(self, value: T, kind: type[T]) -> T:
        """The value that rank 0 has. kind: what it is, for msgspec, which writes it as JSON."""
        if self.count == 1:
            return value
        content = msgspec.json.encode(value) if self.first else b""
        head = torch.zeros(8 + _INLINE, dtype=torch.uint8)
        if self.first:
            head[:8] = torch.frombuffer(bytearray(len(content).to_bytes(8, "little")), dtype=torch.uint8)
            if 0 < len(content) <= _INLINE:
                head[8 : 8 + len(content)] = torch.frombuffer(bytearray(content), dtype=torch.uint8)
        with _lost():
            distributed.broadcast(head, 0)
            if self.first:
                if len(content) > _INLINE:
                    distributed.broadcast(torch.frombuffer(bytearray(content), dtype=torch.uint8), 0)
                return value
            size = int.from_bytes(bytes(head[:8].tolist()), "little")
            rest = head[8 : 8 + size]
            if size > _INLINE:
                rest = torch.zeros(size, dtype=torch.uint8)
                distributed.broadcast(rest, 0)
        return msgspec.json.decode(bytes(rest.tolist()), type=kind)

    def gather_bytes(self, content: bytes) -> list[bytes]:
        """What each rank has, by its number; the same on every rank."""
        if self.count == 1:
            return [content]
        sizes = [torch.zeros(1, dtype=torch.int64) for _ in range(self.count)]
        with _lost():
            distributed.all_gather(sizes, torch.tensor([len(content)]))
            longest = max(int(size) for size in sizes)
            padded = torch.frombuffer(bytearray(content.ljust(longest, b"\0")), dtype=torch.uint8)
            parts = [torch.zeros(longest, dtype=torch.uint8) for _ in range(self.count)]
            distributed.all_gather(parts, padded)
        return [part.numpy().tobytes()[: int(size)] for part, size in zip(parts, sizes, strict=True)]

    def add_up(self, tensor: torch.Tensor) -> None:
        """Replace `tensor` by its sum over all ranks."""
        if self.count > 1:
            with _lost():
                distributed.all_reduce(tensor)

    def add_gradients(self, parameters: Sequence[torch.Tensor]) -> None:
        """Replace the gradients of `parameters` by their sums over all ranks. A missing one counts as zero."""
        if self.count == 1:
            return
        for dtype in sorted({parameter.dtype for parameter in parameters}, key=str):
            some = [parameter for parameter in parameters if parameter.dtype == dtype]
            for parameter in some:
                if parameter.grad is None:
                    parameter.grad = torch.zeros_like(parameter)
            gradients = [parameter.grad for parameter in some if parameter.grad is not None]
            size = sum(gradient.numel() for gradient in gradients)
            flat = self._flat.get(dtype)
            if flat is None or len(flat) != size:
                flat = self._flat[dtype] = torch.empty(size, dtype=dtype, device=self._device)
            parts = [
                part.view_as(gradient)
                for part, gradient in zip(
                    torch.split(flat, [gradient.numel() for gradient in gradients]), gradients, strict=True
                )
            ]
            torch._foreach_copy_(parts, gradients)
            self.add_up(flat)
            torch._foreach_copy_(gradients, parts)


def join_ranks(place: RankPlace, device: str, listening: socket.socket | None) -> Ranks:
    """Wait for the other ranks and meet them. listening: the socket at which rank 0 is already found; it opens its own
    where None. Raises RanksLost."""
    if place.count == 1:
        return Ranks(place, device)
    if place.address == LOOPBACK and sys.platform == "linux":
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    with _lost():
        store = TCPStore(
            place.address,
            place.port,
            place.count,
            place.listens,
            timeout=_PATIENCE,
            wait_for_workers=False,
            master_listen_fd=None if listening is None else listening.detach(),
        )
        on_cuda = device.startswith("cuda")
        distributed.init_process_group(
            "cpu:gloo,cuda:nccl" if on_cuda else "gloo",
            store=PrefixStore("suiron", store),
            rank=place.rank,
            world_size=place.count,
            timeout=_PATIENCE,
        )
        ranks = Ranks(place, device)
        first = ranks.from_first(torch.device(device).type, str)
    if first != torch.device(device).type:
        what = f"rank {place.rank} has {torch.device(device).type}, but rank 0 has {first}"
        raise RunError(what, socket.gethostname(), "Use as many GPUs as there are, or none")
    return ranks


@contextmanager
def _lost() -> Iterator[None]:
    try:
        yield
    except (RuntimeError, OSError) as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        what = f"another rank of the run is gone ({lines[0][:200]})"
        raise RanksLost(what, socket.gethostname(), "Look at what the ranks have printed, then resume it") from error
