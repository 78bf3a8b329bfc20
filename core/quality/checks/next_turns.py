"""Outputs in which the conversation goes on: after the answer stands the next question of the user."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from core.base.row import is_blank
from core.quality.check_interface import CheckBlock, CheckContext, RowCheck
from core.quality.finding_kind import FindingKind

if TYPE_CHECKING:
    from core.quality.findings import Findings
    from core.quality.row_blocks import RowBlock

_WRITTEN = ("reasoning", "output")  # columns that the model learns to write
_SPEAKERS = "Human|User|Assistant|Instruction|ユーザー|アシスタント|人間|人间|用户|用戶|人类|人類|助手"
_HEADINGS = "Human|User|Assistant|AI|Bot|Instruction|Input|Question|Response|Prompt|ユーザー|アシスタント|用户|助手"
_TURN = re.compile(
    rf"(?m)(?<!\A)^[ \t]*(?P<mark>\*\*)?(?:{_SPEAKERS})(?(mark)(?:\*\*[ \t]*[:：]|[:：][ \t]*\*\*)|[ \t]*[:：])|"
    rf"(?<!\A)^[ \t]*(?P<heading>#{{2,4}}[ \t]*(?:{_HEADINGS})[ \t]*[:：])|"
    r"(?<!\A)^[ \t]*(?:<\|?(?:user|human)\|?>|\[(?:USER|HUMAN|User|Human)\])"
)
_QUESTION_AND_ANSWER = re.compile(
    r"(?m)^[ \t]*(?:Q|Question|質問|問題?|问题?|问|提问)[ \t]*\d*[:：][^\n]*\n(?:[^\n]*\n){0,5}?[ \t]*"
    r"(?:A|Answer|回答|答え?|答案)[ \t]*\d*[:：]"
)
_CANDIDATE = rf"(?im)^[ \t]*(?:\*\*|#{{2,4}}|<\|?|\[)?[ \t]*(?:{_SPEAKERS}|{_HEADINGS}|Q|質問|問|问|提问)"
_IS_CONVERSATION = re.compile(
    r"dialog|conversation|\bchats?\b|\bchatbot|transcript|interview|\bscript\b|role-?play|\bFAQ|quiz|flash ?card|"
    r"\bQ ?(?:&|and) ?A\b|\bsurvey|\bquestions\b|user stor|"
    r"会話|対話|台本|インタビュー|クイズ|例題|例を|例文|质问和|对话|對話|会话|访谈|剧本|问答|问卷|题目|例子|示例",
    re.IGNORECASE,
)

KINDS = (
    FindingKind(
        "next_turn",
        "error",
        "the next turn of the conversation inside the text",
        "The model learns to ask itself the next question instead of stopping after its answer",
        "Cut the text where the next turn begins",
    ),
)


class NextTurnCheck:
    """Finds lines that begin with the name of someone who asks, after other text. A heading in `known`, which is a
    marker of the rows' templates, is left to the check of those."""

    def __init__(self, known: frozenset[str]) -> None:
        self._known = known

    def __call__(self, block: RowBlock, findings: Findings) -> None:
        for column in _WRITTEN:
            for position in block.positions_matching(column, _CANDIDATE):
                if self._runs_on(block[column][position], column) and not _IS_CONVERSATION.search(
                    block.request(position)
                ):
                    findings.add("next_turn", block.indices[position], column)

    def _runs_on(self, text: str, column: str) -> bool:
        for turn in _TURN.finditer(text):
            if text[: turn.start()].strip() and (turn["heading"] or "").strip() not in self._known:
                return True
        # reasoning may well put a question to itself
        pair = _QUESTION_AND_ANSWER.search(text) if column == "output" else None
        return pair is not None and not is_blank(text[: pair.start()])


def _prepare(context: CheckContext) -> CheckBlock:
    return NextTurnCheck(frozenset(marker for markers in context.trained.markers for marker in markers.all()))


CHECK = RowCheck(KINDS, _prepare)
