"""Rows with texts in different languages, or in another language than syslang.

The scripts decide first; only texts for which they are not enough are read closely.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from core.base.row import TEXTS
from core.quality.check_interface import RowCheck
from core.quality.finding_kind import FindingKind
from core.quality.text.language_of_text import (
    is_about_languages,
    language_of_common_words,
    language_of_script,
    language_of_syslang,
    language_of_text,
    surely_differ,
)

if TYPE_CHECKING:
    from core.quality.findings import Findings
    from core.quality.row_blocks import RowBlock

_INPUT_READ = 1000  # characters of an input that are searched for words about languages

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
    def common_language(self) -> str:
        return language_of_common_words(self.text) if self.script == "latin" else ""

    @cached_property
    def language(self) -> str:
        return language_of_text(self.text) if self.script else ""


def check_languages(block: RowBlock, findings: Findings) -> None:
    scripts = {
        column: [language_of_script(counts) for counts in block.character_counts[column].counts] for column in TEXTS
    }
    for position, row in enumerate(block.indices):
        texts = {column: _Text(block[column][position], scripts[column][position]) for column in TEXTS}
        instruction, input_text = texts["instruction"], texts["input"]
        syslang = language_of_syslang(block["syslang"][position])
        if syslang and _contradict(texts, syslang) and not _ask_about_languages(instruction, input_text):
            findings.add("wrong_syslang", row, "syslang")
        if not instruction.script:
            continue
        for column, kind in (("output", "answer_language"), ("reasoning", "reasoning_language")):
            is_other = _in_different_languages(texts[column], instruction) and (
                not input_text.text.strip() or _in_different_languages(texts[column], input_text)
            )
            if is_other and not _ask_about_languages(instruction, input_text):
                findings.add(kind, row, column)


def _in_different_languages(text: _Text, other: _Text) -> bool:
    """Whether two texts are surely in different languages."""
    if not text.script or not other.script:
        return False
    if text.script == other.script != "latin":
        return False
    if text.common_language and text.common_language == other.common_language:
        return False
    return surely_differ(text.language, other.language)


def _contradict(texts: dict[str, _Text], syslang: str) -> bool:
    """Whether the first text with a known script (question, answer or reasoning) is surely not in the language
    `syslang`."""
    text = next((texts[column] for column in ("instruction", "output", "reasoning") if texts[column].script), None)
    if text is None or syslang in (text.script, text.common_language):
        return False
    if text.script == "latin" and not text.common_language and syslang not in ("en", "ja", "zh", "ko"):
        return False  # a rarer language in Latin letters: the model decides only where it surely is not one of these
    return surely_differ(text.language, syslang)


def _ask_about_languages(instruction: _Text, input_text: _Text) -> bool:
    return is_about_languages(instruction.text) or is_about_languages(input_text.text[:_INPUT_READ])


CHECK = RowCheck(KINDS, lambda context: check_languages)
