"""In which language a text is, where that is beyond doubt: by its script, and between languages of one script by
function words and a model.

Languages are named by two letters. No answer (an empty name) is the rule for short texts, formulas, code, names: they
are no evidence.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from core.quality.letters import WRITTEN, Class, counted

_ONE_SCRIPT = {
    Class.HANGUL: "ko", Class.GREEK: "el", Class.HEBREW: "he", Class.BENGALI: "bn", Class.TAMIL: "ta", Class.TELUGU: "te", Class.THAI: "th",
}  # fmt: skip
SCRIPTS = {"ja": "cjk", "zh": "cjk", "ru": "cyrillic", "uk": "cyrillic", "bg": "cyrillic", "sr": "cyrillic", "ar": "arabic", "fa": "arabic",
           "ur": "arabic", "hi": "devanagari", "mr": "devanagari", "ne": "devanagari", **dict.fromkeys(_ONE_SCRIPT.values(), "")}  # fmt: skip
_SHARED = {Class.CYRILLIC: "cyrillic", Class.ARABIC: "arabic", Class.DEVANAGARI: "devanagari"}
FEW = 12  # letters of a script with many letters that are evidence; of the Latin alphabet it takes more
LATIN_FEW, LATIN_WORDS = 40, 8
_CERTAIN = 0.9  # what the model must give a language
_READ, _WORDS_READ = 500, 80  # characters and words that are looked at closely
_SURE = 0.8  # the share of a text's letters that its script must have

_SIBLINGS = tuple(
    frozenset(names.split())
    for names in (
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
)  # too alike to be told apart in a sentence

_NAMES = {
    "en": "english eng en en-us en-gb 英語 英语 英文",
    "ja": "japanese jpn ja jp ja-jp 日本語 日语 日文",
    "zh": "chinese zho chi zh cn zh-cn zh-tw zh-hans zh-hant mandarin cmn 中国語 中文 汉语 漢語 普通话 简体中文 繁體中文",
    "ko": "korean kor ko kr ko-kr 韓国語 한국어 韩语",
    "de": "german deu ger de de-de deutsch ドイツ語", "fr": "french fra fre fr fr-fr français francais フランス語",
    "es": "spanish spa es es-es español espanol castellano スペイン語", "it": "italian ita it it-it italiano イタリア語",
    "pt": "portuguese por pt pt-br pt-pt português portugues ポルトガル語", "nl": "dutch nld nl nl-nl nederlands",
    "ru": "russian rus ru ru-ru русский ロシア語", "ar": "arabic ara ar العربية アラビア語", "hi": "hindi hin hi हिन्दी",
    "th": "thai tha th ไทย タイ語", "vi": "vietnamese vie vi tiếng-việt ベトナム語", "id": "indonesian ind id bahasa-indonesia",
    "tr": "turkish tur tr türkçe", "pl": "polish pol pl polski", "sv": "swedish swe sv svenska", "he": "hebrew heb he עברית",
    "el": "greek ell gre el ελληνικά", "bn": "bengali ben bn বাংলা", "ta": "tamil tam ta தமிழ்", "te": "telugu tel te తెలుగు",
    "sw": "swahili swa sw kiswahili", "uk": "ukrainian ukr uk українська", "fa": "persian farsi fas per fa فارسی",
}  # fmt: skip
_KNOWN = {word: language for language, words in _NAMES.items() for word in words.split()}
# Words that one language has in nearly every sentence, and the others have not.
_COMMON = {
    "en": "the of and is to are for with that how she he this what have was from it than many",
    "de": "der und das ist nicht ein eine mit für wie auf dem den wird sind auch wenn hat zu",
    "fr": "le les et est des une pour dans qui que avec sur combien pas vous elle ont au du",
    "es": "el los y es una para las con por cuántos más su cómo qué tiene del como está cada",
    "it": "il di che è una per gli con quanti non sono della nel più come ha questo le",
    "pt": "o os e é uma para com não quantos mais seu como ele ela do da em são cada",
    "nl": "het een van en is dat niet met voor hoe zijn de op aan wordt hij zij heeft",
}  # fmt: skip
_PLAIN = {language: frozenset(words.split()) for language, words in _COMMON.items()}
_NO_PROSE = re.compile(
    r"(?m:^\s*(?:>>>|\.\.\.).*$)|```.*?(?:```|\Z)|`[^`\n]+`|\$\$.*?\$\$|\$[^$\n]+\$|\\\[.*?\\\]|\\\(.*?\\\)|\\[A-Za-z]+|https?://\S+|\S+@\S+|<[^<>\n]{1,200}>|\S*[_/=(){}\[\]]\S*",
    re.DOTALL,
)
_WORD = re.compile(r"\b[^\W\d_]{2,}\b")
ASKS = re.compile(
    r"translat|interpret\b|翻訳|訳し|訳せ|和訳|英訳|英作文|翻译|翻譯|译成|译为|譯成|번역|traduc|traduz|übersetz|перевед|"
    r"\bin(?:to)? (?:english|japanese|chinese|mandarin|korean|german|french|spanish|italian|portuguese|russian|arabic|hindi|thai|vietnamese|latin)\b|"
    r"(?:英語|日本語|中国語|韓国語|仏語|独語|ドイツ語|フランス語|スペイン語|ロシア語|ラテン語|ローマ字)(?:で|に|へ|の)|(?:用|以|成)(?:英语|英文|日语|日文|中文|汉语|韩语|法语|德语)|"
    r"\b(?:auf|ins) (?:deutsch|engl|franz|span|ital|japan|chines|russ)|\ben (?:anglais|espagnol|allemand|inglés|francés|alemán|español)|"
    r"\b(?:in|em) (?:inglese|francese|tedesco|inglês|francês|português)|по-(?:английски|русски|немецки|французски)|"
    r"(?:english|japanese|chinese|korean|german|french|spanish|italian) (?:word|phrase|sentence|name|translation|equivalent|for)|"
    r"\b(?:japanese|chinese|korean|kanji|hiragana|katakana|pinyin|romaji)\b",
    re.IGNORECASE,
)
"""Whether a question asks for another language, or is about one: its answer is then no evidence."""


def named(syslang: str) -> str:
    """The language that a value of the syslang column names, empty for one that is not known."""
    return _KNOWN.get("-".join(syslang.strip().casefold().replace("_", "-").split()), "")


def script(counts: Any) -> str:
    """By a text's row of `Letters.counts`: a language, or the name of a script that several languages share ("latin",
    "cyrillic", "arabic", "devanagari", "han" where Chinese and Japanese cannot be told apart), or nothing where it has
    too few letters or several scripts."""
    numbers = {kind: int(counts[kind]) for kind in WRITTEN if counts[kind]}
    letters = sum(numbers.values())
    if not letters:
        return ""
    latin = numbers.get(Class.LATIN, 0) + numbers.get(Class.ACCENTED, 0)
    if latin >= _SURE * letters:
        return "latin" if latin >= LATIN_FEW else ""
    kana, han = numbers.get(Class.KANA, 0), numbers.get(Class.HAN, 0)
    # a Latin letter is a fraction of a word and a Chinese one a whole one: in a sentence with both, the letters do not
    # weigh the same
    weighed = letters - latin + latin / 4
    if kana + han >= _SURE * weighed and kana + han >= FEW:
        if kana >= 0.1 * (kana + han):
            return "ja"
        return "zh" if kana == 0 and han >= 2 * FEW else "han"
    for kind, number in numbers.items():
        if (
            kind not in (Class.LATIN, Class.ACCENTED, Class.KANA, Class.HAN)
            and number >= _SURE * weighed
            and number >= FEW
        ):
            return _SHARED.get(kind) or _ONE_SCRIPT.get(kind, "")
    return ""


def plain(text: str) -> str:
    """The language of a Latin text by its commonest words, or nothing where they do not decide. Cheap; reads the first
    few hundred characters."""
    words = set(text[:_READ].lower().split())
    found = sorted(((len(words & common), language) for language, common in _PLAIN.items()), reverse=True)
    return found[0][1] if found[0][0] >= 3 and found[0][0] >= 2 * found[1][0] else ""


def prose(text: str) -> str:
    """The text without code, formulas, addresses and tags, whose letters are no language."""
    return _NO_PROSE.sub(" ", text[:4000])


def language(text: str) -> str:
    """The language of one text, or its script as `script` names it, or nothing where there is doubt. Slow where a model
    has to be asked."""
    words = prose(text)
    written = script(counted(words))
    if written != "latin":
        return written
    found = _WORD.findall(words)[:_WORDS_READ]
    if len(set(found)) < LATIN_WORDS:
        return ""
    if sum(word.islower() for word in found) < 0.5 * len(found):
        return ""  # names and titles
    if common := plain(words):
        return common
    name, sure = _model().classify(" ".join(found))
    return str(name) if sure >= _CERTAIN and name not in SCRIPTS else ""


def differ(one: str, other: str) -> bool:
    """Whether two names that `language` or `script` gave cannot be of the same language."""
    if not one or not other or one == other:
        return False
    families = {_family(one), _family(other)}
    if len(families) == 2:
        return True
    if len(one) > 2 or len(other) > 2:
        return False  # the same script: only two certain languages differ
    return not any(one in siblings and other in siblings for siblings in _SIBLINGS)


def _family(name: str) -> str:
    if name in ("ja", "zh", "han"):
        return "cjk"
    return SCRIPTS.get(name) or (name if name in SCRIPTS or len(name) > 2 else "latin")


@cache
def _model() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
