"""Rows in a file, and the doctor's report on them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.data.source import open_data
from core.quality.doctor import examine_rows
from core.quality.quality_request import QualityOptions
from core.quality.report import QualityReport
from core.tokens.tokenizer import TextTokenizer
from tests.support.tiny_model import make_tiny_tokenizer

Examine = Callable[..., QualityReport]


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes rows, as dicts, into a JSONL file; columns that are not given are empty, or `train`."""

    def rows_file(*rows: dict[str, str], name: str = "rows.jsonl") -> Path:
        path = tmp_path / name
        path.write_text(
            "".join(json.dumps({"input": "", "syslang": "", "sysflag": "train", **row}) + "\n" for row in rows)
        )
        return path

    return rows_file


@pytest.fixture
def examined(write: Callable[..., Path]) -> Examine:
    """Gives the doctor's report on rows."""

    def report(*rows: dict[str, str], tokenizer: TextTokenizer | None = None, **options: Any) -> QualityReport:
        return examine_rows(
            open_data(str(write(*rows))),
            QualityOptions(**options),
            tokenizer,
            "none is chosen",
            lambda words, done, total: None,
        )

    return report


@pytest.fixture(scope="session")
def tokenizer_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a tokenizer with one token for each byte."""
    folder = tmp_path_factory.mktemp("tokenizer")
    make_tiny_tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tokenizer(tokenizer_folder: Path) -> TextTokenizer:
    return TextTokenizer.from_folder(tokenizer_folder)
