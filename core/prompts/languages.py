"""The names of a language: a data set may say `ja`, `Japanese` or `日本語` and mean the same version of a template. Knows names alone."""

from __future__ import annotations

from functools import lru_cache

_NAMES: dict[str, tuple[str, ...]] = {
    "ja": ("jp", "jpn", "japanese", "日本語"),
    "zh": ("cn", "zho", "chi", "cmn", "chinese", "mandarin", "simplified chinese", "zh hans", "中文", "汉语", "漢語", "简体中文", "中国語"),
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


@lru_cache(maxsize=1024)
def language_code(name: str) -> str:
    """One spelling for all names of a language: its code where it is known, with `_` as `-`, regions dropped where only the language is; else the
    name itself, in lower case."""
    plain = " ".join(name.casefold().replace("_", " ").replace("-", " ").split())
    return _CODES.get(plain) or _CODES.get(plain.partition(" ")[0]) or plain
