"""Answers demo questions from their text alone, by another way than the families that made them: patterns read, plain
Python answers."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from datetime import date, datetime, timedelta
from fractions import Fraction

MONDAY = date(2024, 1, 1)
WEEK = {
    "English": [(MONDAY + timedelta(days=i)).strftime("%A") for i in range(7)],
    "Japanese": [f"{c}曜日" for c in "月火水木金土日"],
    "Chinese": [f"星期{c}" for c in "一二三四五六日"],
}


def on_weekday(language: str, today: str, days: str) -> str:
    start = MONDAY + timedelta(days=WEEK[language].index(today))
    return WEEK[language][(start + timedelta(days=int(days))).weekday()]


def age(first: str, gap: str, word: str, years: str) -> int:
    sign = 1 if word in ("older", "年上", "大") else -1
    return int(first) + int(years) + sign * int(gap)


def left_over(things: str, people: str) -> int:
    left = int(things)
    while left >= int(people):
        left -= int(people)
    return left


def next_number(text: str) -> int:
    a, b, c, d = map(int, re.findall(r"\d+", text))
    if b - a == c - b == d - c:
        return d + (d - c)
    assert Fraction(b, a) == Fraction(c, b) == Fraction(d, c)
    return int(d * Fraction(d, c))


def by_height(names: list[str], taller: list[tuple[str, str]], tallest: bool) -> str:
    """The only order of the three in which every pair (taller, shorter) holds."""
    orders = [
        order for order in itertools.permutations(names) if all(order.index(a) < order.index(b) for a, b in taller)
    ]
    assert len(orders) == 1
    return orders[0][0 if tallest else -1]


def heights_en(word: str, names: str, facts: str) -> str:
    pairs = [
        (a, b) if how == "taller" else (b, a)
        for a, how, b in re.findall(r"(\w+) is (taller|shorter) than (\w+)\.", facts)
    ]
    return by_height(names.split(", "), pairs, word == "tallest")


def heights_ja(names: str, word: str, facts: str) -> str:
    pairs = [
        (a, b) if how == "高い" else (b, a)
        for a, b, how in re.findall(r"(\w+?)さんは(\w+?)さんより背が(高い|低い)。", facts)
    ]
    return by_height(names.split("、"), pairs, word == "高い")


def heights_zh(names: str, word: str, facts: str) -> str:
    pairs = [(a, b) if how == "高" else (b, a) for a, b, how in re.findall(r"(\w+?)比(\w+?)(高|矮)。", facts)]
    return by_height(names.split("、"), pairs, word == "高")


def certain(name: str, asked: str, facts: str) -> str:
    """Tries every world: a set of kinds that `name` may belong to. Certain is what holds in each world in which the
    facts hold."""
    rule = re.match(r"(Every|No) (\w+) is a (\w+)\. (\w+) is a (\w+)\.$", facts)
    assert rule and rule[4] == name
    kinds = sorted({rule[2], rule[3], rule[5], asked})
    worlds = [set(chosen) for size in range(len(kinds) + 1) for chosen in itertools.combinations(kinds, size)]
    holds = [w for w in worlds if rule[5] in w and (rule[2] not in w or (rule[3] in w) == (rule[1] == "Every"))]
    assert holds
    return "yes" if all(asked in world for world in holds) else "no"


def end_time(start: str, length: str) -> str:
    end = datetime.strptime(start, "%H:%M") + timedelta(minutes=int(length))
    return f"{end.hour}:{end.minute:02d}"


PART = {"half": Fraction(1, 2), "a third": Fraction(1, 3), "a quarter": Fraction(1, 4)}

# pattern of the whole instruction -> answer, from the match and the input
SOLVERS: tuple[tuple[str, Callable[[re.Match[str], str], object]], ...] = (
    (
        r"(\w+) buys (\d+) (\w+) at (\d+) dollars each and a \w+ for (\d+) dollars\. How many dollars does \1 spend\?",
        lambda m, _: sum([int(m[4])] * int(m[2])) + int(m[5]),
    ),
    (
        r"At the market, (\d+) \w+ cost (\d+) dollars each and one \w+ costs (\d+) dollars\. What is the total in "
        r"dollars\?",
        lambda m, _: sum([int(m[2])] * int(m[1])) + int(m[3]),
    ),
    (
        r"A \w+ costs (\d+) dollars\. \w+ pays with a (\d+)-dollar note\. How many dollars come back\?",
        lambda m, _: len(range(int(m[1]), int(m[2]))),
    ),
    (
        r"(\w+) is (\d+) years old\. (\w+) is (\d+) years (older|younger) than \1\. How old will \3 be in (\d+) "
        r"years\?",
        lambda m, _: age(m[2], m[4], m[5], m[6]),
    ),
    (
        r"A \w+ travels at (\d+) km per hour for (\d+) hours\. How many kilometres does it cover\?",
        lambda m, _: sum([int(m[1])] * int(m[2])),
    ),
    (
        r"A \w+ covers (\d+) km in (\d+) hours\. What is its speed in km per hour\?",
        lambda m, _: Fraction(int(m[1]), int(m[2])),
    ),
    (
        r"(\d+) (\w+) are shared equally among (\d+) children\. How many \2 are left over\?",
        lambda m, _: left_over(m[1], m[3]),
    ),
    (r"Who is the (tallest|shortest): (\w+, \w+, \w+)\?", lambda m, facts: heights_en(m[1], m[2], facts)),
    (r"Is it certain that (\w+) is a (\w+)\? Answer yes or no\.", lambda m, facts: certain(m[1], m[2], facts)),
    (r"Today is (\w+)\. Which day of the week is it in (\d+) days\?", lambda m, _: on_weekday("English", m[1], m[2])),
    (r"What number comes next: ([\d, ]+)\?", lambda m, _: next_number(m[1])),
    (
        r"Which is larger, (\d+) \* (\d+) or (\d+) \* (\d+)\? Give the larger value\.",
        lambda m, _: max(sum([int(m[1])] * int(m[2])), sum([int(m[3])] * int(m[4]))),
    ),
    (
        r"How many pieces of fruit does \w+ have\?|\w+ counts the basket\. How many pieces of fruit are in it\?|How "
        r"much fruit did \w+ pick in all\?",
        lambda _, basket: sum(map(int, re.findall(r"\d+", basket))),
    ),
    (
        r"These are \w+'s [\w ]+ on three days\. What is the average per day\?",
        lambda _, days: Fraction(sum(map(int, re.findall(r"\d+", days))), len(re.findall(r"\d+", days))),
    ),
    (
        r"A \w+ starts at (\d+:\d\d) and lasts (\d+) minutes\. At what time does it end\?",
        lambda m, _: end_time(m[1], m[2]),
    ),
    (
        r"\w+ has (\d+) (\w+) and gives away (half|a third|a quarter) of them\. How many \2 are left\?",
        lambda m, _: int(m[1]) * (1 - PART[m[3]]),
    ),
    (
        r"Is the sum of (\d+) and (\d+) even or odd\?",
        lambda m, _: "even" if int(m[1][-1]) % 2 == int(m[2][-1]) % 2 else "odd",
    ),
    (
        r"How many minutes are (\d+) hours and (\d+) minutes\?",
        lambda m, _: timedelta(hours=int(m[1]), minutes=int(m[2])) // timedelta(minutes=1),
    ),
    (
        r"A \w+ is (\d+) m long and (\d+) m wide\. What is its area in square metres\?",
        lambda m, _: len(list(itertools.product(range(int(m[1])), range(int(m[2]))))),
    ),
    (
        r"A \w+ is (\d+) m long and (\d+) m wide\. How many metres of fence go around it\?",
        lambda m, _: int(m[1]) + int(m[2]) + int(m[1]) + int(m[2]),
    ),
    (
        r"1(\w)(\d+)円の\w+?を(\d+)\1と、(\d+)円の消しゴムを1個買います。合計は何円ですか。",
        lambda m, _: sum([int(m[2])] * int(m[3])) + int(m[4]),
    ),
    (
        r"\w+さんは(\d+)円の本を買い、(\d+)円を出しました。おつりは何円ですか。",
        lambda m, _: len(range(int(m[1]), int(m[2]))),
    ),
    (
        r"(\w+)さんは(\d+)歳です。(\w+)さんは\1さんより(\d+)歳(年上|年下)です。(\d+)年後、\3さんは何歳ですか。",
        lambda m, _: age(m[2], m[4], m[5], m[6]),
    ),
    (r"時速(\d+)kmの\w+?が(\d+)時間走ると、何km進みますか。", lambda m, _: sum([int(m[1])] * int(m[2]))),
    (r"\D+?(\d+)(\w)を(\d+)人で同じ数ずつ分けます。あまりは何\2ですか。", lambda m, _: left_over(m[1], m[3])),
    (
        r"(\w+、\w+、\w+)の3人の中で、いちばん背が(高い|低い)のはだれですか。",
        lambda m, facts: heights_ja(m[1], m[2], facts),
    ),
    (r"今日は(\w曜日)です。(\d+)日後は何曜日ですか。", lambda m, _: on_weekday("Japanese", m[1], m[2])),
    (r"次に来る数は何ですか。([\d、]+)", lambda m, _: next_number(m[1])),
    (
        r"(\D+)每(\w)(\d+)元，买(\d+)\2，再买一个(\d+)元的书包，一共要付多少元？",
        lambda m, _: sum([int(m[3])] * int(m[4])) + int(m[5]),
    ),
    (r"\w+买一本(\d+)元的书，付了(\d+)元，应找回多少元？", lambda m, _: len(range(int(m[1]), int(m[2])))),
    (r"(\w+)今年(\d+)岁，(\w+)比\1(大|小)(\d+)岁。(\d+)年后\3多少岁？", lambda m, _: age(m[2], m[5], m[4], m[6])),
    (r"一\D+每小时行驶(\d+)千米，(\d+)小时行驶多少千米？", lambda m, _: sum([int(m[1])] * int(m[2]))),
    (r"把(\d+)(\w)\w+平均分给(\d+)个小朋友，还剩几\2？", lambda m, _: left_over(m[1], m[3])),
    (r"(\w+、\w+、\w+)三个人中，谁最(高|矮)？", lambda m, facts: heights_zh(m[1], m[2], facts)),
    (r"今天是(星期\w)，(\d+)天后是星期几？", lambda m, _: on_weekday("Chinese", m[1], m[2])),
    (r"下一个数是多少：([\d、]+)？", lambda m, _: next_number(m[1])),
)


def solve(instruction: str, context: str) -> str:
    """The answer as text. Raises ValueError unless exactly one pattern reads the whole question."""
    found = [(match, answer) for pattern, answer in SOLVERS if (match := re.fullmatch(pattern, instruction))]
    if len(found) != 1:
        raise ValueError(f"{len(found)} patterns read {instruction!r}")
    match, answer = found[0]
    return str(answer(match, context))
