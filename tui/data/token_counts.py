"""How many tokens the fields of a row have, for the chosen model. Called in threads; a model that is not on this disk
counts nothing."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from core.base.errors import SuironError
from core.base.row import COLUMNS, Row

if TYPE_CHECKING:
    from core.tokens.tokenizer import TextTokenizer


class TokenCounter:
    """Keeps the tokenizer of the model that was asked for last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._model: str | None = None
        self._tokenizer: TextTokenizer | None = None

    def count(self, row: Row, model: str) -> dict[str, int]:
        """The tokens of each field that is not empty; nothing where the model has no tokenizer that can be used
        here."""
        with self._lock:
            if model != self._model or self._tokenizer is None:
                from core.quality.tokens import load

                self._model = model
                try:
                    self._tokenizer = load(model)[0]
                except SuironError:
                    self._tokenizer = None  # the model's own room says what is wrong with it
            tokenizer = self._tokenizer
        if tokenizer is None:
            return {}
        try:
            return {column: len(tokenizer.encode(text)[0]) for column in COLUMNS if (text := getattr(row, column))}
        except SuironError:
            return {}  # text that is no Unicode has no tokens
