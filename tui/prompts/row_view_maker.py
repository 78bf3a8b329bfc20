"""Makes what the Prompts room shows of a row, in a thread, one request at a time.

What does not change between two requests is kept. Knows no widgets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from core.base.errors import SuironError, UsageError
from core.base.row import Row
from core.data.filters import RowFilters
from core.examples.draw_template import draw_number
from core.examples.example import AnyTemplate
from core.examples.preview import RowPreview, RowPreviewer
from core.examples.prompt_preview import InferencePrompt, inference_prompts
from core.examples.template_notes import template_notes
from core.examples.trained_rows import TrainedRows
from core.templates.by_name import template_folders
from core.templates.chat_template import ChatTemplate
from core.templates.template_file import parse_template
from tui.actions import key_of
from tui.prompts.row_remarks import RemarkLines, is_refused, refused_words, row_remarks
from tui.prompts.row_view_data import AS_DRAWN, RowView, RowViewRequest
from tui.prompts.sheet_lines import JoinedLines, PromptLines, SheetLines, TextLines, TokenLines, WordLines
from tui.prompts.template_catalog import TemplateCatalog

if TYPE_CHECKING:
    from core.data.dataset import DataSet, RowSelection
    from core.templates.template import Template

DRAFT_NAME = "this text"  # what errors call a template that is being written


class RowViewMaker:
    """`make_view` answers a request. For one thread at a time."""

    def __init__(self) -> None:
        self.catalog = TemplateCatalog()
        self._previewer = RowPreviewer(None)
        self._selection: tuple[object, RowFilters, RowSelection] | None = None
        self._good_draft: tuple[str, Template] | None = None  # the last text that was a template
        self._last_preview: tuple[object, RowPreview] | None = None

    def forget_draft(self) -> None:
        self._good_draft = None

    def template_to_save(self, view: RowView) -> Template | None:
        """The template that is being written, or the one that is shown."""
        if view.request.draft is not None:
            is_good = self._good_draft is not None and self._good_draft[0] == view.request.draft
            return self._good_draft[1] if self._good_draft is not None and is_good else None
        listed = self.catalog.file_of(view.template.name) if view.template is not None else None
        return listed.template if listed is not None else None

    def make_view(self, request: RowViewRequest) -> RowView:
        """Answer a request. Raises whatever reading the source raises."""
        spec, catalog = request.spec, self.catalog
        catalog.use_model(spec.model.name)
        if catalog.tokenizer is not self._previewer.tokenizer:
            self._previewer, self._last_preview = RowPreviewer(catalog.tokenizer), None
        files = catalog.list_files(template_folders(spec.data.source))
        selection = self.select_rows(request.dataset, request.filters)
        view = RowView(
            request,
            None,
            0,
            len(selection),
            catalog.mixture_of(spec),
            TrainedRows.of_source(spec.data.train_flag, request.dataset.columns),
            names=tuple(dict.fromkeys(listed.name for listed in files if listed.template is not None)),
            bad_files=tuple(f"{listed.path.name}: {listed.error.what}" for listed in files if listed.error is not None),
            why_no_tokenizer=catalog.why_no_tokenizer,
        )
        if not view.count:
            return view
        start = selection.position(request.index) or 0
        position = min(max(start + request.step, 0), view.count - 1)
        row = selection.page(position, 1)[0]
        return self._with_lines(_with_draw(replace(view, row=row, position=position), row), row)

    def select_rows(self, dataset: DataSet, filters: RowFilters) -> RowSelection:
        """The rows that the Data room shows; all rows while the source is still being imported."""
        if not getattr(dataset, "ready", True):
            filters = RowFilters()
        if self._selection is None or self._selection[0] is not dataset or self._selection[1] != filters:
            try:
                selection = dataset.select(filters)
            except SuironError:  # an invalid condition; the data room says so
                selection = dataset.select(RowFilters())
            self._selection = (dataset, filters, selection)
        return self._selection[2]

    def _with_lines(self, view: RowView, row: Row) -> RowView:
        """The row in its template, or the reason why it has none."""
        request = view.request
        template, error, draft_error = self._template_of(view)
        if template is None:
            none_fits = UsageError(
                "the mixture has no template for a row without reasoning",
                "",
                f"Add one with {key_of('prompts.edit_mixture')}",
            )
            error = error or draft_error or view.choice.error or none_fits
            return replace(view, error=error, lines=WordLines(str(error), request.width, "warning"))
        prompt = request.spec.prompt
        key = (row, template, prompt)
        if self._last_preview is None or self._last_preview[0] != key:
            self._last_preview = (key, self._previewer.preview(row, template, prompt))
        preview = self._last_preview[1]
        view = replace(view, template=template, preview=preview, draft_error=draft_error)
        view = replace(view, notes=tuple(template_notes(template)))
        return replace(view, lines=self._lines(view, row, template, preview))

    def _template_of(self, view: RowView) -> tuple[AnyTemplate | None, SuironError | None, SuironError | None]:
        """The template, why there is none, and what is wrong with a draft."""
        request, draft_error = view.request, None
        if request.draft is not None:
            try:
                template = parse_template(request.draft, DRAFT_NAME)
                bound = self.catalog.bind_to_model(template)
            except SuironError as error:
                draft_error = error
            else:
                self._good_draft = (request.draft, template)
                return bound, None, None
            if self._good_draft is not None:
                return self.catalog.bind_to_model(self._good_draft[1]), None, draft_error
        if request.template == AS_DRAWN:
            return view.drawn, None, draft_error
        try:
            return self.catalog.bound_template(request.template), None, draft_error
        except SuironError as error:
            return None, error, draft_error

    def _lines(self, view: RowView, row: Row, template: AnyTemplate, preview: RowPreview) -> SheetLines:
        request, catalog = view.request, self.catalog
        if request.mode == "prompts":
            remarks = RemarkLines(row_remarks(preview, view.notes), request.width)
            prompts = PromptLines(self._inference_prompts(row, template, view), request.width)
            return JoinedLines([remarks, prompts])
        if is_refused(preview):
            return WordLines(refused_words(preview), request.width, "warning")
        if request.mode == "tokens" and preview.ids and catalog.token_texts is not None:
            return TokenLines(
                preview.ids, preview.ends, preview.weights, catalog.token_texts, request.width, request.with_ids
            )
        tokenizer = catalog.tokenizer
        eos = tokenizer.eos if tokenizer is not None and preview.ids[-1:] == [tokenizer.eos_id] else ""
        return TextLines(preview.texts, preview.weights, request.width, self._added_bos(preview, template), eos)

    def _added_bos(self, preview: RowPreview, template: AnyTemplate) -> str:
        """The spelling of the beginning of sequence where the encoder adds one; else empty."""
        tokenizer, token_texts = self.catalog.tokenizer, self.catalog.token_texts
        if tokenizer is None or token_texts is None or not preview.ids:
            return ""
        bos = tokenizer.bos_ids
        if not bos or preview.ids[: len(bos)] != bos:
            return ""
        spelling = "".join(token_texts.spelling(id) for id in bos)
        text = preview.texts[0][1] if preview.texts else ""
        is_in_template = isinstance(template, ChatTemplate) and text.startswith(spelling)
        return "" if is_in_template else spelling

    def _inference_prompts(self, row: Row, template: AnyTemplate, view: RowView) -> list[InferencePrompt]:
        """The shown template's prompts first; those it lacks come from the mixture, else from Suiron's templates."""
        mixture, catalog = view.choice.mixture, self.catalog
        mixed: Sequence[AnyTemplate] = mixture.templates if mixture is not None else ()
        templates = [template, *mixed, *catalog.text_templates()]
        prompts = inference_prompts(row, templates, view.request.spec.prompt, catalog.tokenizer)
        return sorted(prompts, key=lambda prompt: prompt.template != template.name)


def _with_draw(view: RowView, row: Row) -> RowView:
    """The view with what the mixture draws for the row."""
    mixture, draw = view.choice.mixture, draw_number(row, view.request.spec.prompt.seed)
    index = mixture.template_index(row) if mixture is not None else None
    if mixture is None or index is None:
        return replace(view, draw=draw)
    return replace(view, draw=draw, drawn=mixture.templates[index], draw_range=mixture.draw_ranges()[index])
