"""The numbers equal those of a plain computation that keeps every row and every length in lists."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.data.source import open_data
from core.prompts.encoding import encode_row
from core.prompts.mixture import choose
from core.prompts.templates import TEMPLATES
from core.prompts.tokenizer import TextTokenizer
from core.quality.report import Statistics, unpack
from core.quality.request import Options
from core.quality.statistics import compute
from core.row import Row

TEXTS = ("instruction", "input", "reasoning", "output")
text = st.text("ab 立山é\n", max_size=12)
rows = st.lists(
    st.fixed_dictionaries(
        {"instruction": text.map("q".__add__), "input": text, "reasoning": text, "output": text, "syslang": st.sampled_from(["en", "ja", ""]),
         "sysflag": st.sampled_from(["train", "test"])}
    ), min_size=1, max_size=20,
)  # fmt: skip


def counted(lengths: Any) -> Counter[int]:
    return Counter(dict(zip(unpack(lengths.sizes), unpack(lengths.counts), strict=True)))


def statistics(path: Path, tokenizer: TextTokenizer | None, options: Options) -> Statistics:
    told: list[tuple[int, int]] = []
    found = compute(open_data(str(path)), options, tokenizer, "no tokenizer" if tokenizer is None else "", lambda words, *far: told.append(far))
    assert told and told[-1] == (found.rows, found.rows)
    return found


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=30)
@given(rows, st.sampled_from([0.0, 0.4, 1.0]), st.booleans(), st.booleans())
def test_as_a_plain_computation(tmp_path: Path, tokenizer: TextTokenizer, made: list[dict[str, str]], share: float, drop: bool, tokens: bool) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in made))
    options = Options(model="tiny" if tokens else "", vanilla_share=share, drop_empty_input=drop)
    found = statistics(path, tokenizer if tokens else None, options)

    assert found.rows == len(made)
    assert dict(Counter((row["syslang"], row["sysflag"]) for row in made)) == {(lang, flag): count for lang, flag, count in found.pairs}
    assert found.languages == dict(Counter(row["syslang"] for row in made)) and found.flags == dict(Counter(row["sysflag"] for row in made))
    assert found.empty == {column: sum(not row[column].strip() for row in made) for column in (*TEXTS, "syslang", "sysflag")}

    def size(words: str) -> int:
        return len(tokenizer.encode(words)[0]) if tokens else len(words)

    for column in TEXTS:
        assert counted(found.columns[column]) == Counter(size(row[column]) for row in made)
    whole: Counter[int] = Counter()
    start: Counter[int] = Counter()
    why: Counter[str] = Counter()
    for index, values in enumerate(made):
        row = Row(**values, index=index)
        template, reason = choose(row, share, options.seed, TEMPLATES["alpaca"], TEMPLATES["alpaca-reasoning"])
        why[reason] += 1
        if tokens:
            encoded = encode_row(row, template, tokenizer, drop_empty_input=drop)
            whole[len(encoded.ids)] += 1
            start[next(span.start for span in encoded.spans if span.kind == "response")] += 1
        else:
            said = "".join(segment.text for segment in template.segments(row, drop))
            whole[len(said)] += 1
            start[len(said) - len(row.output)] += 1
    assert (counted(found.whole), counted(found.answer_start)) == (whole, start)
    assert found.templates == {"vanilla": 0, "reasoning": 0, "without_reasoning": 0, **why}
    assert (found.unit, found.tokenizer, found.note) == (("tokens", "tiny", "") if tokens else ("characters", "", "no tokenizer"))
    for limit in {0, 300, min(whole), max(whole), max(start)}:
        cut = found.cut(limit)
        assert cut.lose_eos == sum(count for length, count in whole.items() if length > limit)
        assert cut.lose_answer == sum(count for length, count in start.items() if length >= limit)


def test_rows_that_cannot_be_encoded_are_counted_apart(write: Callable[..., Path], tokenizer: TextTokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write({"instruction": "a", "output": "b"}, {"instruction": "a", "output": "end"})
    stop = tokenizer.encode("d")[0][0]
    monkeypatch.setattr(tokenizer, "stop_ids", tokenizer.stop_ids | {stop})
    found = statistics(path, tokenizer, Options(model="tiny"))
    # both rows spell the letter, for the template does
    assert (found.rows, found.unreadable, found.whole.rows) == (2, 2, 0)
