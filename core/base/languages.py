"""The names of a language: a data set may say `ja`, `Japanese` or `日本語` and mean the same version of a template. Knows
names alone."""

from __future__ import annotations

import re
from functools import lru_cache

_NAMES: dict[str, tuple[str, ...]] = {
    "ja": ("jp", "jpn", "japanese", "日本語"),
    "zh": (
        "cn",
        "zho",
        "chi",
        "cmn",
        "chinese",
        "mandarin",
        "simplified chinese",
        "zh hans",
        "中文",
        "汉语",
        "漢語",
        "简体中文",
        "中国語",
    ),
    "zh-hant": ("zh tw", "zh hk", "traditional chinese", "繁體中文", "繁体中文"),
    "en": ("eng", "english", "英語", "英语", "英文"),
    "ko": ("kr", "kor", "korean", "한국어", "韓国語", "韩语"),
    "de": ("ger", "deu", "german", "deutsch"),
    "fr": ("fre", "fra", "french", "français"),
    "es": ("spa", "spanish", "español"),
    "ru": ("rus", "russian", "русский"),
    "it": ("ita", "italian", "italiano"),
    "pt": ("por", "portuguese", "português"),
}
_CODES = {name: code for code, names in _NAMES.items() for name in (code.replace("-", " "), *names)}

_KANA, _HAN, _HANGUL = (
    re.compile(f"[{letters}]") for letters in ("\u3041-\u30ff\uff66-\uff9f", "\u3400-\u9fff", "\uac00-\ud7a3")
)


def language_of(text: str) -> str:
    """The code of the language that a text's script gives away: Japanese by its kana, Korean, else Chinese by its
    characters; empty for the rest."""
    if _KANA.search(text):
        return "ja"
    return "ko" if _HANGUL.search(text) else "zh" if _HAN.search(text) else ""


@lru_cache(maxsize=1024)
def language_code(name: str) -> str:
    """One spelling for all names of a language: its code where it is known, with `_` as `-`, regions dropped where only
    the language is; else the name itself, in lower case."""
    plain = " ".join(name.casefold().replace("_", " ").replace("-", " ").split())
    return _CODES.get(plain) or _CODES.get(plain.partition(" ")[0]) or plain
