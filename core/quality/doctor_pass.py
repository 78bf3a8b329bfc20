"""The first pass of the doctor: checks every row by itself and computes its signature, in one or more processes.

Each process takes a share of the blocks. A helper process runs this module (`core.base.child`); it answers with the
result of its share as bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import msgspec

from core.base.child import Child, ChildDied
from core.base.child_main import ReportProgress, answer_parent
from core.base.cpu_cores import available_cores
from core.base.errors import SuironError
from core.base.row import is_blank
from core.examples.lengths import RowLengths
from core.quality.check_interface import CheckContext
from core.quality.findings import Findings
from core.quality.quality_request import QualityOptions, QualityRequest
from core.quality.registry import ROW_CHECKS
from core.quality.row_blocks import read_blocks
from core.quality.row_signatures import RowSignatures
from core.tokens.tokenizer import TextTokenizer

_MANY = 30_000  # rows; from here on a second process is worth its start
_MOST = 4  # processes; each needs some hundred MB
_HEADROOM = 1 << 20  # bytes of a dumped result besides its signatures, mostly
_Dumped = tuple[dict[str, tuple[bytes, bytes, bytes]], tuple[list[str], dict[str, memoryview]], int, int]


class PassResult(msgspec.Struct):
    """The result of the first pass over some of the rows."""

    findings: Findings
    """The findings of the row checks."""
    signatures: RowSignatures
    """The signatures for comparing rows with each other."""
    done: int = 0
    """Rows that were checked."""
    reasoned: int = 0
    """Checked rows that have reasoning."""

    def dump(self) -> bytearray:
        """For another process; `add` reads it. Call it once: the signatures are not kept."""
        findings, (flags, columns) = self.findings.dump(), self.signatures.dump()
        # as long as what is put into it, so that it is not copied while it grows
        dumped = bytearray(sum(map(len, columns.values())) + _HEADROOM)
        msgspec.msgpack.Encoder().encode_into((findings, (flags, columns), self.done, self.reasoned), dumped)
        return dumped

    def add(self, dumped: bytes | bytearray) -> None:
        findings, signatures, done, reasoned = msgspec.msgpack.decode(dumped, type=_Dumped)
        self.findings.add_dumped(findings)
        self.signatures.add_dumped(signatures)
        self.done += done
        self.reasoned += reasoned


def check_blocks(
    data: Any,
    options: QualityOptions,
    tokenizer: TextTokenizer | None,
    report_progress: ReportProgress,
    part: int = 0,
    parts: int = 1,
) -> PassResult:
    """Checks every `parts`-th block of `data`, an open DataSet, from block `part` on. Raises UsageError for a template
    that does not exist."""
    result = PassResult(Findings(), RowSignatures())
    context = CheckContext(options, tokenizer, RowLengths(data.source, options.prompt, tokenizer))
    checks = [check_block for check in ROW_CHECKS if (check_block := check.prepare(context)) is not None]
    for block in read_blocks(data, part, parts):
        for check_block in checks:
            check_block(block, result.findings)
        result.signatures.add_block(block)
        result.reasoned += sum(not is_blank(text) for text in block["reasoning"])
        result.done += len(block)
        report_progress("checking rows", min(result.done * parts, len(data)), len(data))
    return result


def check_all_blocks(
    data: Any, options: QualityOptions, tokenizer: TextTokenizer | None, report_progress: ReportProgress
) -> PassResult:
    """Checks all blocks of `data`, in several processes where there are many rows. Raises SuironError where a helper
    process fails."""
    parts = min(available_cores(), _MOST) if len(data) >= _MANY else 1
    if parts == 1:
        return check_blocks(data, options, tokenizer, report_progress)
    with _helpers(data, options, parts) as results:
        result = check_blocks(data, options, tokenizer, report_progress, 0, parts)
        for dumped in results:
            result.add(dumped)
    return result


@contextmanager
def _helpers(data: Any, options: QualityOptions, parts: int) -> Iterator[Iterator[bytearray]]:
    """Starts a helper for each part except the first; yields an iterator that waits for their results. They end with
    this block, and with this process."""
    request = msgspec.to_builtins(QualityRequest("doctor", data.source, data.split, options, ""))
    with ExitStack() as stack:
        helpers = []
        for part in range(1, parts):
            child = Child("core.quality.doctor_pass", {"request": request, "part": part, "parts": parts})
            helpers.append(stack.enter_context(child))

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


def main(message: dict[str, Any], _: ReportProgress) -> bytearray:
    """The helper's work: the dumped result for its share of the blocks."""
    from core.examples.run_rows import open_rows
    from core.quality import model_tokenizer

    request = msgspec.convert(message["request"], QualityRequest)
    tokenizer, _reason = model_tokenizer.load_model_tokenizer(request.options.model)
    data = open_rows(request.data)
    part, parts = message["part"], message["parts"]
    result = check_blocks(data, request.options, tokenizer, lambda words, done, total: None, part, parts)
    return result.dump()


if __name__ == "__main__":
    answer_parent(main)
