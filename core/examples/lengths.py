"""Lengths of rows as a run would train them, before truncation: in tokens, or without a tokenizer in characters.

Knows the mixture and the encoder; knows neither loss nor findings.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from core.base.errors import DataError
from core.base.row import Row
from core.examples.draw_template import Mixture
from core.examples.example import AnyTemplate, ExampleMaker, joined_text
from core.examples.run_mixture import bound_mixture, named_templates
from core.runs.spec import PromptSection
from core.splitter.marker_spellings import THINK, Markers
from core.templates.chat_template import ChatTemplate, question_text
from core.templates.template import Template, input_with_context
from core.tokens.segments import MARKER, Segment
from core.tokens.tokenizer import TextTokenizer


class RowLength(NamedTuple):
    """How long one row is as it would be trained."""

    template_index: int | None
    """Index of the row's template in `RowLengths.templates`; None where no template fits it: it has no length then."""
    length: int = 0
    """Length of the training text: tokens with beginning and end of sequence, or characters."""
    answer_start: int = 0
    """Where the answer begins in the training text, in the same unit."""
    readable: bool = True
    """Whether the tokenizer can encode the row."""


class UnboundChatTemplate:
    """A model's chat template without its model. The text that it adds to a row is not known, so only the row's own
    texts are counted."""

    drop_empty_input = False
    markers: Markers = THINK

    def __init__(self, template: Template) -> None:
        self.name, self.has_reasoning = template.name, template.has_reasoning

    def segments(self, row: Row, drop_empty_input: bool = False) -> list[Segment]:
        return [
            Segment("prompt", question_text(row.instruction, input_with_context(row))),
            Segment("reasoning", row.reasoning if self.has_reasoning else ""),
            Segment("response", row.output),
        ]


MeasuredTemplate = AnyTemplate | UnboundChatTemplate


class RowLengths:
    """Measures rows with the mixture of a run.

    prompt: only its mixture, seed and drop_empty_input are used. source: templates beside it are found too. tokenizer:
    the chosen model's; None to count characters. Raises UsageError for a template that does not exist, or that does not
    work with the model.
    """

    def __init__(self, source: str, prompt: PromptSection, tokenizer: TextTokenizer | None) -> None:
        mixture: Mixture[MeasuredTemplate]
        if tokenizer is not None:
            mixture = bound_mixture(prompt, source, tokenizer)
        else:
            templates = [
                template if template.chat is None else UnboundChatTemplate(template)
                for template in named_templates(prompt.mixture, source)
            ]
            weights = [part.weight for part in prompt.mixture]
            mixture = Mixture(list(zip(templates, weights, strict=True)), prompt.seed)
        self.templates = mixture.templates
        self._by_tokens = tokenizer is not None
        # nothing is cut, since rows are measured before truncation
        self._maker = ExampleMaker(mixture, msgspec.structs.replace(prompt, too_long="drop"), tokenizer)

    @property
    def markers(self) -> tuple[Markers, ...]:
        """The markers by which answers to the templates' prompts are read."""
        return tuple(dict.fromkeys(template.markers for template in self.templates))

    @property
    def template_bytes(self) -> int:
        """The most bytes that any of the templates writes around a row, in any language."""
        return max(map(_own_bytes, self.templates))

    def measure(self, rows: Sequence[Row]) -> list[RowLength]:
        """The length of each row; many rows at once are faster."""
        if not self._by_tokens:
            return [self._in_characters(row) for row in rows]
        examples = self._maker.make(rows)
        template_indices = examples.template_indices.tolist()
        lengths = examples.full_lengths.tolist()
        answer_starts = examples.ends[:, MARKER].tolist()
        measured = []
        for position, index in enumerate(template_indices):
            if index < 0:
                measured.append(RowLength(None))
                continue
            readable = position not in examples.errors
            measured.append(RowLength(index, lengths[position], answer_starts[position], readable))
        return measured

    def _in_characters(self, row: Row) -> RowLength:
        index = self._maker.mixture.template_index(row)
        if index is None:
            return RowLength(None)
        try:
            segments = self._maker.encoder.segments(row, index)
        except DataError:
            return RowLength(index, readable=False)
        answer = next(position for position, segment in enumerate(segments) if segment.kind == "response")
        return RowLength(index, len(joined_text(segments)), len(joined_text(segments[:answer])))


def _own_bytes(template: MeasuredTemplate) -> int:
    if isinstance(template, Template):
        return max(len(version.text.encode()) for version in template.versions.values())
    if isinstance(template, ChatTemplate):
        texts = (template.before, template.after, template.opening, template.closing, template.tail, "\n\n")
        return sum(len(text.encode()) for text in texts)
    return 0
