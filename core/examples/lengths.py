"""Rows as training would draw and write them, and how long they are then. Knows the mixture and the encoder; neither
loss nor findings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from core.base.row import Row
from core.examples.mixture import Mixture
from core.examples.run_mixture import bound_mixture, drops, named_templates
from core.quality.request import Options
from core.splitter.markers import THINK, Markers
from core.templates.chat_template import ChatTemplate
from core.templates.template import Template
from core.tokens.encode import encode_batch
from core.tokens.segments import EOS, MARKER, Segment
from core.tokens.tokenizer import TextTokenizer


class Measure(NamedTuple):
    """place: of the row's template among `Trained.templates`, None where none of them is for it; then it has no length.
    size: of the text as it is trained, in tokens with the beginning and end of sequence, or in characters; answer:
    where the answer begins in it. readable: whether the tokenizer takes the row."""

    place: int | None
    size: int = 0
    answer: int = 0
    readable: bool = True


class Unbound:
    """A model's own chat form without its model: what it writes around a row is not known, so the row's own texts are
    all there is to count."""

    drop_empty_input = False
    markers: Markers = THINK

    def __init__(self, template: Template) -> None:
        self.name, self.has_reasoning = template.name, template.has_reasoning

    def segments(self, row: Row, drop_empty_input: bool = False) -> list[Segment]:
        asked = Segment("prompt", f"{row.instruction}\n\n{row.input}" if row.input else row.instruction)
        return [
            asked,
            Segment("reasoning", row.reasoning if self.has_reasoning else ""),
            Segment("response", row.output),
        ]


AnyTemplate = Template | ChatTemplate | Unbound


class Trained:
    """tokenizer: of the chosen model, None to count characters. Raises UsageError for a template there is not, or that
    the model cannot have."""

    def __init__(self, source: str, options: Options, tokenizer: TextTokenizer | None) -> None:
        self._tokenizer = tokenizer
        self._mixture: Mixture[AnyTemplate]
        if tokenizer is not None:
            self._mixture = bound_mixture(options.mixture, options.seed, source, tokenizer)  # type: ignore[assignment]  # it only hands them out
        else:
            named = named_templates(options.mixture, source)
            known = [template if template.chat is None else Unbound(template) for template in named]
            self._mixture = Mixture(
                list(zip(known, (part.weight for part in options.mixture), strict=True)), options.seed
            )
        self.templates: tuple[AnyTemplate, ...] = self._mixture.templates
        given = options.drop_empty_input
        self._drops = [drops(given, one) if not isinstance(one, Unbound) else False for one in self.templates]

    @property
    def markers(self) -> tuple[Markers, ...]:
        """Those by which answers to its prompts are read."""
        return tuple(dict.fromkeys(template.markers for template in self.templates))

    @property
    def most_bytes(self) -> int:
        """The most that any of them writes around a row, in any language."""
        return max(map(_own_bytes, self.templates))

    def measure(self, rows: Sequence[Row]) -> list[Measure]:
        """For each row; many at once are quicker."""
        places = [self._mixture.place(row) for row in rows]
        segments = [
            None if at is None else self.templates[at].segments(row, self._drops[at])
            for row, at in zip(rows, places, strict=True)
        ]
        if self._tokenizer is None:
            return [
                Measure(at, *_characters(of_row)) if of_row is not None else Measure(at)
                for at, of_row in zip(places, segments, strict=True)
            ]
        drawn = [(of_row, row.index) for row, of_row in zip(rows, segments, strict=True) if of_row is not None]
        if not drawn:
            return [Measure(None) for _ in rows]
        batch = encode_batch([of_row for of_row, _ in drawn], self._tokenizer, [index for _, index in drawn])
        sizes, answers = batch.ends[:, EOS].tolist(), batch.ends[:, MARKER].tolist()
        counted = iter(range(len(drawn)))
        measures = []
        for at in places:
            if at is None:
                measures.append(Measure(None))
            else:
                row = next(counted)
                measures.append(Measure(at, sizes[row], answers[row], row not in batch.errors))
        return measures


def _characters(segments: Sequence[Segment]) -> tuple[int, int]:
    answer = next(at for at, segment in enumerate(segments) if segment.kind == "response")
    return sum(len(one.text) for one in segments), sum(len(one.text) for one in segments[:answer])


def _own_bytes(template: AnyTemplate) -> int:
    if isinstance(template, Template):
        return max(len(version.text.encode()) for version in template.versions.values())
    if isinstance(template, ChatTemplate):
        texts = (template.before, template.after, template.opening, template.closing, template.tail, "\n\n")
        return sum(len(text.encode()) for text in texts)
    return 0
