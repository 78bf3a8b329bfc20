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
from msgspec.structs import replace

from core.base.errors import UsageError
from core.base.row import Row
from core.data.source import open_data
from core.examples.draw_template import Mixture
from core.quality.quality_request import QualityOptions
from core.quality.report import DataSetStatistics, unpack_integers
from core.quality.statistics import compute_statistics
from core.runs.spec import MixturePart
from core.templates.by_name import TEXT_TEMPLATES, get_template, save_template, template_folders
from core.tokens.tokenizer import TextTokenizer
from tests.support.encoded_rows import encode_row

TEXTS = ("instruction", "input", "reasoning", "output")
text = st.text("ab 立山é\n", max_size=12)
rows = st.lists(
    st.fixed_dictionaries(
        {
            "instruction": text.map("q".__add__),
            "input": text,
            "reasoning": text,
            "output": text,
            "syslang": st.sampled_from(["en", "ja", ""]),
            "sysflag": st.sampled_from(["train", "test"]),
        }
    ),
    min_size=1,
    max_size=20,
)

MIXTURES = [
    {"alpaca": 0.0, "alpaca-reasoning": 1.0},
    {"alpaca": 0.4, "alpaca-reasoning-languages": 0.6},
    {"alpaca-reasoning": 2.0, "alpaca-languages": 1.0, "alpaca-reasoning-languages": 1.0},
    {"alpaca-reasoning": 1.0},
]


def counted(lengths: Any) -> Counter[int]:
    return Counter(dict(zip(unpack_integers(lengths.sizes), unpack_integers(lengths.counts), strict=True)))


def statistics(path: Path, tokenizer: TextTokenizer | None, options: QualityOptions) -> DataSetStatistics:
    told: list[tuple[int, int]] = []
    found = compute_statistics(
        open_data(str(path)),
        options,
        tokenizer,
        "no tokenizer" if tokenizer is None else "",
        lambda words, *far: told.append(far),
    )
    assert told and told[-1] == (found.rows, found.rows)
    return found


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=30)
@given(rows, st.sampled_from(MIXTURES), st.sampled_from([True, False, None]), st.booleans())
def test_as_a_plain_computation(
    tmp_path: Path,
    tokenizer: TextTokenizer,
    made: list[dict[str, str]],
    weights: dict[str, float],
    drop: bool | None,
    tokens: bool,
) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in made))
    parts = tuple(MixturePart(template=name, weight=weight) for name, weight in weights.items())
    options = QualityOptions(model="tiny" if tokens else "", mixture=parts, drop_empty_input=drop)
    mixture = Mixture([(TEXT_TEMPLATES[name], weight) for name, weight in weights.items()], options.seed)
    found = statistics(path, tokenizer if tokens else None, options)

    assert found.rows == len(made)
    assert dict(Counter((row["syslang"], row["sysflag"]) for row in made)) == {
        (lang, flag): count for lang, flag, count in found.pairs
    }
    assert found.rows_by_syslang == dict(Counter(row["syslang"] for row in made)) and found.rows_by_sysflag == dict(
        Counter(row["sysflag"] for row in made)
    )
    assert found.empty == {
        column: sum(not row[column].strip() for row in made) for column in (*TEXTS, "syslang", "sysflag")
    }

    def size(words: str) -> int:
        return len(tokenizer.encode(words)[0]) if tokens else len(words)

    for column in TEXTS:
        assert counted(found.columns[column]) == Counter(size(row[column]) for row in made)
    whole: Counter[int] = Counter()
    start: Counter[int] = Counter()
    names: Counter[str] = Counter(dict.fromkeys(weights, 0))
    trained = blank = left = 0
    for index, values in enumerate(made):
        row = Row(**values, index=index)
        if row.sysflag != "train":
            continue
        trained += 1
        template = mixture.template_for(row)
        if template is None:
            left += 1
            continue
        names[template.name] += 1
        blank += not row.reasoning.strip()
        if tokens:
            encoded = encode_row(row, template, tokenizer, drop_empty_input=bool(drop))
            whole[len(encoded.ids)] += 1
            start[next(span.start for span in encoded.spans if span.kind == "response")] += 1
        else:
            said = "".join(segment.text for segment in template.segments(row, bool(drop)))
            whole[len(said)] += 1
            start[len(said) - len(row.output)] += 1
    assert (counted(found.whole), counted(found.answer_start)) == (whole, start)
    assert (found.templates, found.without_reasoning, found.no_template) == (names, blank, left)
    assert found.trained == trained
    assert (found.unit, found.tokenizer) == (("tokens", "tiny") if tokens else ("characters", ""))
    assert found.note.startswith("" if tokens else "no tokenizer")
    assert ("no row has the sysflag 'train'" in found.note) == (trained == 0)
    for limit in {0, 300, *whole, *start}:
        cut = found.effect_of_max_length(limit)
        assert cut.lose_eos == sum(count for length, count in whole.items() if length > limit)
        assert cut.lose_answer == sum(count for length, count in start.items() if length >= limit)


