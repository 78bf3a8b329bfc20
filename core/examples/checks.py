"""What must hold of every row before a model is trained on it, checked on the token ids themselves, a batch at a time,
by row numbers.

- A reasoning that is trained stands in the text that its ids say, within its own span, once (again only where another
  cell of the row says it too,
  or where it is so short that the template's own words may).
- The last token is the end of sequence and is learnt; only the policy that cuts the end may break this, and is counted
  for it.
- At least one token is learnt.
- No row that was held out stands in the training text: neither as the row it is, nor as a text that is trained.

Knows ids, spans and rows; neither templates nor where rows come from.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from core.base.row import Row
from core.tokens.segments import EOS, MARKER, OPENING, REASONING, RESPONSE
from core.tokens.truncation import ELLIPSIS

if TYPE_CHECKING:
    import numpy as np

    from core.tokens.spans import Ints
    from core.tokens.tokenizer import TextTokenizer

    Array = np.ndarray[Any, np.dtype[Any]]

NAMED = 20  # row numbers kept as examples
_SHORT = 64  # bytes of a reasoning that may be words of a template, before it or in the heading after it


class Found(msgspec.Struct):
    """How many rows, and the numbers of the first of them."""

    count: int = 0
    rows: list[int] = []

    def add(self, row: int) -> None:
        self.count += 1
        if len(self.rows) < NAMED:
            self.rows.append(row)

    def words(self) -> str:
        return f"{self.count:,} ({', '.join(map(str, self.rows[:5]))}{', …' if self.count > 5 else ''})"


class Leak(msgspec.Struct, frozen=True):
    """held_out: the number of a row that was held out; trained: of one that is trained and says the same; whole: all of
    the row is the same, not only the text that is trained."""

    held_out: int
    trained: int
    whole: bool


class Report(msgspec.Struct):
    """What was found. rows: how many were checked; reasonings: how many of them are trained with theirs."""

    rows: int = 0
    reasonings: int = 0
    reasoning_missing: Found = msgspec.field(default_factory=Found)
    reasoning_again: Found = msgspec.field(default_factory=Found)
    reasoning_changed: Found = msgspec.field(
        default_factory=Found
    )  # by the tokenizer itself, which cannot say it as written
    no_end: Found = msgspec.field(default_factory=Found)
    nothing_learnt: Found = msgspec.field(default_factory=Found)
    leaks: int = 0
    leaked: list[Leak] = []

    def faults(self) -> list[str]:
        """What forbids training, a sentence each."""
        found = []
        for here, words in (
            (self.reasoning_missing, "rows lose their reasoning in the trained text"),
            (self.reasoning_again, "rows say their reasoning more than once in the trained text"),
            (self.no_end, "rows do not end with a trained end of sequence"),
            (self.nothing_learnt, "rows have no trained token"),
        ):
            if here.count:
                found.append(f"{here.count:,} {words}: {here.words()}")
        if self.leaks:
            shown = ", ".join(f"{leak.held_out} as {leak.trained}" for leak in self.leaked[:5])
            found.append(
                f"{self.leaks:,} held-out rows are in the training text: {shown}{', …' if self.leaks > 5 else ''}"
            )
        return found


class Bytes:
    """The bytes that ids say, many rows at once; for tokenizers whose every token has bytes of its own."""

    def __init__(self, tokenizer: TextTokenizer) -> None:
        import numpy as np

        pieces = [tokenizer.token_bytes.data(id) or b"" for id in range(tokenizer.vocab_size)]
        self.lengths = np.fromiter(map(len, pieces), np.int64, len(pieces))
        self._starts = np.cumsum(self.lengths) - self.lengths
        self._blob = np.frombuffer(b"".join(pieces), np.uint8)

    def of(self, ids: Ints) -> tuple[bytes, Array]:
        """The bytes of all ids, joined, and where each one's begin; one more for the end."""
        import numpy as np

        lengths = self.lengths[ids]
        until = np.cumsum(lengths)
        places = np.arange(int(until[-1]) if len(until) else 0) + np.repeat(
            self._starts[ids] - (until - lengths), lengths
        )
        return self._blob[places].tobytes(), np.concatenate(([0], until))


