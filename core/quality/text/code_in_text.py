"""Code inside texts: removes it, and recognises texts that are code. Pure and light."""

from __future__ import annotations

import re

_CODE = re.compile(r"```.*?(?:```|\Z)|~~~.*?(?:~~~|\Z)|(?<!`)`[^`\n]+`(?!`)", re.DOTALL)
_LOOKS_LIKE_CODE = re.compile(
    r"(?m)^\s*(?:def \w+\s*\(|class \w+[(:{]|import \w+|from [\w.]+ import |#include\s*[<\"]|public (?:static|class) |"
    r"function \w*\s*\(|(?:const|let|var) \w+\s*=|using namespace |package \w+;?$|SELECT .+ FROM |<\?php|#!/)|"
    r"\b(?:print|printf|println|console\.log|cout|fprintf|puts|echo|re\.\w+|split|join|replace)\s*(?:\(|<<)"
)


def without_code(text: str) -> str:
    """The text without its code blocks and code spans in Markdown."""
    return _CODE.sub(" ", text) if "`" in text or "~~~" in text else text


def looks_like_code(text: str) -> bool:
    """Whether the text has a line of a program, outside of Markdown too."""
    return _LOOKS_LIKE_CODE.search(text) is not None