def test_rows_that_cannot_be_encoded_are_counted_apart(
    write: Callable[..., Path], tokenizer: TextTokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write({"instruction": "a", "output": "b"}, {"instruction": "a", "output": "end"})
    stop = tokenizer.encode("d")[0][0]
    monkeypatch.setattr(tokenizer, "stop_ids", tokenizer.stop_ids | {stop})
    found = statistics(path, tokenizer, QualityOptions(model="tiny"))
    # both rows spell the letter, for the template does
    assert (found.rows, found.unreadable, found.whole.rows) == (2, 2, 0)


def test_a_form_of_the_models_own_is_counted_with_the_model_alone(
    write: Callable[..., Path], tokenizer: TextTokenizer
) -> None:
    path = write(
        {"instruction": "Why?", "reasoning": "So.", "output": "Yes."}, {"instruction": "How?", "output": "No."}
    )
    options = QualityOptions(mixture=(MixturePart(template="chat"),))
    found = statistics(path, None, options)
    assert (
        counted(found.whole) == Counter({len("Why?So.Yes."): 1})
        and found.templates == {"chat": 1}
        and found.no_template == 1
    )
    assert "not counted without the model" in found.note
    with pytest.raises(UsageError, match="no chat template"):
        statistics(path, tokenizer, options)


def test_templates_beside_the_data_are_found_and_their_texts_count(
    write: Callable[..., Path], tokenizer: TextTokenizer
) -> None:
    path = write({"instruction": "Why?", "output": "Yes."})
    mine = replace(get_template("alpaca"), name="mine", drop_empty_input=True)
    save_template(mine, template_folders(str(path))[0])
    options = QualityOptions(model="tiny", mixture=(MixturePart(template="mine"),))
    row = Row("Why?", output="Yes.")
    sizes = {}
    for drop in (None, False):
        (sizes[drop],) = counted(statistics(path, tokenizer, replace(options, drop_empty_input=drop)).whole)
        assert sizes[drop] == len(encode_row(row, mine, tokenizer, drop_empty_input=drop is None).ids)
    assert sizes[None] < sizes[False]


def test_only_rows_that_are_trained_are_counted_by_template(write: Callable[..., Path]) -> None:
    asked = {"instruction": "Why?", "output": "Yes.", "reasoning": "So."}
    path = write(asked, {**asked, "reasoning": ""}, *[{**asked, "reasoning": "", "sysflag": "test"}] * 5)
    found = statistics(path, None, QualityOptions())
    assert (found.rows, found.trained, sum(found.templates.values()), found.whole.rows) == (7, 2, 2, 2)
    assert (found.without_reasoning, found.columns["output"].rows) == (1, 7)
    held_out = statistics(path, None, QualityOptions(train_flag="test"))
    assert (held_out.trained, held_out.without_reasoning) == (5, 5)


def test_without_flags_all_rows_are_trained(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({"instruction": "Why?", "output": "Yes."}) + "\n")
    found = statistics(path, None, QualityOptions())
    assert (found.trained, found.note) == (1, "no tokenizer")
