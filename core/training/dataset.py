"""From rows to token ids: which rows are trained on, as what, and what was left out. Knows nothing of models or trainers."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

import msgspec

from core.errors import DataError, RunError
from core.prompts.encoding import IGNORED, EncodedRow, encode_many, encode_row, fits
from core.prompts.mixture import MixtureCounts, Why, choose, count
from core.prompts.templates import Template, get_template
from core.prompts.tokenizer import TextTokenizer
from core.row import Row
from core.runs.spec import RunSpec

_NAMED = 10  # row numbers given as examples in facts


class Source(Protocol):
    """What this room needs of an open data set."""

    columns: tuple[str, ...]

    def batches(self, flag: str = "") -> Iterator[list[Row]]: ...


class Prepared(msgspec.Struct, frozen=True):
    """The rows to train on, in the source's order, and what became of the others.

    ids, labels: one array of 32-bit numbers a row, as `EncodedRow` has them; lists of Python numbers would take ten times the memory.
    """

    ids: list[array[int]]
    labels: list[array[int]]
    mixture: MixtureCounts
    too_long: list[int]
    unreadable: list[tuple[int, str]]

    @property
    def trained_tokens(self) -> int:
        """Tokens per pass over the data that have a label."""
        return sum(len(row) - row.count(IGNORED) for row in self.labels)

    @property
    def longest(self) -> int:
        return max(map(len, self.ids))

    def facts(self) -> dict[str, object]:
        """As they stand in the run's status; row numbers count from 0."""
        return {
            "rows_trained": len(self.ids),
            "rows_left_out_too_long": len(self.too_long),
            "rows_too_long": self.too_long[:_NAMED],
            "rows_left_out_unreadable": len(self.unreadable),
            "rows_unreadable": [{"row": index, "why": why} for index, why in self.unreadable[:_NAMED]],
            "rows_empty_reasoning": self.mixture.without_reasoning,
            "rows_vanilla": self.mixture.vanilla,
            "rows_reasoning": self.mixture.reasoning,
            "tokens_per_epoch": sum(map(len, self.ids)),
            "trained_tokens_per_epoch": self.trained_tokens,
            "longest_row_tokens": self.longest,
            "last_token_is_eos": True,  # `prepare` raises otherwise
        }


def prepare(source: Source, spec: RunSpec, tokenizer: TextTokenizer, progress: Callable[[int], None] = lambda rows: None) -> Prepared:
    """Encode the rows of `source` that the run trains on: those whose sysflag is `data.train_flag`, and no others.

    A row longer than `prompt.max_seq_length` tokens, or one that cannot be encoded, is left out and named; none is ever cut.
    The mixture counts what is trained. `progress` hears how many rows are done. Raises RunError where no row is left, and where a test row or a text
    without its end got through.
    """
    prompt, flag = spec.prompt, spec.data.train_flag if "sysflag" in source.columns else ""
    vanilla, reasoning = get_template(prompt.vanilla), get_template(prompt.reasoning)
    ids: list[array[int]] = []
    labels: list[array[int]] = []
    whys: list[Why] = []
    too_long: list[int] = []
    unreadable: list[tuple[int, str]] = []
    for rows in source.batches(flag):
        if flag and any(row.sysflag != flag for row in rows):
            raise RunError(
                f"a row that is not flagged {flag!r} was about to be trained on", spec.data.source, "Report this: the row filter is at fault"
            )
        chosen = [choose(row, prompt.vanilla_share, prompt.seed, vanilla, reasoning) for row in rows]
        encoded = _encode(zip(rows, (template for template, _ in chosen), strict=True), tokenizer, spec)
        for row, (_, why), result in zip(rows, chosen, encoded, strict=True):
            if isinstance(result, DataError):
                unreadable.append((row.index, result.what))
            elif not fits(result, prompt.max_seq_length):
                too_long.append(row.index)
            else:
                _check_end(result, row, tokenizer)
                ids.append(array("i", result.ids))
                labels.append(array("i", result.labels))
                whys.append(why)
        progress(len(ids) + len(too_long) + len(unreadable))
    if not ids:
        raise _nothing_left(spec, flag, too_long, unreadable)
    return Prepared(ids, labels, count(whys), too_long, unreadable)


def _encode(pairs: Iterable[tuple[Row, Template]], tokenizer: TextTokenizer, spec: RunSpec) -> list[EncodedRow | DataError]:
    """All at once; where one of them cannot be encoded, one by one, so that it alone is left out."""
    batch = list(pairs)
    loss_on, drop = spec.prompt.loss_on, spec.prompt.drop_empty_input
    try:
        return list(encode_many(batch, tokenizer, loss_on=loss_on, drop_empty_input=drop))
    except DataError:
        results: list[EncodedRow | DataError] = []
        for row, template in batch:
            try:
                results.append(encode_row(row, template, tokenizer, loss_on=loss_on, drop_empty_input=drop))
            except DataError as error:
                results.append(error)
        return results


def _check_end(encoded: EncodedRow, row: Row, tokenizer: TextTokenizer) -> None:
    """What a model must learn above all is where to stop."""
    if encoded.ids[-1] != tokenizer.eos_id or encoded.labels[-1] != tokenizer.eos_id:
        raise RunError("the last trained token is not the end of sequence", f"row {row.index}", "Report this: the encoder is at fault")


def _nothing_left(spec: RunSpec, flag: str, too_long: list[int], unreadable: list[tuple[int, str]]) -> RunError:
    if too_long:
        what = f"no row is left to train on: {len(too_long)} are longer than {spec.prompt.max_seq_length} tokens"
        return RunError(what, spec.data.source, "Raise prompt.max_seq_length")
    if unreadable:
        index, why = unreadable[0]
        return RunError(
            f"no row is left to train on: {len(unreadable)} cannot be encoded, the first (row {index}) because {why}", spec.data.source, "Mend them"
        )
    if flag:
        return RunError(f"no row has the sysflag {flag!r}", spec.data.source, "Change data.train_flag, or leave it empty to train on all rows")
    return RunError("there are no rows to train on", spec.data.source, "Name a source with rows")
