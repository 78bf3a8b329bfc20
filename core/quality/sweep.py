"""The first pass of the doctor: checks every row by itself, and takes its signature. Runs in one process, or in several
that each take a share of the blocks.

A helper process is `python -m core.quality.sweep REQUEST PART PARTS FILE`; it writes its result into the file as bytes.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from core.base.child import environment
from core.base.errors import SuironError
from core.examples.lengths import Trained
from core.quality.check_interface import CheckContext
from core.quality.findings import Findings
from core.quality.registry import ROW_CHECKS
from core.quality.request import Options, Request
from core.quality.row_blocks import read_blocks
from core.quality.row_signatures import RowSignatures
from core.tokens.tokenizer import TextTokenizer

Tell = Callable[[str, int, int], None]
_MANY = 30_000  # rows from which on a second process pays for its start
_MOST = 4  # processes; each has some hundred MB


class Swept(msgspec.Struct):
    """What the first pass found in some of the rows."""

    findings: Findings
    """What the row checks found."""
    signatures: RowSignatures
    """What the rows are compared with each other by."""
    done: int = 0
    """Rows that were checked."""
    reasoned: int = 0
    """Those among them that have reasoning."""

    def dump(self) -> bytes:
        return msgspec.msgpack.encode((self.findings.dump(), self.signatures.dump(), self.done, self.reasoned))

    def add(self, dumped: bytes) -> None:
        findings, signatures, done, reasoned = msgspec.msgpack.decode(dumped)
        self.findings.add_dumped(findings)
        self.signatures.add_dumped(signatures)
        self.done += done
        self.reasoned += reasoned


def sweep(
    data: Any, options: Options, tokenizer: TextTokenizer | None, tell: Tell, part: int = 0, parts: int = 1
) -> Swept:
    """Checks every `parts`-th block of `data`, an open DataSet, from block `part` on. Raises UsageError for a template
    that does not exist."""
    swept = Swept(Findings(), RowSignatures())
    context = CheckContext(options, tokenizer, Trained(data.source, options, tokenizer))
    checks = [check_block for check in ROW_CHECKS if (check_block := check.prepare(context)) is not None]
    for block in read_blocks(data, part, parts):
        for check_block in checks:
            check_block(block, swept.findings)
        swept.signatures.add_block(block)
        swept.reasoned += sum(bool(text) and not text.isspace() for text in block["reasoning"])
        swept.done += len(block)
        tell("checking rows", min(swept.done * parts, len(data)), len(data))
    return swept


def sweep_by_several(data: Any, options: Options, tokenizer: TextTokenizer | None, tell: Tell) -> Swept:
    """Checks all blocks of `data`, in several processes where the rows are many. Raises SuironError where a helper
    process fails."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    parts = min(cores, _MOST) if len(data) >= _MANY else 1
    if parts == 1:
        return sweep(data, options, tokenizer, tell)
    with _helpers(data, options, parts) as results:
        swept = sweep(data, options, tokenizer, tell, 0, parts)
        for dumped in results:
            swept.add(dumped)
    return swept


@contextmanager
def _helpers(data: Any, options: Options, parts: int) -> Iterator[Iterator[bytes]]:
    """Starts a helper for each part but the first; what it yields waits for their results. They end with this block,
    and with this process."""
    with tempfile.TemporaryDirectory(prefix="suiron-doctor-") as folder:
        request = Request("doctor", data.source, data.split, options, folder).dump()
        files = [Path(folder) / str(part) for part in range(1, parts)]
        running = [
            subprocess.Popen(
                [sys.executable, "-P", "-m", "core.quality.sweep", request, str(part), str(parts), str(file)],
                env=environment(), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )
            for part, file in enumerate(files, 1)
        ]  # fmt: skip

        def results() -> Iterator[bytes]:
            for helper, file in zip(running, files, strict=True):
                if helper.wait() != 0:
                    what = f"a helper process that checks rows ended with status {helper.returncode}"
                    raise SuironError(what, data.source, "Free some memory and try again")
                yield file.read_bytes()
                file.unlink()

        try:
            yield results()
        finally:
            for helper in running:
                helper.kill()
                helper.wait()
                if helper.stdin is not None:
                    helper.stdin.close()


def main(text: str, part: str, parts: str, file: str) -> int:
    from core.examples.run_rows import open_rows
    from core.quality import tokens
    from core.quality.orphan import end_with_parent

    end_with_parent()
    request = Request.load(text)
    tokenizer, _ = tokens.load(request.options.model)
    swept = sweep(
        open_rows(request.data), request.options, tokenizer, lambda words, done, total: None, int(part), int(parts)
    )
    Path(file).write_bytes(swept.dump())
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
