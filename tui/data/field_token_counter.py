"""Counts the tokens of a row's fields for the chosen model.

Called in threads; for a model that is not on this disk it counts nothing.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from core.base.errors import SuironError
from core.base.row import COLUMNS, Row

if TYPE_CHECKING:
    from core.tokens.tokenizer import TextTokenizer


class FieldTokenCounter:
    """Keeps the tokenizer of the last model. Safe to call from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._model: str | None = None
        self._tokenizer: TextTokenizer | None = None

    def count_tokens(self, row: Row, model: str) -> dict[str, int]:
        """Tokens by column, of the fields that are not empty. Empty where the model has no usable tokenizer
        here."""
        with self._lock:
            if model != self._model or self._tokenizer is None:
                from core.quality.model_tokenizer import load_model_tokenizer

                self._model = model
                try:
                    self._tokenizer = load_model_tokenizer(model)[0]
                except SuironError:
                    self._tokenizer = None  # the model dialog says what is wrong with it
            tokenizer = self._tokenizer
        if tokenizer is None:
            return {}
        texts = {column: getattr(row, column) for column in COLUMNS}
        try:
            return {column: len(tokenizer.encode(text)[0]) for column, text in texts.items() if text}
        except SuironError:
            return {}  # text that is not Unicode has no tokens
