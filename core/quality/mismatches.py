"""Rows whose texts are in different languages, or in another one than syslang says. Scripts decide first; only what is
left is read closely."""

from __future__ import annotations

from functools import cached_property

from core.quality.blocks import TEXTS, Block
from core.quality.findings import Findings
from core.quality.languages import ASKS, differ, language, named, plain, script


def check_languages(block: Block, findings: Findings) -> None:
    scripts = {column: [script(counts) for counts in block.letters[column].counts] for column in TEXTS}
    for place, row in enumerate(block.rows):
        texts = {column: _Text(block[column][place], scripts[column][place]) for column in TEXTS}
        asked, given = texts["instruction"], texts["input"]
        said = named(block["syslang"][place])
        if said and _contradicts(texts, said) and not _about_languages(asked, given):
            findings.add("wrong_syslang", row, "syslang")
        if not asked.script:
            continue
        for column, kind in (("output", "answer_language"), ("reasoning", "reasoning_language")):
            if (
                _other(texts[column], asked)
                and (not given.text.strip() or _other(texts[column], given))
                and not _about_languages(asked, given)
            ):
                findings.add(kind, row, column)


class _Text:
    """One text of a row; what takes time is found when it is asked for, and once."""

    def __init__(self, text: str, script: str) -> None:
        self.text, self.script = text, script

    @cached_property
    def plain(self) -> str:
        return plain(self.text) if self.script == "latin" else ""

    @cached_property
    def language(self) -> str:
        return language(self.text) if self.script else ""


def _other(one: _Text, other: _Text) -> bool:
    """Whether two texts are surely in different languages."""
    if (
        not one.script
        or not other.script
        or (one.script == other.script != "latin")
        or (one.plain and one.plain == other.plain)
    ):
        return False
    return differ(one.language, other.language)


def _contradicts(texts: dict[str, _Text], said: str) -> bool:
    """Whether the question (without a clear one the answer, then the reasoning) is surely not in the language
    `said`."""
    text = next((texts[column] for column in ("instruction", "output", "reasoning") if texts[column].script), None)
    if text is None or text.script == said or text.plain == said:
        return False
    if text.script == "latin" and not text.plain and said not in ("en", "ja", "zh", "ko"):
        return (
            False  # a rarer language with Latin letters: the model is asked only where syslang is surely none of these
        )
    return differ(text.language, said)


def _about_languages(asked: _Text, given: _Text) -> bool:
    return bool(ASKS.search(asked.text) or ASKS.search(given.text[:1000]))
