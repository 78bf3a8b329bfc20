"""The templates that the Prompts room can show, the tokenizer they are bound to, and the mixture of the run.

Read once and kept until `forget_templates`. For one thread at a time. Knows no widgets.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from core.base.errors import ModelError, SuironError, UsageError
from core.examples.draw_template import Mixture
from core.examples.example import AnyTemplate
from core.runs.spec import RunSpec
from core.templates.bind_chat_template import bind_chat_template
from core.templates.by_name import ListedTemplate, list_templates
from tui.actions import key_of
from tui.prompts.token_texts import TokenTexts

if TYPE_CHECKING:
    from core.templates.template import Template
    from core.tokens.tokenizer import TextTokenizer


@dataclass(frozen=True)
class MixtureChoice:
    """The mixture of a run, or why there is none."""

    mixture: Mixture[AnyTemplate] | None = None
    """None where a template of it cannot be used."""
    shares: tuple[tuple[str, float], ...] = ()
    """Template and its share, 0 to 1, of the rows that have reasoning."""
    error: SuironError | None = None
    """Why there is no mixture."""


class TemplateCatalog:
    """Template files, bound to the model of the last `use_model`."""

    def __init__(self) -> None:
        self.tokenizer: TextTokenizer | None = None
        self.token_texts: TokenTexts | None = None
        self.why_no_tokenizer = ""
        self._model: str | None = None
        self._folders: tuple[Path, ...] = ()
        self._listed: list[ListedTemplate] | None = None
        self._bound: dict[str, AnyTemplate] = {}
        self._choice: tuple[object, MixtureChoice] | None = None

    def forget_templates(self) -> None:
        """Files may have changed: the next request reads them again."""
        self._listed, self._bound, self._choice = None, {}, None

    def forget_missing_model(self) -> None:
        """A model that was missing may be there now: the next request looks again."""
        if self.tokenizer is None:
            self._model = None

    def use_model(self, model: str) -> None:
        """Load the tokenizer of `model`; where there is none, `why_no_tokenizer` says why."""
        if model == self._model:
            return
        self._model = model
        self.tokenizer, self.token_texts, self.why_no_tokenizer = None, None, ""
        self._bound, self._choice = {}, None
        try:
            from core.models.tokenizer_folder import tokenizer_folder
            from core.tokens.tokenizer import TextTokenizer

            folder = tokenizer_folder(model)
            if folder is None:
                self.why_no_tokenizer = f"no tokens: the model {model} is not on this disk yet"
                return
            self.tokenizer = TextTokenizer.from_folder(folder)
            self.token_texts = TokenTexts(self.tokenizer)
        except ModelError as error:
            self.why_no_tokenizer = f"no tokens: {error}"

    def list_files(self, folders: tuple[Path, ...]) -> list[ListedTemplate]:
        """Every template file. folders: those beside the data."""
        if self._listed is None or folders != self._folders:
            self.forget_templates()
            self._folders = folders
            self._listed = list_templates(folders)
        return self._listed

    def file_of(self, name: str) -> ListedTemplate | None:
        """The file of a template: Suiron's own, else the one nearest to the data."""
        same_name = [listed for listed in self._listed or [] if listed.name == name]
        own = next((listed for listed in same_name if listed.origin == "built in"), None)
        return own or (same_name[-1] if same_name else None)

    def template_words(self, name: str) -> str | None:
        """The description in a template's file; None where the template cannot be used."""
        listed = self.file_of(name)
        return listed.template.words if listed is not None and listed.template is not None else None

    def text_templates(self) -> list[Template]:
        """Every template of text; those that are a model's chat template are not among them."""
        templates = [listed.template for listed in self._listed or [] if listed.template is not None]
        return [template for template in templates if template.chat is None]

    def bound_template(self, name: str) -> AnyTemplate:
        """The template, bound to the model where it is a chat template. Raises UsageError, or what is wrong with its
        file."""
        listed = self.file_of(name)
        if listed is None:
            choose, edit = key_of("prompts.next_template"), key_of("prompts.edit_template")
            do = f"Choose another with {choose}, or write it with {edit}"
            raise UsageError("there is no such template", name, do)
        if listed.template is None:
            raise listed.error or UsageError("the template cannot be read", name)
        if name not in self._bound:
            self._bound[name] = self.bind_to_model(listed.template)
        return self._bound[name]

    def bind_to_model(self, template: Template) -> AnyTemplate:
        """Raises UsageError for a chat template where the model is missing, or has no place for a row."""
        if template.chat is None:
            return template
        if self.tokenizer is None:
            what = "this is the model's own chat template, and the model is missing"
            raise UsageError(what, template.name, f"Choose a model with {key_of('app.model')}")
        return bind_chat_template(template, self.tokenizer)

    def mixture_of(self, spec: RunSpec) -> MixtureChoice:
        """The run's mixture, made of the templates there are."""
        key = (spec.prompt.mixture, spec.prompt.seed)
        if self._choice is None or self._choice[0] != key:
            self._choice = (key, self._make_mixture(spec))
        return self._choice[1]

    def _make_mixture(self, spec: RunSpec) -> MixtureChoice:
        parts = spec.prompt.mixture
        try:
            templates = [self.bound_template(part.template) for part in parts]
            weights = [part.weight for part in parts]
            mixture = Mixture(list(zip(templates, weights, strict=True)), spec.prompt.seed)
        except SuironError as error:
            total = sum(part.weight for part in parts) or 1.0
            return MixtureChoice(None, tuple((part.template, part.weight / total) for part in parts), error)
        names = [template.name for template in mixture.templates]
        return MixtureChoice(mixture, tuple(zip(names, mixture.shares(), strict=True)))
