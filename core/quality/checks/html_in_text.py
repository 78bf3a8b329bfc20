"""HTML that was left in texts: tags and entities."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from core.base.row import TEXTS
from core.quality.check_interface import RowCheck
from core.quality.finding_kind import FindingKind
from core.quality.text.code_in_text import looks_like_code, without_code

if TYPE_CHECKING:
    from core.quality.findings import Findings
    from core.quality.row_blocks import RowBlock

_CANDIDATE = r"</?[a-zA-Z][a-zA-Z0-9]*[\s/>]|&(?:[a-zA-Z]{2,8}|#\d{2,6}|#[xX][0-9a-fA-F]{2,5});"
_NAMES = (
    "p|br|div|span|strong|em|ul|ol|li|dl|dt|dd|table|thead|tbody|tr|td|th|h[1-6]|a|img|font|center|blockquote|hr|pre|"
    "html|head|body|script|style|iframe|section|article|header|footer|nav|button|form|label|small|big|tt|b|i"
)
_ATTRIBUTES = r"(?:\s+[\w:-]+(?:\s*=\s*(?:\"[^\"<>]*\"|'[^'<>]*'|[^\s\"'<>=]+)))*"
_TAG = re.compile(rf"<(?P<end>/?)(?P<name>{_NAMES})(?P<attributes>{_ATTRIBUTES})\s*/?>", re.IGNORECASE)
_AMBIGUOUS = frozenset(["a", "b", "i", "p", "em", "th"])  # a variable between < and > looks like these
_ENTITY = re.compile(
    r"&(?:nbsp|amp|lt|gt|quot|apos|mdash|ndash|hellip|lsquo|rsquo|ldquo|rdquo|bull|middot|times|divide|deg|copy|reg|"
    r"trade|eacute|egrave|agrave|ccedil|auml|ouml|uuml|szlig|laquo|raquo|euro|pound|yen|cent|frac12|frac14|#\d{2,6}|"
    r"#[xX][0-9a-fA-F]{2,5});"
)
_ABOUT_HTML = re.compile(
    r"html|\bxml\b|\bcss\b|\bsvg\b|\btags?\b|markup|web ?-?(?:page|site|scrap)|ウェブ|\bDOM\b|\bjsx\b|\breact\b|"
    r"javascript|\bphp\b|\bvue\b|\burls?\b|タグ|网页|網頁|标签|標籤|前端",
    re.IGNORECASE,
)
_TABLE_LINE = re.compile(r"(?m)^\s*\|.*\|\s*$")  # cells of Markdown tables are broken with <br>

KINDS = (
    FindingKind(
        "html_in_text",
        "warning",
        "HTML tags or entities in a text",
        "The text comes from a web page, and the model would learn to write markup into its answers",
        "Remove the tags, and write entities such as &nbsp; as the characters they stand for",
    ),
)


def check_html(block: RowBlock, findings: Findings) -> None:
    for column in TEXTS:
        for position in block.positions_matching(column, _CANDIDATE):
            if has_html(block[column][position]) and not _is_about_html(block, position, column):
                findings.add("html_in_text", block.indices[position], column)


def _is_about_html(block: RowBlock, position: int, column: str) -> bool:
    texts = (block.request(position), _TAG.sub(" ", block[column][position]))
    return any(_ABOUT_HTML.search(text) or looks_like_code(text) for text in texts)


def has_html(text: str) -> bool:
    """Whether the text has tags or entities of HTML outside of code."""
    prose = _TABLE_LINE.sub(" ", without_code(text))
    if _ENTITY.search(prose):
        return True
    return any(
        tag["end"] or tag["attributes"].strip() or tag["name"].lower() not in _AMBIGUOUS for tag in _TAG.finditer(prose)
    )


CHECK = RowCheck(KINDS, lambda context: check_html)
