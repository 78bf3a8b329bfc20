"""Detects the language of a text where it is certain: by its script, by function words, and by a model.

Languages are codes of two letters. The result is empty for short texts, formulas, code and names, which are no
evidence.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from core.base.languages import known_language_code
from core.quality.text.character_classes import SCRIPT_CLASSES, CharacterClass

_LANGUAGE_OF_SCRIPT = {
    CharacterClass.HANGUL: "ko",
    CharacterClass.GREEK: "el",
    CharacterClass.HEBREW: "he",
    CharacterClass.BENGALI: "bn",
    CharacterClass.TAMIL: "ta",
    CharacterClass.TELUGU: "te",
    CharacterClass.THAI: "th",
}
_SHARED_SCRIPTS = {
    CharacterClass.CYRILLIC: "cyrillic",
    CharacterClass.ARABIC: "arabic",
    CharacterClass.DEVANAGARI: "devanagari",
}
# The script that each language without Latin letters shares with others; empty where it shares none.
_SCRIPT_OF_LANGUAGE = {
    **dict.fromkeys(("ja", "zh"), "cjk"),
    **dict.fromkeys(("ru", "uk", "bg", "sr"), "cyrillic"),
    **dict.fromkeys(("ar", "fa", "ur"), "arabic"),
    **dict.fromkeys(("hi", "mr", "ne"), "devanagari"),
    **dict.fromkeys(_LANGUAGE_OF_SCRIPT.values(), ""),
}
_FEW = 12  # letters that are enough evidence for a script; the Latin alphabet needs more
_FEW_LATIN, _FEW_WORDS = 40, 8
_CERTAIN = 0.9  # the probability that the model must give a language
_READ, _WORDS_READ, _PROSE_READ = 500, 80, 4000  # characters, words and characters that are read
_SURE = 0.8  # the share of a text's letters that its script must have

_SIBLINGS = tuple(
    frozenset(codes.split())
    for codes in (
        "no nb nn da sv",
        "id ms jv su",
        "cs sk",
        "hr bs sr sl",
        "es gl ca pt oc an",
        "nl af fy",
        "it la co",
        "fi et",
        "ru uk be bg mk",
    )
)  # too similar to be distinguished in one sentence

# Words that are in nearly every sentence of one language and not in the others.
_COMMON_WORDS = {
    "en": "the of and is to are for with that how she he this what have was from it than many there then they which "
    "were would more each them has be",
    "de": "der und das ist nicht ein eine mit für wie auf dem den wird sind auch wenn hat zu",
    "fr": "le les et est des une pour dans qui que avec sur combien pas vous elle ont au du",
    "es": "el los y es una para las con por cuántos más su cómo qué tiene del como está cada "
    "porque pero sus hay son muy donde entre hasta fue",
    "it": "il di che è una per gli con quanti non sono della nel più come ha questo le",
    "pt": "o os e é uma para com não quantos mais seu como ele ela do da em são cada",
    "nl": "het een van en is dat niet met voor hoe zijn de op aan wordt hij zij heeft",
}
_LANGUAGES_OF_WORD = {
    word: tuple(language for language, others in _COMMON_WORDS.items() if word in others.split())
    for words in _COMMON_WORDS.values()
    for word in words.split()
}
_NO_PROSE = re.compile(
    r"(?m:^\s*(?:>>>|\.\.\.).*$)|"  # an interactive session
    r"```.*?(?:```|\Z)|`[^`\n]+`|"  # code
    r"\$\$.*?\$\$|\$[^$\n]+\$|\\\[.*?\\\]|\\\(.*?\\\)|\\[A-Za-z]+|"  # formulas
    r"https?://\S+|\S+@\S+|"  # addresses
    r"<[^<>\n]{1,200}>|"  # tags
    r"\S*[_/=(){}\[\]]\S*",  # names and expressions
    re.DOTALL,
)
_WORD = re.compile(r"\b[^\W\d_]{2,}\b")
_ABOUT_LANGUAGES = re.compile(
    r"translat|interpret\b|翻訳|訳し|訳せ|和訳|英訳|英作文|翻译|翻譯|译成|译为|譯成|번역|traduc|traduz|übersetz|перевед|"
    r"\bin(?:to)? (?:english|japanese|chinese|mandarin|korean|german|french|spanish|italian|portuguese|russian|arabic|"
    r"hindi|thai|vietnamese|latin)\b|"
    r"(?:英語|日本語|中国語|韓国語|仏語|独語|ドイツ語|フランス語|スペイン語|ロシア語|ラテン語|ローマ字)(?:で|に|へ|の)|"
    r"(?:用|以|成)(?:英语|英文|日语|日文|中文|汉语|韩语|法语|德语)|"
    r"\b(?:auf|ins) (?:deutsch|engl|franz|span|ital|japan|chines|russ)|"
    r"\ben (?:anglais|espagnol|allemand|inglés|francés|alemán|español)|"
    r"\b(?:in|em) (?:inglese|francese|tedesco|inglês|francês|português)|по-(?:английски|русски|немецки|французски)|"
    r"(?:english|japanese|chinese|korean|german|french|spanish|italian) (?:word|phrase|sentence|name|translation|"
    r"equivalent|for)|"
    r"\b(?:japanese|chinese|korean|kanji|hiragana|katakana|pinyin|romaji)\b",
    re.IGNORECASE,
)


def is_about_languages(text: str) -> bool:
    """Whether a question asks for another language, or is about one, so that its answer's language is no evidence."""
    return _ABOUT_LANGUAGES.search(text) is not None


