"""The language of a text where it is beyond doubt, and nothing where it is not."""

from __future__ import annotations

import pytest

from core.quality.text.language_of_text import language_of_syslang, language_of_text, surely_differ

SENTENCES = {
    "en": "Natalia sold clips to 48 of her friends in April, and then she sold half as many clips in May.",
    "de": "Wie viele Äpfel hat Peter, wenn er drei kauft und zwei verschenkt? Bitte erklären Sie den Rechenweg.",
    "fr": "Combien de pommes a Pierre s'il en achète trois et en donne deux ? Expliquez le calcul pas à pas.",
    "es": "¿Cuántas manzanas tiene Pedro si compra tres y regala dos? Explica el cálculo paso a paso por favor.",
    "vi": "Hãy viết một bài thơ ngắn về mùa thu và những chiếc lá rơi trên con đường làng quê hương tôi.",
    "ja": "りんごが3個あります。2個食べました。残りは何個ですか。",
    "ko": "사과가 세 개 있습니다. 두 개를 먹었습니다. 몇 개가 남았습니까?",
    "zh": "请写一首关于秋天落叶的短诗，并解释其中的意象和情感表达，字数不限。",
    "th": "มีแอปเปิลสามลูก กินไปสองลูก เหลือกี่ลูก",
    "cyrillic": "Сколько яблок осталось у Пети, если он съел два из трёх?",
    "han": "小明有三个苹果，吃了两个，还剩几个？",
}
SILENT = (
    "72",
    "72 km/h",
    "B",
    "",
    "東京",
    "def f(x):\n    return x * x\nprint(f(3))  # the test of it is done with the loop",
    "\\frac{1}{2} + \\sqrt{3} = \\alpha",
    "F. Scott Fitzgerald, Ernest Hemingway, William Faulkner, John Steinbeck and Toni Morrison",
    "https://example.com/a/long/path/to/a/page?d=e",
    ">>> from transformers import AutoTokenizer\n"
    ">>> tokenizer = AutoTokenizer.from_pretrained(name)\n"
    ">>> outputs = model.generate(inputs)",
)


@pytest.mark.parametrize("name", SENTENCES)
def test_a_sentence_has_a_language(name: str) -> None:
    assert language_of_text(SENTENCES[name]) == name


@pytest.mark.parametrize("text", SILENT)
def test_what_is_no_evidence(text: str) -> None:
    assert language_of_text(text) == ""


@pytest.mark.parametrize(
    ("one", "other", "different"),
    [
        ("en", "ja", True),
        ("en", "de", True),
        ("han", "ja", False),
        ("han", "zh", False),
        ("zh", "ja", True),
        ("ru", "cyrillic", False),
        ("cyrillic", "en", True),
        ("", "en", False),
        ("id", "ms", False),
        ("th", "en", True),
        ("latin", "de", False),
        ("latin", "ko", True),
    ],
)
def test_languages_differ_only_for_certain(one: str, other: str, different: bool) -> None:
    assert surely_differ(one, other) is different
    assert surely_differ(other, one) is different


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("Japanese", "ja"),
        ("日本語", "ja"),
        ("EN", "en"),
        ("zh_CN", "zh"),
        (" Chinese ", "zh"),
        ("pt-BR", "pt"),
        ("繁體中文", "zh"),
        ("zh-TW", "zh"),
        ("日文", "ja"),
        ("Arabic", "ar"),
        ("klingon", ""),
        ("train", ""),
        ("", ""),
    ],
)
def test_names_of_languages(value: str, name: str) -> None:
    assert language_of_syslang(value) == name
