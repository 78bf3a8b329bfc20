"""Runs of several ranks whose processes are forks, each told its place as `torchrun` would tell it."""

from __future__ import annotations

import signal
import socket
from pathlib import Path
from typing import Any

from core.runs.spec import RunSpec
from tests.support.run_forks import ForkedRun, ForkServer


class RankedRun(ForkedRun):
    """A run and its ranks."""

    def __init__(self, server: ForkServer, folder: Path, spec: RunSpec, count: int = 2) -> None:
        super().__init__(server, folder, spec)
        self.count, self.others = count, list[int]()

    def start(self, *options: str, **faults: Any) -> None:
        """faults: what each rank suffers; those of one rank under `rank_0`, `rank_1`."""
        of_one = {name: faults.pop(name) for name in list(faults) if name.startswith("rank_")}
        with socket.create_server(("127.0.0.1", 0)) as found:
            port = found.getsockname()[1]
        processes = []
        for rank in range(self.count):
            variables = {
                "TORCHELASTIC_RUN_ID": "test",
                "RANK": str(rank),
                "LOCAL_RANK": str(rank),
                "WORLD_SIZE": str(self.count),
                "LOCAL_WORLD_SIZE": str(self.count),
                "MASTER_ADDR": "127.0.0.1",
                "MASTER_PORT": str(port),
            }
            mine = {**faults, **of_one.get(f"rank_{rank}", {})}
            processes.append(self.server.start(self.run, *options, variables=variables, **mine))
        self.process, *self.others = processes

    def end(self) -> int:
        code = super().end()
        self.codes = [code, *(self.server.wait(process) for process in self.others)]
        return code

    def signal_all(self, number: int = signal.SIGTERM) -> None:
        import os

        for process in (self.process, *self.others):
            os.kill(process, number)
