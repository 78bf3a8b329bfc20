"""The first pass of the doctor: every row by itself, and its signature. Done by one process, or by several that each
take a share of the blocks.

A helper process is this module, run by name (`core.base.child`); it answers with its share as bytes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import msgspec

from core.base.child import Child, ChildDied
from core.base.child_main import ReportProgress, answer_parent
from core.base.errors import SuironError
from core.examples.lengths import Trained
from core.quality.blocks import blocks
from core.quality.checks import CHECKS
from core.quality.findings import Findings
from core.quality.marks import Marks
from core.quality.mismatches import check_languages
from core.quality.overlong import Overlong
from core.quality.request import Options, Request
from core.quality.signatures import Signatures
from core.tokens.tokenizer import TextTokenizer

Tell = Callable[[str, int, int], None]
_MANY = 30_000  # rows from which on a second process pays for its start
_MOST = 4  # processes; each has some hundred MB


class Swept(msgspec.Struct):
    """findings and signatures of `done` rows, of which `reasoned` have reasoning."""

    findings: Findings
    signatures: Signatures
    done: int = 0
    reasoned: int = 0

    def dump(self) -> bytes:
        return msgspec.msgpack.encode((self.findings.dump(), self.signatures.dump(), self.done, self.reasoned))

    def add(self, dumped: bytes | bytearray) -> None:
        findings, signatures, done, reasoned = msgspec.msgpack.decode(dumped)
        self.findings.add_dumped(findings)
        self.signatures.add_dumped(signatures)
        self.done += done
        self.reasoned += reasoned


def sweep(
    data: Any, options: Options, tokenizer: TextTokenizer | None, tell: Tell, part: int = 0, parts: int = 1
) -> Swept:
    """Checks every `parts`-th block of `data`, an open DataSet, from the block `part` on. `tell` hears of rows."""
    swept = Swept(Findings(), Signatures())
    trained = Trained(data.source, options, tokenizer)
    checks = [*CHECKS, check_languages, Marks(trained.markers, tokenizer).check]
    if tokenizer is not None and options.max_length:
        checks.append(Overlong(tokenizer, trained, options.max_length).check)
    for block in blocks(data, part, parts):
        for check in checks:
            check(block, swept.findings)
        swept.signatures.take(block)
        swept.reasoned += sum(bool(text) and not text.isspace() for text in block["reasoning"])
        swept.done += len(block)
        tell("checking rows", min(swept.done * parts, len(data)), len(data))
    return swept


def sweep_by_several(data: Any, options: Options, tokenizer: TextTokenizer | None, tell: Tell) -> Swept:
    """The same of all blocks, on as many cores as there are where the rows are many. Raises SuironError where a helper
    fails."""
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
def _helpers(data: Any, options: Options, parts: int) -> Iterator[Iterator[bytearray]]:
    """Starts a helper for each part but the first; the iterator that it yields waits for their results. They end with
    this block, and with this process."""
    request = Request("doctor", data.source, data.split, options, "")
    with ExitStack() as stack:
        helpers = [
            stack.enter_context(
                Child(
                    "core.quality.sweep", {"request": msgspec.to_builtins(request), "part": part, "parts": parts}
                )
            )
            for part in range(1, parts)
        ]

        def results() -> Iterator[bytearray]:
            for helper in helpers:
                try:
                    yield helper.answer()
                except ChildDied as death:
                    work, do = "a helper process that checks rows", "Report this: the program is at fault"
                    raise death.explain(SuironError, work, data.source, do) from None

        try:
            yield results()
        finally:
            for helper in helpers:
                helper.kill()  # all at once; they have nothing to clean up


def main(asked: dict[str, Any], _: ReportProgress) -> bytes:
    """The helper's work: the share of the blocks that begins with the block `part`, dumped."""
    from core.examples.run_rows import open_rows
    from core.quality import tokens

    request = msgspec.convert(asked["request"], Request)
    tokenizer, _reason = tokens.load(request.options.model)
    data = open_rows(request.data)
    return sweep(
        data, request.options, tokenizer, lambda words, done, total: None, asked["part"], asked["parts"]
    ).dump()


if __name__ == "__main__":
    answer_parent(main)
