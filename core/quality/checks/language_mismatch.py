"""Rows with texts in different languages, or in another language than syslang.

The scripts decide first; only texts for which they are not enough are read closely.
"""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING

from core.base.row import TEXTS, is_blank
from core.quality.check_interface import RowCheck
from core.quality.finding_kind import FindingKind
from core.quality.text.language_of_text import (
    common_word_hits,
    is_about_languages,
    language_of_common_words,
    language_of_syslang,
    language_of_text,
    languages_of_scripts,
    surely_differ,
)

if TYPE_CHECKING:
    from core.quality.findings import Findings
    from core.quality.row_blocks import RowBlock

_LONG_WORD = re.compile(r"\b[a-z]{4,}\b")
_READ = 500  # characters in which words are sought that two texts share
_EVIDENCE = 3  # common words and shared words; texts in two languages have fewer
_CJK = {"ja", "zh", "han"}

KINDS = (
    FindingKind(
        "answer_language",
        "warning",
        "answer in another language than the question",
        "The model would learn to switch languages",
        "Translate one of them, or ask for the language in the instruction",
    ),
    FindingKind(
        "wrong_syslang",
        "warning",
        "syslang is not the text's language",
        "Counts by language, and templates with a version for each language, treat the row as the wrong language",
        "Set syslang to the language of the text",
    ),
    FindingKind(
        "reasoning_language",
        "hint",
        "reasoning in another language than the question",
        "This may be intended; if it is not, the model learns to switch languages while it thinks",
        "Leave it if it is intended, or translate the reasoning",
    ),
)


class _Text:
    """One text of a row with its language, which is computed when it is first needed."""

    def __init__(self, text: str, script: str) -> None:
        self.text, self.script = text, script

    @cached_property
    def hits(self) -> dict[str, int]:
        return common_word_hits(self.text) if self.script == "latin" else {}

    @cached_property
    def common_language(self) -> str:
        return language_of_common_words(self.hits)

    @cached_property
    def language(self) -> str:
        return language_of_text(self.text) if self.script else ""

    @cached_property
    def words(self) -> frozenset[str]:
        """The words in lower case that are not short: names and most words that languages share are not among them."""
        return frozenset(_LONG_WORD.findall(self.text[:_READ]))

    def is_in(self, language: str) -> bool:
        """Whether the text is surely in this language."""
        return bool(language) and (language in (self.script, self.common_language) or language == self.language)


def check_languages(block: RowBlock, findings: Findings) -> None:
    scripts = {column: languages_of_scripts(block.character_counts[column].counts) for column in TEXTS}
    for position, row in enumerate(block.indices):
        texts = {column: _Text(block[column][position], scripts[column][position]) for column in TEXTS}
        instruction, input_text = texts["instruction"], texts["input"]
        syslang = language_of_syslang(block["syslang"][position])
        if syslang and _contradict(texts, syslang) and not is_about_languages(block.request(position)):
            findings.add("wrong_syslang", row, "syslang")
        if not instruction.script:
            continue
        for column, kind in (("output", "answer_language"), ("reasoning", "reasoning_language")):
            is_other = _in_different_languages(texts[column], instruction) and (
                is_blank(input_text.text) or _in_different_languages(texts[column], input_text)
            )
            if not is_other or (column == "reasoning" and texts[column].is_in(syslang)):
                continue  # the language of the reasoning alone may be chosen by syslang
            if not is_about_languages(block.request(position)):
                findings.add(kind, row, column)


def _in_different_languages(text: _Text, other: _Text) -> bool:
    """Whether two texts are surely in different languages."""
    if not text.script or not other.script:
        return False
    if text.script == other.script == "latin":
        if _surely_share_language(text, other):
            return False
    elif text.script == other.script or ("han" in (text.script, other.script) and {text.script, other.script} <= _CJK):
        return False
    return surely_differ(text.language, other.language)


def _surely_share_language(text: _Text, other: _Text) -> bool:
    """Whether two Latin texts are surely in one language, by cheap evidence: most rows need no more."""
    language = other.common_language or text.common_language
    if not language:
        return len(text.words & other.words) > _EVIDENCE
    if any(language_of_common_words(each.hits, fewest=1) not in ("", language) for each in (text, other)):
        return False
    hits = min(each.hits.get(language, 0) for each in (text, other))
    return hits >= _EVIDENCE or hits + len(text.words & other.words) >= _EVIDENCE


def _contradict(texts: dict[str, _Text], syslang: str) -> bool:
    """Whether the first text with a known script (question, answer or reasoning) is surely not in the language
    `syslang`, nor any other."""
    known = [texts[column] for column in ("instruction", "output", "reasoning") if texts[column].script]
    if not known or syslang in (known[0].script, known[0].common_language):
        return False
    if known[0].script == "latin" and not known[0].common_language and syslang not in ("en", "ja", "zh", "ko"):
        return False  # a rarer language in Latin letters: the model decides only where it surely is not one of these
    return surely_differ(known[0].language, syslang) and not any(text.is_in(syslang) for text in known[1:])


CHECK = RowCheck(KINDS, lambda context: check_languages)