class Checker:
    """One pass over the rows of a training set; `report` grows with every `check`. weights: of the six slots."""

    def __init__(self, tokenizer: TextTokenizer, weights: tuple[float, ...]) -> None:
        self.report = Report()
        self._tokenizer, self._weights = tokenizer, weights
        self._bytes = Bytes(tokenizer) if tokenizer.token_bytes.byte_level else None

    def check(self, rows: Sequence[Row], ids: Ints, ends: Array, present: Array, cut: Array) -> None:
        """Rows with their ids, one after the other; ends: shape (rows, 6); present: slots as bits; cut: rows that a
        length policy has cut."""
        import numpy as np

        if not len(rows):
            return
        self.report.rows += len(rows)
        starts = np.concatenate(([0], np.cumsum(ends[:, EOS], dtype=np.int64)))
        at_end = (
            (ids[starts[1:] - 1] == self._tokenizer.eos_id)
            & (ends[:, EOS] - ends[:, RESPONSE] == 1)
            & (self._weights[EOS] > 0)
        )
        cut_short = cut & (ends[:, EOS] == ends[:, RESPONSE])  # the end was cut off, as was chosen
        for place in np.nonzero(~(at_end | cut_short))[0].tolist():
            self.report.no_end.add(rows[place].index)
        for place in np.nonzero(learnt(ends, self._weights) == 0)[0].tolist():
            self.report.nothing_learnt.add(rows[place].index)
        self._reasonings(rows, ids, starts, ends, present, cut, cut_short)

    def _reasonings(
        self, rows: Sequence[Row], ids: Ints, starts: Array, ends: Array, present: Array, cut: Array, cut_short: Array
    ) -> None:
        import numpy as np

        with_reasoning = np.nonzero((present >> REASONING & 1).astype(bool) & ~cut_short)[0]
        data, at = self._bytes.of(ids) if self._bytes is not None else (b"", None)
        for place in with_reasoning.tolist():
            row, first = rows[place], int(starts[place])
            if not row.reasoning or row.reasoning.isspace():
                continue
            self.report.reasonings += 1
            span = first + int(ends[place, OPENING]), first + int(ends[place, REASONING])
            until = first + int(ends[place, EOS])
            # a token over the end of the span belongs to what follows, and may hold the reasoning's last characters
            after = min(span[1] + 1, first + int(ends[place, MARKER]))
            if at is not None:
                whole, inside = data[at[first] : at[until]], data[at[span[0]] : at[max(after, span[1])]]
                self._judge(row, row.reasoning.encode(), whole, inside, bool(cut[place]))
            else:
                text = self._tokenizer.decode(ids[first:until].tolist())
                within = self._tokenizer.decode(ids[span[0] : max(after, span[1])].tolist())
                self._judge(row, row.reasoning.encode(), text.encode(), within.encode(), bool(cut[place]))

    def _judge(self, row: Row, reasoning: bytes, whole: bytes, inside: bytes, cut: bool) -> None:
        if cut:
            head, gap, tail = inside.partition(ELLIPSIS.encode())
            while gap and not (reasoning.startswith(head.lstrip()) or reasoning.lstrip().startswith(head.lstrip())):
                more, gap, tail = tail.partition(ELLIPSIS.encode())  # the reasoning has such a sign of its own
                head = head + ELLIPSIS.encode() + more
            if not gap:
                self.report.reasoning_missing.add(row.index)
            return
        times = whole.count(reasoning)
        if times == 1 and reasoning in inside:
            return
        plain = reasoning.strip()
        if times and plain in inside:
            explained = sum(
                getattr(row, column).encode().count(reasoning) for column in ("instruction", "input", "output")
            )
            if times > 1 + explained and len(reasoning) >= _SHORT:
                self.report.reasoning_again.add(row.index)
            return
        said = self._tokenizer.decode(self._tokenizer.encode(row.reasoning)[0]).encode().strip()
        if said and said != plain and said in inside:
            self.report.reasoning_changed.add(row.index)
        elif plain in inside:
            return  # only the space around it fell to a neighbour
        else:
            self.report.reasoning_missing.add(row.index)

    def compare(self, trained: Sequence[Array], held_out: Sequence[Array]) -> None:
        """Each as (row numbers, identities of shape (rows, 2), hashes of texts of shape (rows, templates))."""
        import numpy as np

        numbers, identities, texts = trained
        held, held_identities, held_texts = held_out
        if not len(held) or not len(numbers):
            return
        whole = _sought(identities[:, 0], held_identities[:, 0])
        whole = np.where((whole >= 0) & (identities[whole, 1] == held_identities[:, 1]), whole, -1)
        found = whole.copy()
        for column in range(held_texts.shape[1]):
            found = np.where(found >= 0, found, _sought(texts[:, 0], held_texts[:, column]))
        places = np.nonzero(found >= 0)[0]
        self.report.leaks += len(places)
        self.report.leaked += [
            Leak(int(held[place]), int(numbers[found[place]]), bool(whole[place] >= 0)) for place in places[:NAMED]
        ]


def learnt(ends: Array, weights: tuple[float, ...]) -> Array:
    """How many tokens of each row are learnt."""
    import numpy as np

    return np.diff(ends, prepend=0, axis=1) @ (np.asarray(weights) > 0).astype(np.int64)


def _sought(those: Array, wanted: Array) -> Array:
    """For each of `wanted` a place of it in `those`, or -1."""
    import numpy as np

    order = np.argsort(those, kind="stable")
    at = np.minimum(np.searchsorted(those, wanted, sorter=order), len(those) - 1)
    return np.where(those[order[at]] == wanted, order[at], -1)


__all__ = ["Bytes", "Checker", "Found", "Leak", "Report", "learnt"]
