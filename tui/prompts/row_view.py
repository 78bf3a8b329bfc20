"""What the prompts room shows of one row, made in a thread: templates, the mixture's draw, the row as it is trained,
its prompts, laid out as lines.

One job at a time; what does not change between two is kept. Knows no widgets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from core.base.errors import ModelError, SuironError, UsageError
from core.base.row import Row
from core.data.filters import Filters
from core.examples.mixture import Mixture, draw
from core.examples.preview import AnyTemplate, Ask, Examiner, Policy, Preview
from core.examples.run_mixture import policy_of
from core.runs.spec import RunSpec
from core.templates.bind_chat_template import bind
from core.templates.by_name import Listed, beside, list_templates
from core.templates.chat_template import ChatTemplate
from core.templates.template_files import parse_template
from tui.prompts.sheet_lines import AskLines, Lines, TextLines, TokenLines, TokenWords, WordLines

if TYPE_CHECKING:
    from core.data.dataset import DataSet, Selection
    from core.templates.template import Template
    from core.tokens.tokenizer import TextTokenizer

View = Literal["text", "tokens", "prompts"]
VIEWS: tuple[View, ...] = ("text", "tokens", "prompts")
AS_DRAWN = ""
DRAFT = "this text"  # what errors call a template that is being written


@dataclass(frozen=True)
class Request:
    """index: the row the person stands on; step: how many rows to go on from there, among those that pass `filters`.

    template: its name, or AS_DRAWN; draft: the text of a template that is being written, which wins.
    """

    dataset: DataSet
    filters: Filters
    index: int
    step: int
    spec: RunSpec
    template: str
    draft: str | None
    view: View
    ids: bool
    width: int


@dataclass(frozen=True)
class Chosen:
    """The mixture as it is, or why there is none. shares: asked for, of rows with reasoning."""

    mixture: Mixture[AnyTemplate] | None = None
    shares: tuple[tuple[str, float], ...] = ()
    error: SuironError | None = None


@dataclass(frozen=True)
class Laid:
    """place: of the row among `count` that are shown. drawn: the template the mixture has for it, None for none;
    number: the row's draw.

    template: the one it is shown with; error: why it cannot be shown with it, in the sheet's place; trouble: what is
    wrong with the draft, while the sheet shows the last good one. without_tokenizer: why there are no tokens, or empty.
    bad: template files that cannot be used, and why.
    """

    request: Request
    row: Row | None
    place: int
    count: int
    chosen: Chosen
    drawn: AnyTemplate | None = None
    number: float = 0.0
    bounds: tuple[float, float] = (0.0, 1.0)
    template: AnyTemplate | None = None
    preview: Preview | None = None
    lines: Lines = field(default_factory=lambda: WordLines("", 1))
    names: tuple[str, ...] = ()
    bad: tuple[str, ...] = ()
    error: SuironError | None = None
    trouble: SuironError | None = None
    without_tokenizer: str = ""


class Desk:
    """`lay` answers a request; to be called by one thread at a time."""

    def __init__(self) -> None:
        self._model: str | None = None
        self.tokenizer: TextTokenizer | None = None
        self._words: TokenWords | None = None
        self._why = ""
        self._examiner = Examiner(None)
        self._listed: list[Listed] | None = None
        self._beside: tuple[Path, ...] = ()
        self._bound: dict[str, AnyTemplate] = {}
        self._chosen: tuple[object, Chosen] | None = None
        self._selection: tuple[object, Filters, Selection] | None = None
        self._draft: tuple[str, Template] | None = None  # the last text that was a template
        self._before: tuple[object, Preview] | None = None

    # -- what stands on it --

    def forget_templates(self) -> None:
        """Files may have changed: read them again with the next request."""
        self._listed, self._bound, self._chosen, self._before = None, {}, None, None

    def forget_draft(self) -> None:
        self._draft = None

    def forget_model(self) -> None:
        """A model that was not there may have come."""
        if self.tokenizer is None:
            self._model = None

    def listed(self, folders: tuple[Path, ...]) -> list[Listed]:
        """Every template file; those beside the data are in `folders`."""
        if self._listed is None or folders != self._beside:
            self.forget_templates()
            self._beside = folders
            self._listed = list_templates(folders)
        return self._listed

    def named(self, name: str) -> Listed | None:
        """The file of a template: Suiron's own, else the one nearest to the data."""
        same = [one for one in self._listed or [] if one.name == name]
        return next((one for one in same if one.origin == "built in"), same[-1] if same else None)

    def template(self, name: str) -> AnyTemplate:
        """Bound to the model where it is a chat form. Raises UsageError or what is wrong in its file."""
        found = self.named(name)
        if found is None:
            raise UsageError("there is no such template", name, "Choose another with t, or write it with e")
        if found.template is None:
            raise found.error or UsageError("the template cannot be read", name)
        if name not in self._bound:
            self._bound[name] = self.bound(found.template)
        return self._bound[name]

    def bound(self, template: Template) -> AnyTemplate:
        if template.chat is None:
            return template
        if self.tokenizer is None:
            raise UsageError(
                "this is the model's own chat form, and the model is not here", template.name, "Choose a model with m"
            )
        return bind(template, self.tokenizer)

    def template_to_save(self, laid: Laid) -> Template | None:
        """The one that is being written, or the one that is shown."""
        if laid.request.draft is not None:
            return self._draft[1] if self._draft is not None and self._draft[0] == laid.request.draft else None
        found = self.named(laid.template.name) if laid.template is not None else None
        return found.template if found is not None else None

    def _take_model(self, model: str) -> None:
        if model == self._model:
            return
        self._model, self.tokenizer, self._words, self._why = model, None, None, ""
        self._bound, self._chosen, self._before = {}, None, None
        try:
            from core.models.tokenizer_folder import tokenizer_folder
            from core.tokens.tokenizer import TextTokenizer

            folder = tokenizer_folder(model)
            if folder is None:
                self._why = f"no tokens: the model {model} is not on this disk yet"
            else:
                self.tokenizer = TextTokenizer.from_folder(folder)
                self._words = TokenWords(self.tokenizer)
        except ModelError as error:
            self._why = f"no tokens: {error}"
        self._examiner = Examiner(self.tokenizer)

    def mixture(self, spec: RunSpec) -> Chosen:
        """The spec's, made of the templates there are."""
        key = (spec.prompt.mixture, spec.prompt.seed)
        if self._chosen is None or self._chosen[0] != key:
            self._chosen = (key, self._mixture(spec))
        return self._chosen[1]

    def _mixture(self, spec: RunSpec) -> Chosen:
        try:
            mixture = Mixture(
                [(self.template(part.template), part.weight) for part in spec.prompt.mixture], spec.prompt.seed
            )
        except SuironError as error:
            total = sum(part.weight for part in spec.prompt.mixture) or 1.0
            return Chosen(None, tuple((part.template, part.weight / total) for part in spec.prompt.mixture), error)
        return Chosen(
            mixture, tuple((one.name, share) for one, share in zip(mixture.templates, mixture.shares(), strict=True))
        )

    # -- one request --

    def lay(self, request: Request) -> Laid:
        """Raises what a source raises when it is read."""
        spec = request.spec
        self._take_model(spec.model.name)
        listed = self.listed(beside(spec.data.source))
        names = tuple(dict.fromkeys(one.name for one in listed if one.template is not None))
        bad = tuple(f"{one.path.name}: {one.error.what}" for one in listed if one.error is not None)
        chosen = self.mixture(spec)
        selection = self.selection(request.dataset, request.filters)
        count = len(selection)
        if not count:
            return Laid(request, None, 0, 0, chosen, names=names, bad=bad, without_tokenizer=self._why)
        here = selection.position(request.index)
        place = min(max((0 if here is None else here) + request.step, 0), count - 1)
        row = selection.page(place, 1)[0]
        drawn = chosen.mixture.choose(row) if chosen.mixture is not None else None
        number, bounds = draw(row, spec.prompt.seed), (0.0, 1.0)
        if drawn is not None and chosen.mixture is not None:
            low = 0.0
            for one, share in zip(chosen.mixture.templates, chosen.mixture.shares(), strict=True):
                if one is drawn:
                    bounds = (low, low + share)
                low += share
        laid = Laid(
            request,
            row,
            place,
            count,
            chosen,
            drawn=drawn,
            number=number,
            bounds=bounds,
            names=names,
            bad=bad,
            without_tokenizer=self._why,
        )
        template, error, trouble = self._shown_with(request, chosen, drawn)
        if template is None:
            error = (
                error
                or trouble
                or chosen.error
                or UsageError("no template of the mixture is for a row without reasoning", "", "Add one with w")
            )
            return replace(laid, error=error, lines=WordLines(str(error), request.width, "warning"))
        policy = policy_of(spec.prompt)
        key = (row, template, policy)
        if self._before is None or self._before[0] != key:
            self._before = (key, self._examiner.preview(row, template, policy))
        preview = self._before[1]
        return replace(
            laid,
            template=template,
            preview=preview,
            lines=self._lines(request, row, template, preview, chosen, policy),
            trouble=trouble,
        )

    def selection(self, dataset: DataSet, filters: Filters) -> Selection:
        """The rows that the data room shows; all of them while it cannot be asked."""
        if not getattr(dataset, "ready", True):
            filters = Filters()
        if self._selection is None or self._selection[0] is not dataset or self._selection[1] != filters:
            try:
                made = dataset.select(filters)
            except SuironError:  # a condition that cannot be; the data room says so
                made = dataset.select(Filters())
            self._selection = (dataset, filters, made)
        return self._selection[2]

    def _shown_with(
        self, request: Request, chosen: Chosen, drawn: AnyTemplate | None
    ) -> tuple[AnyTemplate | None, SuironError | None, SuironError | None]:
        """The template, why there is none, and what is wrong with a draft."""
        trouble: SuironError | None = None
        if request.draft is not None:
            try:
                template = parse_template(request.draft, DRAFT)
                bound = self.bound(template)
            except SuironError as error:
                trouble = error
            else:
                self._draft = (request.draft, template)
                return bound, None, None
            if self._draft is not None:
                return self.bound(self._draft[1]), None, trouble
        if request.template == AS_DRAWN:
            return drawn, None, trouble
        try:
            return self.template(request.template), None, trouble
        except SuironError as error:
            return None, error, trouble

    def _lines(
        self, request: Request, row: Row, template: AnyTemplate, preview: Preview, chosen: Chosen, policy: Policy
    ) -> Lines:
        width = request.width
        if request.view == "prompts":
            return AskLines(self.asks(row, template, chosen, policy), width)
        if request.view == "tokens" and preview.ids and self._words is not None:
            return TokenLines(preview.ids, preview.ends, preview.weights, self._words, width, request.ids)
        eos = self.tokenizer.eos if self.tokenizer is not None and preview.ids[-1:] == [self.tokenizer.eos_id] else ""
        return TextLines(preview.texts, preview.weights, width, self._begin(preview, template), eos)

    def _begin(self, preview: Preview, template: AnyTemplate) -> str:
        """The beginning of sequence as it is spelt, where the encoder adds one."""
        if self.tokenizer is None or self._words is None or not preview.ids:
            return ""
        bos = self.tokenizer.bos_ids
        spelt = "".join(self._words.spelt(id) for id in bos)
        text = preview.texts[0][1] if preview.texts else ""
        written = isinstance(template, ChatTemplate) and text.startswith(spelt)
        return spelt if bos and preview.ids[: len(bos)] == bos and not written else ""

    def asks(self, row: Row, template: AnyTemplate, chosen: Chosen, policy: Policy) -> list[Ask]:
        """With the shown template first; the other kind comes from the mixture, else from Suiron's own."""
        others: Sequence[AnyTemplate] = chosen.mixture.templates if chosen.mixture is not None else ()
        own = [one.template for one in self._listed or [] if one.template is not None and one.template.chat is None]
        asks = self._examiner.asks(row, [template, *others, *own], policy)
        return sorted(asks, key=lambda ask: ask.template != template.name)
