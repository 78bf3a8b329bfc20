"""Outputs that refuse although the reasoning solves the task."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from core.base.row import is_blank
from core.quality.check_interface import RowCheck
from core.quality.finding_kind import FindingKind

if TYPE_CHECKING:
    from core.quality.findings import Findings
    from core.quality.row_blocks import RowBlock

_BEGINNING = 160  # characters of an output in which a refusal begins
_UNABLE = (
    r"(?:can(?:'|’)?t|can ?not|(?:am|(?:'|’)m)?\s*(?:not able|unable) to|"
    r"(?:am|(?:'|’)m) not (?:comfortable|allowed|permitted))"
)
_REFUSAL = re.compile(
    r"(?:I(?:'|’)?\s?a?m (?:so |very |really )?(?:sorry|afraid)|apologies|apologi[sz]e|sorry|unfortunately)\b"
    rf"[^.\n]{{0,60}}?\bI\s*{_UNABLE}|"
    rf"^\W*I\s*{_UNABLE}\s+(?:\w+ )?(?:assist|help|answer|provide|fulfil|fulfill|comply|do that|complete|respond)|"
    r"as an? (?:AI|artificial intelligence|(?:large )?language model)[^.\n]{0,60}"
    r"(?:cannot|can(?:'|’)t|unable|not able)|"
    r"(?:申し訳(?:ありません|ございません|ない)|すみません|ごめんなさい|恐れ入ります)[^\n]{0,40}"
    r"(?:できません|できかねます|致しかねます|いたしかねます|お答え|お手伝い|回答|対応)|"
    r"(?:お答え|回答|対応|お手伝い)(?:する(?:こと|の)は?)?(?:が|は)?(?:できません|できかねます|致しかねます)|"
    r"(?:抱歉|对不起|對不起|很遗憾|不好意思)[^\n]{0,30}(?:无法|無法|不能|没办法|沒辦法|拒绝)|"
    r"(?:我|作为[^\n，]{0,20}，我?)(?:无法|無法|不能)(?:回答|提供|帮助|幫助|协助|完成|满足|处理)",
    re.IGNORECASE,
)
_CANDIDATE = (
    r"(?i)sorry|apolog|unfortunately|afraid|language model|as an ai|\bI\s*(?:can|am|'m|’m|could|won|un)|"
    r"申し訳|すみません|ごめん|恐れ入|できません|かねます|抱歉|对不起|對不起|遗憾|不好意思|无法|無法|不能"
)
# reasoning that decides to refuse, or that finds no answer, agrees with the refusal
_AGREES = re.compile(
    r"refus|declin|harm|illegal|unethical|inappropriate|polic(?:y|ies)|guideline|unsafe|danger|sensitive|private|privacy|"
    r"sorry|apolog|(?:can(?:'|’)?t|cannot|can not|unable to|not able to) (?:\w+ )?(?:assist|help|answer|provide|fulfil|"
    r"comply|determine|be determined|know|tell|access|see|browse|verify|do)|not enough|insufficient|no information|"
    r"don(?:'|’)t (?:have|know)|do not (?:have|know)|missing|unclear|ambiguous|impossible|"
    r"拒否|断る|断り|お断り|有害|危険|違法|不適切|できません|できない|わかりません|分からない|情報が(?:ない|不足|足り)|"
    r"拒绝|拒絕|有害|危险|违法|不当|不合适|无法|無法|不能|不知道|信息不足|缺少|没有足够",
    re.IGNORECASE,
)

KINDS = (
    FindingKind(
        "refused_answer",
        "warning",
        "the output refuses although the reasoning solves the task",
        "The model learns to refuse what it has just worked out",
        "Write the answer that the reasoning reaches, or delete the row",
    ),
)


def check_refusals(block: RowBlock, findings: Findings) -> None:
    for position in block.positions_matching("output", _CANDIDATE):
        reasoning = block["reasoning"][position]
        if is_blank(reasoning) or not _REFUSAL.search(block["output"][position].lstrip()[:_BEGINNING]):
            continue
        if not _AGREES.search(reasoning):
            findings.add("refused_answer", block.indices[position], "output")


CHECK = RowCheck(KINDS, lambda context: check_refusals)
