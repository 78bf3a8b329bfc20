"""The tokens of one row: as records for --json, and as a table."""

from __future__ import annotations

from typing import Any

from core.base.command_output import CommandOutput
from core.base.plural import counted
from core.examples.preview import RowPreview
from core.tokens.encode import EncodedRow, encoded_row
from core.tokens.loss_mask import IGNORED_LABEL
from core.tokens.tokenizer import TextTokenizer


def preview_as_encoded(preview: RowPreview, text: str, weighted: bool) -> EncodedRow:
    """The preview as an encoded row."""
    import numpy as np

    ids, ends = np.array(preview.ids, np.int32), np.array(preview.ends, np.int32)
    return encoded_row(ids, ends, preview.present, text, preview.weights, weighted)


def token_records(encoded: EncodedRow, tokenizer: TextTokenizer) -> list[dict[str, Any]]:
    """Each token of the row: its id, text and section, and whether it is trained (`learnt`)."""
    sections = [span.kind for span in encoded.spans for _ in range(span.start, span.end)]
    return [
        {"id": id, "text": tokenizer.token_text(id), "section": section, "learnt": label != IGNORED_LABEL}
        for id, label, section in zip(encoded.ids, encoded.labels, sections, strict=True)
    ]


def print_tokens(encoded: EncodedRow, tokens: list[dict[str, Any]], output: CommandOutput) -> None:
    """A line for each token, and their counts by section."""
    output.text("\n  index      id  section    trained  text")
    for index, token in enumerate(tokens):
        trained = "yes" if token["learnt"] else "-"
        output.text(f"{index:7} {token['id']:7}  {token['section']:9}  {trained:7}  {_visible(token['text'])}")
    counts = ", ".join(f"{span.kind} {span.end - span.start}" for span in encoded.spans)
    trained_tokens = sum(label != IGNORED_LABEL for label in encoded.labels)
    output.text(f"\n{counted(len(encoded.ids), 'token')} ({counts}), {trained_tokens} trained")


def _visible(text: str) -> str:
    """A token on one line, with symbols for its line ends and outer spaces."""
    inner = text.strip(" ")
    left = len(text) - len(text.lstrip(" "))
    right = len(text) - left - len(inner)
    return "·" * left + inner.replace("\r", "␍").replace("\n", "⏎").replace("\t", "⇥") + "·" * right
