"""The one table of the markers with which public models and data sets separate a thought from an answer.

A stream is sorted with `family_markers`, complete texts are split at `THINKING_PAIRS`, and a check looks for
`TELLING_SPELLINGS`. Knows spellings only: no tokens, templates or columns.
"""

from __future__ import annotations

import re
from functools import lru_cache

import msgspec

from core.splitter.marker_spellings import THINK, Markers, Pair


class MarkerFamily(msgspec.Struct, frozen=True):
    """One way to write a thought before an answer."""

    name: str
    """One word, for users."""
    pairs: tuple[Pair, ...]
    """What stands around the thought; the first is the usual spelling."""
    wraps: tuple[Pair, ...] = ()
    """What may stand around the answer after it."""
    continues: tuple[str, ...] = ()
    """Further spellings with which the thought goes on, such as another message of the analysis."""
    finals: tuple[str, ...] = ()
    """Further spellings that open the answer, with or without a thought before it."""
    ends: tuple[str, ...] = ()
    """Further spellings that the model writes only as the last of its answer."""
    is_prose: bool = False
    """Whether ordinary text may contain these spellings, so that they count only where an answer begins."""

    @property
    def openers(self) -> tuple[str, ...]:
        """What a thought begins with."""
        return tuple(opener for opener, _ in self.pairs)

    def spellings(self) -> tuple[str, ...]:
        """Every spelling of the family, each once."""
        pairs = [spelling for pair in (*self.pairs, *self.wraps) for spelling in pair]
        return tuple(dict.fromkeys([*pairs, *self.continues, *self.finals, *self.ends]))


_ANSWER = (*THINK.wraps, ("<output>", "</output>"))
_NEXT = "<|end|><|start|>assistant"  # between two messages of one turn
_FINALS = tuple(
    f"<|channel|>final{constraint}<|message|>"
    for constraint in ("", " <|constrain|>json", "<|constrain|>json", " json", " <|constrain|>text")
)
_THOUGHTS = ("<|channel|>analysis<|message|>", "<|channel|>commentary<|message|>")

THINKING_FAMILIES = (
    MarkerFamily("think", (("<think>", "</think>"),), THINK.wraps),
    MarkerFamily(
        "begin_of_thought",
        (("<|begin_of_thought|>", "<|end_of_thought|>"),),
        (("<|begin_of_solution|>", "<|end_of_solution|>"),),
        finals=("<|begin_of_solution|>",),
    ),
    MarkerFamily("thinking", (("<thinking>", "</thinking>"),), _ANSWER),
    MarkerFamily(
        "thought", (("<thought>", "</thought>"), ("<Thought>", "</Thought>")), (("<Output>", "</Output>"), *_ANSWER)
    ),
    MarkerFamily("reasoning", (("<reasoning>", "</reasoning>"),), _ANSWER),
    MarkerFamily("bracket", (("[THINK]", "[/THINK]"),)),
    MarkerFamily("triangle", (("◁think▷", "◁/think▷"),)),
    MarkerFamily("seed", (("<seed:think>", "</seed:think>"),)),
    MarkerFamily("longcat", (("<longcat_think>", "</longcat_think>"),)),
    MarkerFamily(
        "start_thinking",
        (("<|START_THINKING|>", "<|END_THINKING|>"),),
        (("<|START_RESPONSE|>", "<|END_RESPONSE|>"), ("<|START_TEXT|>", "<|END_TEXT|>")),
        finals=("<|START_RESPONSE|>", "<|START_TEXT|>"),
    ),
    MarkerFamily("inner_prefix", (("<|inner_prefix|>", "<|inner_suffix|>"),)),
    MarkerFamily("working_out", (("<start_working_out>", "<end_working_out>"),), (("<SOLUTION>", "</SOLUTION>"),)),
    MarkerFamily("of_thinking", (("<｜begin▁of▁thinking｜>", "<｜end▁of▁thinking｜>"),)),
    MarkerFamily("channel_thought", (("<|channel>thought", "<channel|>"),)),
    MarkerFamily(
        "final_response",
        (("Here are my reasoning steps:", "[BEGIN FINAL RESPONSE]"),),
        ends=("[END FINAL RESPONSE]",),
        is_prose=True,
    ),
    MarkerFamily(
        "harmony",
        ((_THOUGHTS[0], f"{_NEXT}{_FINALS[0]}"),),
        continues=(_THOUGHTS[1], *(f"{_NEXT}{thought}" for thought in _THOUGHTS)),
        finals=(*(f"{_NEXT}{final}" for final in _FINALS[1:]), *_FINALS),
        ends=("<|return|>", "<|call|>"),
    ),
)
"""Every family. No opener is the beginning of another family's."""

HARMONY = THINKING_FAMILIES[-1]
THINKING_PAIRS = tuple(pair for family in THINKING_FAMILIES for pair in family.pairs)
"""What stands around the thought, of all families."""
ANSWER_WRAPS = tuple(dict.fromkeys(pair for family in THINKING_FAMILIES for pair in family.wraps))
"""What may stand around the answer after a thought, of all families."""
ALL_SPELLINGS = tuple(dict.fromkeys(spelling for family in THINKING_FAMILIES for spelling in family.spellings()))
"""Every spelling of every family, each once."""
_ORDINARY_TAG = re.compile(r"</?\w+>")


def _telling_spellings(family: MarkerFamily) -> list[str]:
    if family.is_prose:
        return []
    around = [spelling for pair in family.pairs for spelling in pair]
    others = [*(spelling for pair in family.wraps for spelling in pair), *family.continues, *family.finals]
    return around + [spelling for spelling in others if not _ORDINARY_TAG.fullmatch(spelling)]


TELLING_SPELLINGS = tuple(
    dict.fromkeys(spelling for family in THINKING_FAMILIES for spelling in _telling_spellings(family))
)
"""Every spelling that has no meaning but in a model's answer, each once: without prose, tags around an answer that
other texts use too (`<output>`), and what ends any turn."""


@lru_cache(maxsize=64)
def family_markers(family: MarkerFamily) -> Markers:
    """The markers with which a splitter reads an answer of this family."""
    closers = (closer for _, closer in family.pairs)
    return Markers(
        (*family.openers, *family.continues),
        (*closers, *family.finals),
        line_start=False,
        wraps=family.wraps,
        end=family.ends,
    )


OPENER_PREFIXES = frozenset(
    opener[:length] for family in THINKING_FAMILIES for opener in family.openers for length in range(1, len(opener))
)
"""Every proper beginning of an opener of any family."""


def family_opened_by(text: str) -> MarkerFamily | None:
    """The family whose thought begins where `text` begins (white space before it aside); None where none does."""
    bare = text.lstrip()
    return next((family for family in THINKING_FAMILIES if bare.startswith(family.openers)), None)


def family_with(opener: str) -> MarkerFamily | None:
    """The family one of whose openers is spelt `opener`; None where none is."""
    return next((family for family in THINKING_FAMILIES if opener in family.openers), None)
