"""What the prompts room says above a row: which row, with which template, how many tokens of which section, how it was
drawn, what is wrong."""

from __future__ import annotations

from textual.content import Content

from core.base.safe_text import safe_line
from core.examples.preview import Preview
from core.runs.prompt_texts import loss_text
from core.tokens.loss_mask import SectionWeights
from core.tokens.segments import SLOTS
from tui.prompts.row_view import VIEWS, Chosen, Laid
from tui.prompts.sheet_lines import LETTERS, TRAINED, UNTRAINED, WORDS, wrapped

_STYLES = ("", "$accent", "$reasoning", "$accent", "$success", "$warning")
_MORE_WARNINGS = 5  # lines of warnings above a row at most


def about_words(laid: Laid, width: int, editor: str = "") -> list[Content]:
    """The lines above the sheet, in `width` cells. editor: the words about its keys, while a template is being
    written."""
    if laid.row is None:
        return [Content.styled("There are no rows here.", "$text-muted")]
    lines = [_where(laid)]
    if laid.preview is not None:
        lines += _tokens(laid, laid.preview)
    lines.append(_draw(laid))
    if editor:
        lines.append(Content.styled(editor, "$text-muted"))
    return lines + _warnings(laid, width)


def _where(laid: Laid) -> Content:
    request, row = laid.request, laid.row
    assert row is not None  # noqa: S101 - asked above
    parts = [
        Content.styled(f"row {row.index}", "bold"),
        Content.styled(f"  {laid.place + 1:,} of {laid.count:,}  ", "$text-muted"),
    ]
    if laid.template is not None:
        parts.append(Content.styled(safe_line(laid.template.name, 40), "bold $primary"))
        how = "being written" if request.draft is not None else "chosen" if request.template else "as drawn"
        parts.append(Content.styled(f" {how}  ", "$text-muted"))
    for view in VIEWS:
        parts.append(
            Content.styled(
                f"[{view}]" if view == request.view else f" {view} ", "bold" if view == request.view else "$text-muted"
            )
        )
    return Content("").join(parts)


def _tokens(laid: Laid, preview: Preview) -> list[Content]:
    """Counts of each section, then their sums."""
    parts: list[Content] = []
    counts = preview.counts() if preview.ids else []
    for slot in range(SLOTS):
        if not preview.present >> slot & 1:
            continue
        stroke = TRAINED if preview.weights[slot] else UNTRAINED
        weight = f" ×{preview.weights[slot]:g}" if preview.weights[slot] not in (0.0, 1.0) else ""
        count = f" {counts[slot][0]:,}" if counts else ""
        parts += [
            Content.styled(f"{LETTERS[slot]}{stroke}", f"bold {_STYLES[slot]}".strip()),
            Content(f"{WORDS[slot]}{count}{weight}  "),
        ]
    first = Content("").join(parts)
    prompt = laid.request.spec.prompt
    policy = "weights" if isinstance(prompt.loss_on, SectionWeights) else loss_text(prompt.loss_on)
    if not preview.ids:
        why = (
            f"{safe_line(laid.without_tokenizer, 200)}; the text alone is shown"
            if laid.without_tokenizer
            else "no tokens"
        )
        return [first, Content.styled(why, "$warning")]
    total, learnt = sum(count for count, _ in counts), sum(count for _, count in counts)
    sums = f"{total:,} of {prompt.max_seq_length:,} tokens, {learnt:,} trained"
    return [
        first,
        Content(sums)
        + Content.styled(f"  loss {policy}  long rows {prompt.too_long.replace('_', ' ')}", "$text-muted"),
    ]


def _draw(laid: Laid) -> Content:
    row, spec, chosen = laid.row, laid.request.spec, laid.chosen
    assert row is not None  # noqa: S101
    flag = spec.data.train_flag if "sysflag" in laid.request.dataset.columns else ""
    if flag and row.sysflag != flag:
        words = f"not trained: its sysflag is {safe_line(row.sysflag, 30) or '(empty)'}, the run takes {safe_line(flag, 30)}"
        return Content.styled(words, "$warning")
    if chosen.mixture is None:
        return Content.styled(f"no mixture: {safe_line(str(chosen.error), 200)}", "$warning")
    if laid.drawn is None:
        return Content.styled("not trained: no reasoning, and every template of the mixture asks for one", "$warning")
    name = safe_line(laid.drawn.name, 40)
    if not row.reasoning or row.reasoning.isspace():
        said = Content("without reasoning: ") + Content.styled(name, "bold")
    else:
        said = Content(f"{draw_words(laid.number, laid.bounds)}: ") + Content.styled(name, "bold")
    return said + Content.styled(f"  of {shares_words(chosen)}", "$text-muted")


def draw_words(number: float, bounds: tuple[float, float]) -> str:
    """`drawn 0.412 ≥ 0.15`."""
    low, high = bounds
    if low <= 0.0 and high >= 1.0:
        return f"drawn {number:.3f}"
    if high >= 1.0 - 1e-9:
        return f"drawn {number:.3f} ≥ {low:.3g}"
    return f"drawn {number:.3f} < {high:.3g}" + (f" and ≥ {low:.3g}" if low > 0.0 else "")


def shares_words(chosen: Chosen) -> str:
    return ", ".join(f"{safe_line(name, 40)} {100 * share:.3g} %" for name, share in chosen.shares)


def _warnings(laid: Laid, width: int) -> list[Content]:
    said: list[tuple[str, str]] = []  # words, style
    preview = laid.preview
    if laid.trouble is not None:
        do = f" {laid.trouble.do}." if laid.trouble.do else ""
        said.append((f"{laid.trouble.what}.{do}", "bold $error"))
    if preview is not None:
        if preview.fate != "trained":
            said.append((f"{preview.fate}: {preview.why}", "bold $warning"))
        said += [(warning, "$warning") for warning in preview.warnings]
    lines = [(line, style) for words, style in said for line, _ in wrapped(f"⚠ {safe_line(words, 300)}", width)]
    if len(lines) > _MORE_WARNINGS:
        lines = [*lines[: _MORE_WARNINGS - 1], (f"⚠ … {len(said)} warnings in all", "$warning")]
    return [Content.styled(line, style) for line, style in lines]