def language_of_syslang(syslang: str) -> str:
    """The language of a value of the syslang column; empty for an unknown value. Both scripts of Chinese are `zh`,
    since texts are not distinguished by them."""
    code = known_language_code(syslang)
    return "zh" if code == "zh-hant" else code


def languages_of_scripts(counts: Any) -> list[str]:
    """The language or script of each text by its characters.

    counts: of each class, shape (texts, classes), from `CharacterCounts`. A result is a language, or the name of a
    script that several languages share ("latin", "cyrillic", "arabic", "devanagari", or "han" where it may be Chinese
    or Japanese), or empty where the text has too few letters or several scripts.
    """
    import numpy as np

    letters = counts[:, list(SCRIPT_CLASSES)].sum(axis=1)
    latin = counts[:, CharacterClass.LATIN] + counts[:, CharacterClass.ACCENTED]
    kana, han = counts[:, CharacterClass.KANA], counts[:, CharacterClass.HAN]
    # a Latin letter is a part of a word, a Chinese character a complete word: in a sentence with both they differ in
    # weight
    least = np.maximum(_SURE * (letters - latin + latin / 4), _FEW)
    is_latin = (letters > 0) & (latin >= _SURE * letters)
    is_cjk = ~is_latin & (kana + han >= least)
    is_japanese = is_cjk & (kana >= 0.1 * (kana + han))
    is_chinese = is_cjk & (kana == 0) & (han >= 2 * _FEW)
    conditions = [is_latin & (latin >= _FEW_LATIN), is_latin, is_japanese, is_chinese, is_cjk]
    names = ["latin", "", "ja", "zh", "han"]
    for script in SCRIPT_CLASSES[SCRIPT_CLASSES.index(CharacterClass.HANGUL) :]:
        conditions.append(counts[:, script] >= least)
        names.append(_SHARED_SCRIPTS.get(script) or _LANGUAGE_OF_SCRIPT[script])
    chosen = np.select(conditions, range(len(names)), len(names))
    return list(map([*names, ""].__getitem__, chosen.tolist()))


def common_word_hits(text: str) -> dict[str, int]:
    """How many of each language's most common words a Latin text has. Cheap: reads the first few hundred characters."""
    hits: dict[str, int] = {}
    for word in _LANGUAGES_OF_WORD.keys() & set(text[:_READ].lower().split()):
        for language in _LANGUAGES_OF_WORD[word]:
            hits[language] = hits.get(language, 0) + 1
    return hits


def language_of_common_words(hits: dict[str, int], fewest: int = 3) -> str:
    """The language of a text with these hits of common words; empty where they do not decide, or where it has fewer
    than `fewest`."""
    if not hits:
        return ""
    best, language = max((count, language) for language, count in hits.items())
    second = max((count for other, count in hits.items() if other != language), default=0)
    return language if best >= fewest and best >= 2 * second else ""


def language_of_text(text: str) -> str:
    """The language of one text, or its script as in `languages_of_scripts`; empty in doubt. Slow where a model has to
    decide."""
    from core.quality.text.character_counts import count_characters

    prose = _NO_PROSE.sub(" ", text[:_PROSE_READ])
    (script,) = languages_of_scripts(count_characters(prose)[None])
    if script != "latin":
        return script
    words = _WORD.findall(prose)[:_WORDS_READ]
    if len(set(words)) < _FEW_WORDS:
        return ""
    if sum(word.islower() for word in words) < 0.5 * len(words):
        return ""  # names and titles
    if common := language_of_common_words(common_word_hits(prose)):
        return common
    name, probability = _language_model().classify(" ".join(words))
    return str(name) if probability >= _CERTAIN and name not in _SCRIPT_OF_LANGUAGE else ""


def surely_differ(language: str, other: str) -> bool:
    """Whether two results of `language_of_text` or `languages_of_scripts` cannot be the same language. False where one
    is empty."""
    if not language or not other or language == other:
        return False
    if _script_family(language) != _script_family(other):
        return True
    if len(language) > 2 or len(other) > 2:
        return False  # one of them is the script they share
    return not any(language in siblings and other in siblings for siblings in _SIBLINGS)


def _script_family(name: str) -> str:
    if name in ("ja", "zh", "han"):
        return "cjk"
    if _SCRIPT_OF_LANGUAGE.get(name):
        return _SCRIPT_OF_LANGUAGE[name]
    return name if name in _SCRIPT_OF_LANGUAGE or len(name) > 2 else "latin"


@cache
def _language_model() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
