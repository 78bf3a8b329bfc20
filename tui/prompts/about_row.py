"""The lines above a row in the Prompts room: the row, its template, token counts and warnings."""

from __future__ import annotations

from textual.content import Content

from core.base.errors import error_sentences
from core.base.plural import counted
from core.base.row import Row
from core.base.safe_text import safe_line
from core.examples.preview import RowPreview
from core.runs.prompt_texts import loss_text
from core.tokens.loss_mask import SectionWeights
from core.tokens.segments import SLOT_COUNT
from tui.actions import key_of
from tui.prompts.row_remarks import is_refused, row_remarks
from tui.prompts.row_view_data import VIEW_MODES, RowView
from tui.prompts.sheet_lines import SECTION_LETTERS, SECTION_WORDS, TRAINED, UNTRAINED, wrap_text
from tui.prompts.template_catalog import MixtureChoice

_SECTION_STYLES = ("", "$accent", "$reasoning", "$accent", "$success", "$warning")
_REMARK_STYLES = {
    ("warning", True): "bold $warning",
    ("warning", False): "$warning",
    ("muted", False): "$text-muted",
}
_LEAST_REMARKS = 5  # lines above a row, on a screen of any height


def about_row(view: RowView, width: int, height: int, editor_keys: str = "") -> list[Content]:
    """The lines above the sheet, in `width` cells. height: of the screen, in rows, of which warnings and notes take a
    third at most; editor_keys: a line about the editor's keys while a template is being written."""
    if view.row is None:
        return [Content.styled("There are no rows to show.", "$text-muted")]
    lines = [_row_line(view, view.row)]
    if view.preview is not None and not is_refused(view.preview):
        lines += _token_lines(view, view.preview)
    lines.append(_draw_line(view, view.row))
    if editor_keys:
        lines.append(Content.styled(editor_keys, "$text-muted"))
    return lines + _remark_lines(view, width, max(_LEAST_REMARKS, height // 3))


def draw_words(draw: float, draw_range: tuple[float, float]) -> str:
    """`drawn 0.412 ≥ 0.15`. draw_range: the range of draws that select the template."""
    low, high = draw_range
    if low <= 0.0 and high >= 1.0:
        return f"drawn {draw:.3f}"
    if high >= 1.0 - 1e-9:
        return f"drawn {draw:.3f} ≥ {low:.3g}"
    return f"drawn {draw:.3f} < {high:.3g}" + (f" and ≥ {low:.3g}" if low > 0.0 else "")


def shares_words(choice: MixtureChoice) -> str:
    """`alpaca 15 %, alpaca-reasoning 85 %`."""
    return ", ".join(f"{safe_line(name, 40)} {100 * share:.3g} %" for name, share in choice.shares)


def _row_line(view: RowView, row: Row) -> Content:
    request = view.request
    parts = [
        Content.styled(f"row {row.index}", "bold"),
        Content.styled(f"  {view.position + 1:,} of {view.count:,}  ", "$text-muted"),
    ]
    if view.template is not None:
        parts.append(Content.styled(safe_line(view.template.name, 40), "bold $primary"))
        how = "chosen" if request.template else "as drawn"
        if request.draft is not None:
            how = "being written"
        parts.append(Content.styled(f" {how}  ", "$text-muted"))
    for mode in VIEW_MODES:
        if mode == request.mode:
            parts.append(Content.styled(f"[{mode}]", "bold"))
        else:
            parts.append(Content.styled(f" {mode} ", "$text-muted"))
    return Content("").join(parts)


def _token_lines(view: RowView, preview: RowPreview) -> list[Content]:
    """Tokens of each section, then their sums."""
    counts = preview.section_counts() if preview.ids else []
    sections = Content("").join(
        [
            _section_words(slot, preview.weights[slot], counts[slot][0] if counts else None)
            for slot in range(SLOT_COUNT)
            if preview.present >> slot & 1
        ]
    )
    if not preview.ids:
        why = "no tokens"
        if view.why_no_tokenizer:
            why = f"{safe_line(view.why_no_tokenizer, 200)}; only the text is shown"
        return [sections, Content.styled(why, "$warning")]
    prompt = view.request.spec.prompt
    tokens = sum(count for count, _ in counts)
    trained = sum(count for _, count in counts)
    loss = "weights" if isinstance(prompt.loss_on, SectionWeights) else loss_text(prompt.loss_on)
    sums = Content(f"{tokens:,} of {counted(prompt.max_seq_length, 'token')}, {trained:,} trained")
    settings = Content.styled(f"  loss {loss}  long rows {prompt.too_long.replace('_', ' ')}", "$text-muted")
    return [sections, sums + settings]


def _section_words(slot: int, weight: float, tokens: int | None) -> Content:
    """`R┃reasoning 120 ×0.5`."""
    stroke = TRAINED if weight else UNTRAINED
    letter = Content.styled(f"{SECTION_LETTERS[slot]}{stroke}", f"bold {_SECTION_STYLES[slot]}".strip())
    count = f" {tokens:,}" if tokens is not None else ""
    factor = f" ×{weight:g}" if weight not in (0.0, 1.0) else ""
    return letter + Content(f"{SECTION_WORDS[slot]}{count}{factor}  ")


def _draw_line(view: RowView, row: Row) -> Content:
    """Which template the run trains the row with, and why."""
    if not view.trained_rows.includes(row):
        flag = safe_line(row.sysflag, 30) or "(empty)"
        trained_flag = safe_line(view.trained_rows.flag, 30)
        return Content.styled(f"not trained: its sysflag is {flag}, the run trains on {trained_flag}", "$warning")
    if view.choice.mixture is None:
        return Content.styled(f"no mixture: {safe_line(str(view.choice.error), 200)}", "$warning")
    if view.drawn is None:
        return Content.styled("not trained: no reasoning, and every template of the mixture needs one", "$warning")
    how = draw_words(view.draw, view.draw_range) if row.has_reasoning else "without reasoning"
    name = Content.styled(safe_line(view.drawn.name, 40), "bold")
    return Content(f"{how}: ") + name + Content.styled(f"  of {shares_words(view.choice)}", "$text-muted")


def _remark_lines(view: RowView, width: int, most: int) -> list[Content]:
    """Warnings, then notes on the template, in at most `most` lines. In the view of the prompts, the sheet has them."""
    remarks = row_remarks(view.preview, view.notes) if view.request.mode != "prompts" else []
    lines = [
        Content.styled(line, _REMARK_STYLES[remark.role, remark.strong])
        for remark in remarks
        for line in remark.lines(width)
    ]
    if view.draft_error is not None:
        trouble = wrap_text(f"⚠ {safe_line(error_sentences(view.draft_error).line, 300)}", width)
        lines = [*(Content.styled(line, "bold $error") for line, _ in trouble), *lines]
    if len(lines) > most:
        rest = f"… {counted(len(remarks), 'remark')} in all; {key_of('prompts.next_view')} shows them with the prompts"
        lines = [*lines[: most - 1], Content.styled(rest, "$warning")]
    return lines
