"""From rows to token ids: which rows are trained on, as what, and what was left out. Knows nothing of models or
trainers."""

from __future__ import annotations

from collections.abc import Callable

from core.base.errors import RunError
from core.examples.build import Preparation, Source
from core.examples.checks import Report
from core.examples.encoded_store import Store
from core.examples.training_set import Prepared
from core.runs.spec import RunSpec
from core.tokens.tokenizer import TextTokenizer

__all__ = ["Preparation", "Prepared", "Source", "examine", "prepare"]


def prepare(
    source: Source,
    spec: RunSpec,
    tokenizer: TextTokenizer,
    progress: Callable[[int], None] = lambda rows: None,
    store: Store | None = None,
) -> Prepared:
    """Encode the rows of `source` that the run trains on: those whose sysflag is `data.train_flag`, and no others; and
    check them.

    A row that cannot be encoded, that no template of the mixture is for, or that is longer than `prompt.max_seq_length`
    tokens where the run does not say to cut it, is left out and named. `progress` hears how many rows are done. Raises
    RunError where no row is left, and where a check fails.
    """
    prepared, report, work = examine(source, spec, tokenizer, progress, store)
    if faults := report.faults():
        what = faults[0] + (
            f" (and {len(faults) - 1} more: see `python -m core prompts check`)" if len(faults) > 1 else ""
        )
        leaks_alone = report.leaks and len(faults) == 1
        do = (
            "Take those rows out of one of the two, or change their sysflag"
            if leaks_alone
            else "Change the template or prompt.too_long"
        )
        raise RunError(f"training does not start: {what}", spec.data.source, do)
    if prepared is None:
        raise work.nothing_left()
    return prepared


def examine(
    source: Source,
    spec: RunSpec,
    tokenizer: TextTokenizer,
    progress: Callable[[int], None] = lambda rows: None,
    store: Store | None = None,
) -> tuple[Prepared | None, Report, Preparation]:
    """`prepare`, but with what the checks found instead of an error. None for the rows where none is left."""
    work = Preparation(source, spec, tokenizer, Store(tokenizer) if store is None else store)
    prepared = work.run(source, progress)
    return prepared, work.checker.report, work
