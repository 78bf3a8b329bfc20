"""Answers that only name one of several options in another column: `answer: 1` beside `choices: ["3", "6"]`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from core.data.cell_text import NumberText, cell_text
from core.data.columns.column_names import normalized_name
from core.data.columns.nested_text import read_nested

_NAMES = ("choices", "options", "answerchoices", "endings", "answeroptions", "mcoptions", "選択肢", "选项")
_LETTERS = "ABCDEFGHIJ"
_ENOUGH = 0.8  # the share of answers that name an option


def option_column(names: Sequence[str]) -> str:
    """The column among `names` that has the options of each question; empty where there is none."""
    by_normalized = {normalized_name(name): name for name in reversed(names)}
    return next((by_normalized[name] for name in _NAMES if name in by_normalized), "")


def named_option(answer: Any, options: Any) -> str | None:
    """The text of the option that the answer names: by its label, by a letter, or by its number from 0. None where the
    answer names none, as where it is a text of its own."""
    labels, texts = _read_options(options)
    if len(texts) < 2 or isinstance(answer, bool) or not isinstance(answer, str | int | NumberText):
        return None
    word = str(answer).strip().strip("().")
    is_text = isinstance(answer, str) and not isinstance(answer, NumberText)
    if is_text and word in texts and word not in labels:
        return None  # the option itself
    if word in labels:
        return texts[labels.index(word)]
    if len(word) == 1 and word.upper() in _LETTERS[: len(texts)]:
        return texts[_LETTERS.index(word.upper())]
    if word.isascii() and word.isdecimal() and int(word) < len(texts):
        return texts[int(word)]
    return None


def name_options(answer: str, rows: Sequence[Mapping[str, Any]], options: str) -> bool:
    """Whether most values of the column `answer` only name one of the options in the column `options`."""
    both = [(row[answer], row[options]) for row in rows if row.get(answer) is not None and row.get(options) is not None]
    named = sum(1 for value, texts in both if named_option(value, texts) is not None)
    return bool(both) and named >= _ENOUGH * len(both)


def _read_options(options: Any) -> tuple[list[str], list[str]]:
    """The labels, where the options have any, and the texts."""
    if isinstance(options, str):
        options = read_nested(options)
    if isinstance(options, dict):
        labels, texts = options.get("label"), options.get("text")
        if isinstance(labels, list) and isinstance(texts, list) and len(labels) == len(texts):
            return [cell_text(label) for label in labels], [cell_text(text) for text in texts]
        if options and all(isinstance(text, str) for text in options.values()):
            return list(options), list(options.values())
        return [], []
    if not isinstance(options, list):
        return [], []
    if options and all(isinstance(option, dict) and "text" in option for option in options):
        labels = [cell_text(option.get("label", option.get("key"))) for option in options]
        return (labels if all(labels) else []), [cell_text(option["text"]) for option in options]
    return [], [cell_text(option) for option in options if not isinstance(option, list | dict)]
