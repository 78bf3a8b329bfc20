"""Warnings about a row in a template, for any tokenizer. None of them keeps the row out of training."""

from __future__ import annotations

from collections.abc import Sequence

from core.base.row import Row, is_blank
from core.examples.context_notes import context_losses, loss_words
from core.examples.example import AnyTemplate, joined_text
from core.splitter.splitter import Splitter
from core.templates.chat_template import ChatTemplate
from core.tokens.segments import Segment


def row_warnings(row: Row, template: AnyTemplate, segments: Sequence[Segment]) -> list[str]:
    """A sentence for each warning, without its full stop. segments: of the row in this template."""
    warnings: list[str] = []
    if template.has_reasoning and not row.has_reasoning:
        warnings.append("the row has no reasoning, so no mixture trains it with this template")
    if isinstance(template, ChatTemplate) and template.leaves_out_reasoning and row.has_reasoning:
        warnings.append("the model's chat template has no place for the reasoning: it is left out")
    warnings += [loss_words(lost, template) for lost in context_losses(row, template)]
    warnings += _prompt_markers(row, template)
    warnings += _answer_markers(row, template, segments)
    if is_blank(row.output):
        warnings.append("the output is empty")
    return warnings


def _prompt_markers(row: Row, template: AnyTemplate) -> list[str]:
    """Markers in the cells of the prompt."""
    markers = template.markers
    warnings = []
    for column, text in (("instruction", row.instruction), ("input", row.input)):
        marker = next((marker for marker in markers.all() if _has_marker(text, marker, markers.line_start)), None)
        if marker is not None:
            warnings.append(f"the {column} holds the marker “{marker}”")
    return warnings


def _answer_markers(row: Row, template: AnyTemplate, segments: Sequence[Segment]) -> list[str]:
    """A marker in the reasoning or the output with which a splitter does not read the row's own sections back."""
    reasoning = row.reasoning if template.has_reasoning else ""
    texts = f"{reasoning}\n{row.output}"
    marker = next((marker for marker in template.markers.kinds() if marker in texts), None)
    if marker is None:
        return []
    prompt = [segment for segment in segments if segment.kind == "prompt"]
    splitter = Splitter(template.markers, template.start_after(prompt))
    splitter.feed(joined_text([segment for segment in segments if segment.kind != "prompt"]))
    splitter.close()
    if (splitter.reasoning.strip(), splitter.response.strip()) == (reasoning.strip(), row.output.strip()):
        return []
    column = "reasoning" if marker in reasoning else "output"
    return [f"the {column} holds the marker “{marker}”: such an answer is not read back as the row has it"]


def _has_marker(text: str, marker: str, line_start: bool) -> bool:
    return (text.startswith(marker) or f"\n{marker}" in text) if line_start else marker in text
