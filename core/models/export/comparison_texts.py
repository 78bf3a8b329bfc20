"""The 1,000 texts by which two tokenizers are compared: Japanese, Chinese, emoji, code, prose, and the names of special
tokens as text. The same in every process."""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Callable, Sequence

COUNT = 1000
_JAPANESE = "推論の過程を日本語で説明してください東京大阪富士山は高い答えそのまま カタカナ ひらがな、。「」ー々〆ヶ"
_CHINESE = "推理过程用中文说明北京上海长江黄河问题答案，。《》、；：？！繁體字測試龍鳳囍"
_EMOJI = "😀🎉👍🏽👩‍👩‍👧‍👦🇯🇵🧪✅❤️🔥🫠🏳️‍🌈"
_WORDS = (
    "The train can't stop; I'LL say it's 3 o'clock, they've gone home and WE'RE late naïve café Straße Ωmega Привет"
)
_CODE = (
    "def f(x):\n    return x  # twice\n",
    "for (int i = 0; i < n; ++i) {\n\tsum += a[i];\n}\n",
    "SELECT * FROM t WHERE id >= 42 AND name != 'x';",
    '<div class="a">&nbsp;</div>\r\n',
    "x=1;y=22;z=333;w=4444;v=55555 1234567890 3.14159e-10 0xFF 1,000,000",
    "git commit -m 'a  b   c' && ls -la /tmp/*.txt\n\n\n",
    "λx.x ∀x∈S: x≥0 → √2 ≈ 1.41421 ½ ² ①",
    "{'a': [1, 2, {\"b\": null}]}\t\t\t",
    "\\frac{a}{b} $x_1^2$ %d %s\\n",
)
_BLANKS = (" ", "  ", "   ", "\n", "\n\n", "\t", " \n ", "\r\n", "", "　")


def comparison_texts(special: Sequence[str] = ()) -> list[str]:
    """`COUNT` texts in Unicode's composed form. special: the names of the special tokens, which stand in a sixth of
    them as text."""
    draw = random.Random(3442)  # noqa: S311 - the same texts everywhere, nothing secret
    makers: list[Callable[[random.Random], str]] = [
        lambda draw: _characters(draw, _JAPANESE),
        lambda draw: _characters(draw, _CHINESE),
        lambda draw: _words(draw) + _characters(draw, _EMOJI, 6) + _words(draw),
        lambda draw: draw.choice(_CODE) + draw.choice(_BLANKS) + draw.choice(_CODE),
        lambda draw: _words(draw) + draw.choice(_BLANKS) + _words(draw),
        lambda draw: _with_special(draw, special),
    ]
    texts = [makers[number % len(makers)](draw) for number in range(COUNT)]
    return [unicodedata.normalize("NFC", text) for text in texts]


def _characters(draw: random.Random, alphabet: str, most: int = 40) -> str:
    start = draw.randrange(len(alphabet))
    run = (alphabet * 3)[start : start + draw.randint(1, most)]
    return run + "".join(draw.choice(alphabet) for _ in range(draw.randint(0, 12))) + draw.choice(_BLANKS)


def _words(draw: random.Random) -> str:
    words = [draw.choice(_WORDS.split(" ")) for _ in range(draw.randint(1, 9))]
    return "".join(word + draw.choice(_BLANKS) for word in words) + str(draw.randrange(10 ** draw.randint(1, 9)))


def _with_special(draw: random.Random, special: Sequence[str]) -> str:
    name = draw.choice(list(special)) if special else "<|none|>"
    return draw.choice(("", " ", "a", "三")) + name + draw.choice(("", " ", "\n", "b", "。")) + _words(draw)
