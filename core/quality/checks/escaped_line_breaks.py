"""Line breaks that stand in a text as the two letters backslash and n."""

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

_CANDIDATE = r"\\n"
_LATEX = (  # commands that begin with n, without the backslash and the n
    "abla|atural|cong|e|ear|earrow|eg|eq|eqq|ewcommand|ewline|ewpage|exists|ge|geq|geqq|geqslant|gtr|i|kern|le|leq|leqq|"
    "leqslant|less|mid|obreak|ocite|oindent|olimits|olinebreak|onumber|ormalfont|ormalsize|ot|otag|otin|parallel|"
    "prec|preceq|shortmid|shortparallel|sim|subset|subseteq|succ|succeq|supset|supseteq|triangleleft|triangleright|u|"
    "um|vdash|vDash|warrow|Leftarrow|Leftrightarrow|Rightarrow|Vdash|VDash|leftarrow|leftrightarrow|rightarrow"
)
# no line break: behind a backslash, or at the beginning of a command of LaTeX
_BREAK = re.compile(
    rf"(?<!\\)\\n(?!(?:{_LATEX})(?![a-zA-Z]))(?:(?![a-zA-Z])|(?=[A-Z])|(?<=[\s\d.,:;!?)\]}}*$%。、，！？）」]\\n)(?=[a-z]))"
)
_QUOTED = re.compile(r"\"[^\"\n]*\"|'[^'\n]*'|\b[A-Za-z]:\\\S*|/[^/\n]*\\n[^/\n]*/")
_ABOUT_BREAKS = re.compile(
    r"new ?-?line|line ?-?(?:break|feed)|escape|backslash|regex|regular expression|carriage return|改行|エスケープ|"
    r"正規表現|换行|換行|转义|正则",
    re.IGNORECASE,
)

KINDS = (
    FindingKind(
        "escaped_line_break",
        "warning",
        r"line breaks written as \n",
        "The text was escaped once too often, and the model would learn to write a backslash and an n instead of a new "
        "line",
        "Replace them with line breaks, or export the data again",
    ),
)


def check_line_breaks(block: RowBlock, findings: Findings) -> None:
    for column in TEXTS:
        for position in block.positions_matching(column, _CANDIDATE):
            text = block[column][position]
            if has_escaped_breaks(text) and not _ABOUT_BREAKS.search(f"{block.request(position)}\n{text}"):
                findings.add("escaped_line_break", block.indices[position], column)


def has_escaped_breaks(text: str) -> bool:
    """Whether the text has line breaks as two letters, outside of code, quotes and paths."""
    prose = without_code(text)
    if not _BREAK.search(prose) or looks_like_code(prose):
        return False
    return _BREAK.search(_QUOTED.sub(" ", prose)) is not None


CHECK = RowCheck(KINDS, lambda context: check_line_breaks)
