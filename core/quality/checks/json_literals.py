"""Texts that are a literal of JSON or Python, such as a list with one text, where nobody asked for one."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Any

import msgspec

from core.base.row import is_blank
from core.quality.check_interface import RowCheck
from core.quality.finding_kind import FindingKind

if TYPE_CHECKING:
    from core.quality.findings import Findings
    from core.quality.row_blocks import RowBlock

_CANDIDATE = r"""^\s*(?:\[[^\x00]*\]|\{[^\x00]*\}|"[^\x00]*\\[^\x00]*")\s*$"""
_MOST_READ = 100_000  # characters of a literal
_IS_ASKED_FOR = re.compile(
    r"json|yaml|\bxml\b|\blists?\b|\barrays?\b|\bdict|\bobjects?\b|\bschema|\btuples?\b|\bsets?\b|\bvectors?\b|"
    r"\bmatri(?:x|ces)\b|\bfunctions?\b|\btools?\b|\bpython\b|\bjavascript\b|\bcode\b|\bprogram|\bAPI\b|\bbrackets?\b|"
    r"\bstructured\b|\bkeys?\b|\bentities\b|\bextract|\bintervals?\b|\bcoordinates?\b|"
    r"リスト|配列|辞書|オブジェクト|形式|括弧|抽出|行列|ベクトル|関数|コード|"
    r"列表|数组|陣列|字典|对象|格式|括号|抽取|提取|矩阵|向量|函数|代码|集合|区间|坐标",
    re.IGNORECASE,
)

KINDS = (
    FindingKind(
        "json_literal",
        "warning",
        "the text is a JSON or Python literal",
        "Brackets, quotes and escapes come from the file, not from an author, and the model would learn to write them",
        "Choose the part of the value that is the text, with `data map`, or rewrite the field",
    ),
)


def check_literals(block: RowBlock, findings: Findings) -> None:
    for column in ("instruction", "reasoning", "output"):
        for position in block.positions_matching(column, _CANDIDATE):
            text = block[column][position].strip()
            if _is_literal(text) and not (column != "instruction" and _may_be_meant(block, position)):
                findings.add("json_literal", block.indices[position], column)


def _may_be_meant(block: RowBlock, position: int) -> bool:
    return not is_blank(block["tools"][position]) or _IS_ASKED_FOR.search(block.request(position)) is not None


def _is_literal(text: str) -> bool:
    """Whether the text is a list or an object with a text in it, a list of one value, or a text with escapes. A list of
    numbers may be an answer as people write it."""
    value = _literal_value(text)
    if isinstance(value, str):
        return "\\" in text
    if isinstance(value, list):
        return len(value) == 1 or any(isinstance(item, str | list | dict) for item in value)
    return isinstance(value, dict) and any(isinstance(key, str) for key in value)


def _literal_value(text: str) -> Any:
    """The value of a literal, or None. A text that is no literal is common: it only looks like one."""
    if len(text) > _MOST_READ:
        return None
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        pass
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return None


CHECK = RowCheck(KINDS, lambda context: check_literals)
