"""Any name of a language is one code; other words are none."""

from __future__ import annotations

import pytest

from core.base.languages import known_language_code, language_code
from core.templates.by_name import get_template
from core.templates.template import Template


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("ar", "ar ara AR Arabic arabic العربية アラビア語 阿拉伯语 ar-EG ar_SA"),
        ("ja", "ja jp jpn Japanese JAPANESE 日本語 日语 日語 日文 일본어 ja-JP ja_jp ｊａ Ｊａｐａｎｅｓｅ"),
        ("zh", "zh cn zho chi cmn Chinese Mandarin 中文 汉语 漢語 普通话 中国語 简体中文 zh-CN zh_Hans zh-Hans-CN"),
        ("zh-hant", "zh-TW zh_HK zh-Hant zh-Hant-TW 繁體中文 繁体中文"),
        ("en", "en eng English 英語 英语 英文 영어 en-US en-GB"),
        ("ko", "ko kor Korean 한국어 韓国語 韩语 韩文 韓文 ko-KR"),
        ("de", "de deu ger German Deutsch ドイツ語 德语 德文"),
        ("fr", "fr fra fre French Français francais フランス語 法语"),
        ("es", "es spa Spanish Español 西班牙语 スペイン語 es-419"),
        ("hi", "hi hin Hindi हिन्दी ヒンディー語"),
        ("th", "th tha Thai ไทย タイ語 泰语"),
        ("he", "he heb Hebrew עברית ヘブライ語"),
        ("el", "el ell gre Greek Ελληνικά ギリシャ語 希腊语"),
        ("tr", "tr tur Turkish Türkçe トルコ語"),
        ("pt", "pt por Portuguese Português pt-BR pt-PT"),
    ],
)
def test_every_name_of_a_language_is_its_code(code: str, names: str) -> None:
    for name in names.split():
        assert (known_language_code(name), language_code(name)) == (code, code), name


@pytest.mark.parametrize(
    ("name", "code"),
    [
        (" Tiếng  Việt ", "vi"),
        ("Chinese (Simplified)", "zh"),
        ("Chinese (Traditional)", "zh-hant"),
        ("Bahasa Indonesia", "id"),
        ("русский язык", "ru"),
    ],
)
def test_names_of_several_words(name: str, code: str) -> None:
    assert known_language_code(name) == language_code(name) == code


@pytest.mark.parametrize("name", ["", "train", "klingon", "English to German", "it-helpdesk", "en masse"])
def test_other_words_name_no_language_for_certain(name: str) -> None:
    assert known_language_code(name) == ""


def test_a_version_is_picked_by_the_first_word_where_the_whole_is_unknown() -> None:
    assert (language_code("English to German"), language_code("Toki_Pona")) == ("en", "toki pona")


@pytest.mark.parametrize(("code", "syslang"), [("ar", "Arabic"), ("ja", "日文"), ("ja", "日语"), ("vi", "Tiếng Việt")])
def test_a_templates_version_is_found_by_any_name_of_its_language(code: str, syslang: str) -> None:
    default, mine = get_template("alpaca").version(), get_template("alpaca-languages").version("ja")
    template = Template("mine", {"default": default, language_code(code): mine})
    assert template.version(syslang) is mine
    assert template.version("German") is default
