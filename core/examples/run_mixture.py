"""The mixture and the policy that a specification names, made of the templates there are. Knows where templates lie;
draws no row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from core.examples.mixture import Mixture
from core.runs.spec import MixturePart, PromptSection
from core.templates.bind_chat_template import bind
from core.templates.by_name import beside, get_template
from core.templates.chat_template import ChatTemplate
from core.templates.template import Template
from core.tokens.tokenizer import TextTokenizer

if TYPE_CHECKING:
    from core.examples.preview import Policy


def named_templates(parts: Sequence[MixturePart], source: str) -> list[Template]:
    """The templates of `parts`: built in, the user's own, or beside the data set at `source`. Raises UsageError for one
    there is not."""
    folders = beside(source)
    return [get_template(part.template, folders) for part in parts]


def bound_mixture(
    parts: Sequence[MixturePart], seed: int, source: str, tokenizer: TextTokenizer
) -> Mixture[Template | ChatTemplate]:
    """With chat forms bound to the tokenizer's model. Raises UsageError for a template there is not, or that the model
    has no place for."""
    templates = [bind(template, tokenizer) for template in named_templates(parts, source)]
    return Mixture([(template, part.weight) for template, part in zip(templates, parts, strict=True)], seed)


def drops(given: bool | None, template: Template | ChatTemplate) -> bool:
    """Whether the heading of an empty input is left out: as the run says, else as the template does."""
    return template.drop_empty_input if given is None else given


def policy_of(prompt: PromptSection) -> Policy:
    """What the preview of a row needs of a run."""
    from core.examples.preview import Policy

    return Policy(prompt.loss_on, prompt.too_long, prompt.max_seq_length, prompt.drop_empty_input)
