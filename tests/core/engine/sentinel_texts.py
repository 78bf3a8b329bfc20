"""Texts for the sentinel: honest ones with many repetitions, and loops; and a tokenizer as fine as real ones."""

from __future__ import annotations

import random
import re

_PIECES = re.compile(r" ?[A-Za-z]{1,5}|\d|[ぁ-んァ-ヶー]{1,2}|[一-鿿]| +|\n|[^\w\s]{1,3}|.", re.DOTALL)


class Spellings:
    """Token ids of texts, given as pieces occur. letters: every letter is a token, as with bytes."""

    def __init__(self, letters: bool = False) -> None:
        self._letters = letters
        self.texts: list[str] = []
        self._ids: dict[str, int] = {}

    def ids(self, text: str) -> list[int]:
        pieces = list(text) if self._letters else _PIECES.findall(text)
        assert "".join(pieces) == text
        for piece in pieces:
            if piece not in self._ids:
                self._ids[piece] = len(self.texts)
                self.texts.append(piece)
        return [self._ids[piece] for piece in pieces]


_WORDS = (
    *("river", "stone", "evening", "market", "window", "letter", "garden", "winter", "station", "silver"),
    *("morning", "bridge", "paper", "cloud", "harbour", "field", "lantern", "engine", "forest", "mirror"),
    *("island", "doctor", "candle", "kitchen", "pocket", "summer", "teacher", "ladder", "blanket", "corner"),
)
_SHU = "山川海空雨雪風花鳥月星森町道駅橋船馬犬猫本紙筆茶米火水木金土"


def words(count: int, seed: int) -> str:
    numbers = random.Random(seed)
    return " ".join(numbers.choice(_WORDS) for _ in range(count))


def kanji(count: int, seed: int) -> str:
    numbers = random.Random(seed)
    return "".join(numbers.choice(_SHU) for _ in range(count))


def letters_of(alphabet: str, count: int, seed: int) -> str:
    return "".join(random.Random(seed).choices(alphabet, k=count))


def values(count: int, most: int, seed: int) -> list[int]:
    numbers = random.Random(seed)
    return [numbers.randrange(most) for _ in range(count)]


def rows(line: str, count: int, seed: int = 0) -> str:
    """Lines of one pattern with random words, numbers and a counter."""
    numbers = random.Random(seed)
    return "".join(
        line.format(
            i=index,
            w=numbers.choice(_WORDS),
            v=numbers.choice(_WORDS),
            n=numbers.randrange(1000),
            k=kanji(2, seed + index),
        )
        for index in range(1, count + 1)
    )


_CHORUS = "Oh the harbour light is shining,\nand the boats are coming home,\n"

