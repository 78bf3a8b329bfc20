"""The mixture of a run's specification, with its templates looked up by name. Draws no row."""

from __future__ import annotations

from collections.abc import Sequence

from core.examples.draw_template import Mixture
from core.examples.example import AnyTemplate
from core.runs.spec import MixturePart, PromptSection
from core.templates.bind_chat_template import bind_chat_template
from core.templates.by_name import get_template, template_folders
from core.templates.template import Template
from core.tokens.tokenizer import TextTokenizer


def named_templates(parts: Sequence[MixturePart], source: str) -> list[Template]:
    """The templates of `parts`: built in, the user's, or beside the data set at `source`. Raises UsageError for a
    template that does not exist."""
    folders = template_folders(source)
    return [get_template(part.template, folders) for part in parts]


def bound_mixture(prompt: PromptSection, source: str, tokenizer: TextTokenizer, day: str = "") -> Mixture[AnyTemplate]:
    """The run's mixture, with chat templates bound to the tokenizer's model. day: the date that chat templates write as
    today's, as `2026-11-28`; empty for the present day. Raises UsageError for a template that does
    not exist, or that does not work with the model."""
    templates = [bind_chat_template(template, tokenizer, day) for template in named_templates(prompt.mixture, source)]
    weights = [part.weight for part in prompt.mixture]
    return Mixture(list(zip(templates, weights, strict=True)), prompt.seed)
