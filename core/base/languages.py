"""The one table of language names: data sets write `ja`, `Japanese` or `日本語` for the same language.

Knows names and East Asian scripts; does not detect the language of other texts.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache, lru_cache

# A code, then every other name: ISO 639 codes of three letters, the code of the country where people write that, and
# the name in English, in the language itself, in Japanese and in Chinese (both scripts), then in Korean.
_NAMES: dict[str, str] = {
    "en": "eng | english | 英語 | 英语 | 英文 | 영어",
    "ja": "jp, jpn | japanese, nihongo | 日本語, にほんご | 日语, 日語, 日文 | 일본어",
    "zh": "cn, zho, chi, cmn, zh hans | chinese, mandarin, putonghua, simplified chinese, chinese simplified"
    " | 中文, 汉语, 漢語, 普通话, 普通話, 华语, 華語, 简体中文, 簡體中文, 中文简体, 简体字"
    " | 中国語, 簡体字, 簡体中文 | 중국어",
    "zh-hant": "zh tw, zh hk, zh mo | traditional chinese, chinese traditional"
    " | 繁體中文, 繁体中文, 中文繁體, 中文繁体, 繁體字, 繁体字 | 번체",
    "ko": "kr, kor | korean | 한국어, 한국말 | 韓国語, 朝鮮語 | 韩语, 韓語, 韩文, 韓文, 朝鲜语",
    "de": "deu, ger | german | deutsch | ドイツ語, 独語 | 德语, 德語, 德文 | 독일어",
    "fr": "fra, fre | french | français, francais | フランス語, 仏語 | 法语, 法語, 法文 | 프랑스어",
    "es": "spa | spanish, castilian | español, espanol, castellano | スペイン語"
    " | 西班牙语, 西班牙語, 西班牙文 | 스페인어",
    "it": "ita | italian | italiano | イタリア語 | 意大利语, 意大利語, 義大利語, 意大利文 | 이탈리아어",
    "pt": "por | portuguese, brazilian portuguese | português, portugues | ポルトガル語 | 葡萄牙语, 葡萄牙語, 葡萄牙文"
    " | 포르투갈어",
    "nl": "nld, dut | dutch, flemish | nederlands | オランダ語 | 荷兰语, 荷蘭語, 荷兰文 | 네덜란드어",
    "ru": "rus | russian | русский, русский язык | ロシア語 | 俄语, 俄語, 俄文 | 러시아어",
    "uk": "ukr | ukrainian | українська, українська мова | ウクライナ語 | 乌克兰语, 烏克蘭語 | 우크라이나어",
    "ar": "ara | arabic | العربية, عربي, اللغة العربية | アラビア語 | 阿拉伯语, 阿拉伯語, 阿拉伯文 | 아랍어",
    "fa": "fas, per | persian, farsi | فارسی | ペルシア語, ペルシャ語 | 波斯语, 波斯語, 波斯文 | 페르시아어",
    "hi": "hin | hindi | हिन्दी, हिंदी | ヒンディー語 | 印地语, 印地語 | 힌디어",
    "bn": "ben | bengali, bangla | বাংলা | ベンガル語 | 孟加拉语, 孟加拉語 | 벵골어",
    "ta": "tam | tamil | தமிழ் | タミル語 | 泰米尔语, 泰米爾語 | 타밀어",
    "te": "tel | telugu | తెలుగు | テルグ語 | 泰卢固语, 泰盧固語 | 텔루구어",
    "th": "tha | thai | ไทย, ภาษาไทย | タイ語 | 泰语, 泰語, 泰文 | 태국어",
    "vi": "vie | vietnamese | tiếng việt, tieng viet | ベトナム語 | 越南语, 越南語, 越南文 | 베트남어",
    "id": "ind | indonesian | bahasa indonesia | インドネシア語 | 印尼语, 印尼語, 印度尼西亚语 | 인도네시아어",
    "tr": "tur | turkish | türkçe, turkce | トルコ語 | 土耳其语, 土耳其語 | 터키어, 튀르키예어",
    "pl": "pol | polish | polski | ポーランド語 | 波兰语, 波蘭語 | 폴란드어",
    "sv": "swe | swedish | svenska | スウェーデン語 | 瑞典语, 瑞典語 | 스웨덴어",
    "he": "heb, iw | hebrew | עברית | ヘブライ語 | 希伯来语, 希伯來語 | 히브리어",
    "el": "ell, gre | greek | ελληνικά | ギリシャ語, ギリシア語 | 希腊语, 希臘語 | 그리스어",
    "sw": "swa, swh | swahili | kiswahili | スワヒリ語 | 斯瓦希里语, 斯瓦希里語 | 스와힐리어",
}
_PUNCTUATION = re.compile(r"[_\-()\[\],]+")
_SUBTAGS = re.compile(r"(?: (?:[a-z]{2}|[a-z]{4}|\d{3}))+")  # of a script, a region, or both

_KANA = re.compile("[\u3041-\u30ff\uff66-\uff9f]")
_HAN = re.compile("[\u3400-\u9fff]")
_HANGUL = re.compile("[\uac00-\ud7a3]")


def _plain(name: str) -> str:
    """The name without differences of case, width, hyphens and brackets."""
    return " ".join(_PUNCTUATION.sub(" ", unicodedata.normalize("NFKC", name).casefold()).split())


@cache
def _codes() -> dict[str, str]:
    """The code by plain name. Made when the first name is looked up, since importing must be quick."""
    codes = {}
    for code, names in _NAMES.items():
        for name in (code, *names.replace("|", ",").split(",")):
            codes[_plain(name)] = code
    return codes


def east_asian_language(text: str) -> str:
    """The code of the East Asian language that a text's script shows: `ja` for kana, `ko` for hangul, else `zh` for
    Chinese characters; empty for other scripts."""
    if _KANA.search(text):
        return "ja"
    if _HANGUL.search(text):
        return "ko"
    return "zh" if _HAN.search(text) else ""


@lru_cache(maxsize=1024)
def known_language_code(name: str) -> str:
    """The code of the language `name`, which may have a script or region after its code; empty for a name that is not
    in the table."""
    plain = _plain(name)
    words = plain.split(" ")
    for count in range(len(words), 0, -1):
        code = _codes().get(" ".join(words[:count]), "")
        if code and (count == len(words) or _SUBTAGS.fullmatch(plain, len(" ".join(words[:count])))):
            return code
    return ""


@lru_cache(maxsize=1024)
def language_code(name: str) -> str:
    """One spelling for all names of a language, as used for the versions of a template: its code where it is known,
    even where more words follow, as in `English (US)`; else the name in lower case, with spaces for hyphens."""
    plain = _plain(name)
    return known_language_code(name) or _codes().get(plain.partition(" ")[0]) or plain