HONEST: dict[str, str] = {
    "prose": words(400, 1),
    "ellipsis": "それは……" + "。" * 300 + "終わり",
    "exclamation": "すごい" + "!" * 200 + words(50, 2),
    "ruler": "Title\n" + "=" * 400 + "\n" + words(60, 3) + "\n" + "-" * 600,
    "dot leaders": rows("{w} {v} ................................................ {n}\n", 20, 4),
    "blank table": ("| " + "  | " * 12 + "\n") * 12,
    "table rule": "| a | b | c | d | e | f | g | h |\n|" + " --- |" * 40 + "\n" + rows("| {w} | {n} | {v} |\n", 30, 5),
    "table of words": rows("| {i} | {w} | {v} | {n} |\n", 60, 6),
    "table of yes": rows("| {w} {v} | yes | no | yes |\n", 40, 7),
    "table of zeros": "\n".join(", ".join(["0"] * 16) for _ in range(16)),
    "identity matrix": "\n".join(", ".join("1" if i == j else "0" for j in range(12)) for i in range(12)),
    "numbers": " ".join(map(str, values(400, 10_000, 8))),
    "counting": ", ".join(map(str, range(1, 400))),
    "digits of pi": "".join(map(str, values(1200, 10, 9))),
    "csv": "id,name,amount,city\n" + rows("{i},{w},{n},{v}\n", 80, 10),
    "csv of numbers": "\n".join(",".join(map(str, values(6, 100, seed))) for seed in range(60)),
    "csv with empty cells": rows("{i},{w},,,,,,{n}\n", 60, 11),
    "json records": "[" + rows('  {{"id": {i}, "name": "{w}", "city": "{v}", "amount": {n}}},\n', 50, 12) + "]",
    "json with equal fields": rows(
        '{{"name": "{w} {v}", "active": true, "role": "user", "tags": [], "note": null}},\n', 40, 13
    ),
    "json with long keys": rows(
        '{{\n  "customer_name": "{w} {v}",\n  "customer_city": "{v}",\n  "last_order_amount": {n}\n}},\n', 30, 14
    ),
    "latex matrix": "\\begin{pmatrix}\n"
    + "\n".join(" & ".join(f"a_{{{i}{j}}}" for j in range(8)) + " \\\\" for i in range(8)),
    "latex matrix of zeros": "\\begin{bmatrix}\n" + ("0 & " * 9 + "0 \\\\\n") * 10 + "\\end{bmatrix}",
    "latex dots": "\\begin{matrix} " + "a & \\cdots & b \\\\ \\vdots & \\ddots & \\vdots \\\\ " * 4 + "\\end{matrix}",
    "long division": rows("{n} / {i} = {n} remainder {i}\n", 40, 15),
    "steps": rows("Step {i}: multiply {n} by {i} and add the {w}.\n", 30, 16),
    "list of words": rows("- {w} {v}\n", 80, 17),
    "numbered list": rows("{i}. The {w} of the {v}\n", 40, 18),
    "yes and no": rows("{i}. yes\n", 40, 19),
    "song": (words(30, 20) + "\n" + _CHORUS) + (words(30, 21) + "\n" + _CHORUS) + (words(30, 22) + "\n" + _CHORUS * 2),
    "laughter": "hahaha " + "ha " * 40 + words(30, 23),
    "code getters": rows("    def get_{w}_{v}(self) -> int:\n        return self._{w}_{v}\n\n", 30, 24),
    "code switch": rows('        case {n}:\n            return "{w} {v}";\n', 40, 25),
    "code tests": rows('    assert parse("{w} {n}") == ["{w}", {n}]\n', 40, 26),
    "code imports": rows("from project.{w}.{v} import {w}_{n}\n", 40, 27),
    "code array": "int table[] = {" + ", ".join(f"0x{value:02x}" for value in values(256, 256, 28)) + "};",
    "closing braces": words(50, 29) + "\n" + "".join("    " * (20 - depth) + "}\n" for depth in range(20)),
    "html list": rows('  <li class="item"><a href="#{w}{n}">{v} {w}</a></li>\n', 30, 30),
    "html table of numbers": "\n".join(
        "<tr>" + "".join(f"<td>{value}</td>" for value in values(8, 1000, seed)) + "</tr>" for seed in range(12)
    ),
    "html options": rows('<option value="{i}">{i}</option>\n', 31),
    "quoted code with changes": (body := words(180, 31))
    + "\nNow the same with a change:\n"
    + body.replace("river", "stream")
    + words(40, 32),
    "paragraph quoted once more": (again := words(220, 33)) + "\n\n" + again + "\n\n" + words(60, 34),
    "japanese prose": "。".join(kanji(9, seed) for seed in range(60)),
    "japanese table": rows("| {i} | {k} | {n}円 |\n", 50, 35),
    "japanese honorifics": rows("{k}様におかれましては、{k}のことと存じます。\n", 25, 36),
    "japanese list": rows("{i}. {k}は{k}です。\n", 40, 37),
    "japanese onomatopoeia": "雨が" + "ザーザー" * 12 + "と降り、" + kanji(60, 38),
    "chinese poem": "\n".join(kanji(5, seed) + "," + kanji(5, seed + 99) + "。" for seed in range(30)),
    "chinese table": rows("{k},{k},{n},{i}\n", 50, 39),
    "dialogue": rows("A: {w} {v}?\nB: yes, {v}.\n", 40, 40),
    "truth table": "\n".join(
        f"| {i >> 3 & 1} | {i >> 2 & 1} | {i >> 1 & 1} | {i & 1} | {i % 3 == 0} |" for i in range(16)
    ),
    "grid of false": "\n".join("[" + ", ".join(["false"] * 8) + "]," for _ in range(5)),
    "chess board": "\n".join(("#." * 8 if line % 2 else ".#" * 8) for line in range(24)),
    "base64": letters_of("ABCDEFGHabcdefgh0123", 900, 41),
    "hex dump": "\n".join(
        f"{line * 16:08x} " + " ".join(f"{value:02x}" for value in values(16, 256, line)) for line in range(24)
    ),
    "indentation": "\n".join(" " * 40 + words(3, seed) for seed in range(20)),
}
"""By name: answers that repeat much and are no loops."""

_PARAGRAPH = words(90, 50) + ". "

LOOPS: dict[str, str] = {
    "para": "パラ",
    "one letter": "あ",
    "one word": " the",
    "two words": " again and",
    "a sentence": "The answer is therefore forty two. ",
    "a sentence twice as long": "Wait, let me check that once more, because the number may be wrong. ",
    "a japanese sentence": "したがって、答えは四十二です。",
    "a chinese sentence": "所以答案是四十二,",
    "a paragraph": _PARAGRAPH,
    "a long paragraph": words(160, 51) + "\n\n",
    "a line": "- item\n",
    "a code line": "    x = x + 1\n",
    "a function": "def run(value):\n    if value:\n        return run(value)\n    return None\n\n",
    "an html tag": '<div class="row">',
    "a json record": '{"name": "stone", "city": "river"}, ',
    "thinking": "Hmm. But wait. ",
    "a marker": "### Response:\n",
    "laughter": "哈哈",
    "table row": "| stone | river | 12 |\n",
    "csv row": "stone,12,river\n",
    "latex": "\\frac{a}{b} + ",
    "import": "import os\nimport sys\n",
    "a name": "ミナミ、",
    "a question": "何ですか?",
    "a url": "https://example.org/index.html ",
    "words without blanks": "abcabcabd",
    "a quotation": '> He said: "no".\n',
    "list of two": "yes, no, ",
    "a prayer": "南無阿弥陀仏",
    "sections": "## Step\n\nDo it.\n\n",
}
"""By name: what an answer repeats without an end."""

COUNTERS: dict[str, str] = {
    "short": "{i}. パラ\n",
    "a word": "{i}. stone ",
    "a sentence": "{i}. The river runs down to the harbour and the boats come home.\n",
    "a step": "Step {i}: check the number again and go on with the next one.\n",
    "japanese": "{i}番目の答えは同じです。\n",
    "chinese": "第{i}步:再次检查答案。\n",
    "two counters": "Line {i} is followed by line {i}, as every line is followed by another.\n",
    "json": '{{"id": {i}, "name": "stone", "city": "river"}},\n',
}
"""By name: what an answer repeats with a counter that grows."""
