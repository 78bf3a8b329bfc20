"""The Japanese and Chinese families of demo questions. What each knows is as in `core.demo.families`; the two languages
say the same eight things."""

from __future__ import annotations

from random import Random

from core.base.row import Row
from core.demo.families import Family

_JA_NAMES = ("健太", "美咲", "太郎", "花子", "翔", "結衣", "大輔", "さくら")
_JA_ITEMS = (("りんご", "個"), ("ノート", "冊"), ("鉛筆", "本"), ("切手", "枚"))
_JA_DAYS = ("月曜日", "火曜日", "水曜日", "木曜日", "金曜日", "土曜日", "日曜日")
_ZH_NAMES = ("小明", "小红", "小华", "小丽", "小刚", "小芳", "小强", "小雨")
_ZH_ITEMS = (("苹果", "个"), ("本子", "本"), ("铅笔", "支"), ("邮票", "张"))
_ZH_DAYS = ("星期一", "星期二", "星期三", "星期四", "星期五", "星期六", "星期日")


def _ja(instruction: str, steps: list[str], output: object, context: str = "") -> Row:
    return Row(
        instruction=instruction, input=context, reasoning="\n".join(steps), output=str(output), syslang="Japanese"
    )


def _zh(instruction: str, steps: list[str], output: object, context: str = "") -> Row:
    return Row(
        instruction=instruction, input=context, reasoning="\n".join(steps), output=str(output), syslang="Chinese"
    )


def ja_shopping(rng: Random) -> Row:
    (item, unit), n, price, more = (
        rng.choice(_JA_ITEMS),
        rng.randint(2, 9),
        10 * rng.randint(3, 12),
        50 * rng.randint(2, 6),
    )
    total = n * price + more
    steps = [f"{item}は {price} * {n} = {n * price} 円。", f"消しゴムと合わせて {n * price} + {more} = {total} 円。"]
    return _ja(
        f"1{unit}{price}円の{item}を{n}{unit}と、{more}円の消しゴムを1個買います。合計は何円ですか。", steps, total
    )


def ja_change(rng: Random) -> Row:
    name, paid = rng.choice(_JA_NAMES), rng.choice((500, 1000))
    price = 10 * rng.randint(8, paid // 10 - 1)
    return _ja(
        f"{name}さんは{price}円の本を買い、{paid}円を出しました。おつりは何円ですか。",
        ["おつりは、出したお金から代金を引いた額。", f"{paid} - {price} = {paid - price} 円。"],
        paid - price,
    )


def ja_ages(rng: Random) -> Row:
    first, second = rng.sample(_JA_NAMES, 2)
    age, gap, years, older = rng.randint(8, 30), rng.randint(2, 6), rng.randint(2, 9), rng.random() < 0.5
    now = age + gap if older else age - gap
    return _ja(
        f"{first}さんは{age}歳です。{second}さんは{first}さんより{gap}歳{'年上' if older else '年下'}です。"
        f"{years}年後、{second}さんは何歳ですか。",
        [
            f"{second}さんは今 {age} {'+' if older else '-'} {gap} = {now} 歳。",
            f"{years}年後は {now} + {years} = {now + years} 歳。",
        ],
        now + years,
    )


def ja_distance(rng: Random) -> Row:
    vehicle, speed, hours = rng.choice(("電車", "バス", "車")), 10 * rng.randint(3, 12), rng.randint(2, 6)
    steps = ["道のりは、速さ * 時間。", f"{speed} * {hours} = {speed * hours} km。"]
    return _ja(f"時速{speed}kmの{vehicle}が{hours}時間走ると、何km進みますか。", steps, speed * hours)


def ja_remainder(rng: Random) -> Row:
    (item, unit), n, k = rng.choice(_JA_ITEMS), rng.randint(10, 60), rng.randint(3, 9)
    whole = n // k * k
    steps = [f"{k} * {n // k} = {whole} {unit}まで分けられる。", f"{n} - {whole} = {n - whole} {unit}あまる。"]
    return _ja(f"{item}{n}{unit}を{k}人で同じ数ずつ分けます。あまりは何{unit}ですか。", steps, n - whole)


def ja_heights(rng: Random) -> Row:
    a, b, c = rng.sample(_JA_NAMES, 3)  # from tallest to shortest
    facts = [f"{a}さんは{b}さんより背が高い。", f"{c}さんは{b}さんより背が低い。"]
    rng.shuffle(facts)
    word, answer = rng.choice((("高い", a), ("低い", c)))
    steps = [f"高い順に、{a}、{b}、{c}。", f"いちばん{word}のは{answer}。"]
    return _ja(
        f"{'、'.join(sorted((a, b, c)))}の3人の中で、いちばん背が{word}のはだれですか。", steps, answer, "".join(facts)
    )


def ja_weekday(rng: Random) -> Row:
    today, n = rng.randrange(7), rng.randint(8, 20)
    weeks, rest = divmod(n, 7)
    answer = _JA_DAYS[(today + n) % 7]
    steps = [
        f"{n} = 7 * {weeks} + {rest}。7日ごとに同じ曜日になる。",
        f"{_JA_DAYS[today]}の{rest}日後は{answer}。" if rest else f"だから、また{answer}。",
    ]
    return _ja(f"今日は{_JA_DAYS[today]}です。{n}日後は何曜日ですか。", steps, answer)


def ja_sequence(rng: Random) -> Row:
    start, step = rng.randint(1, 20), rng.randint(2, 9)
    row = [start + step * i for i in range(5)]
    return _ja(
        f"次に来る数は何ですか。{'、'.join(map(str, row[:4]))}",
        [f"{step}ずつ増えている。", f"{row[3]} + {step} = {row[4]}。"],
        row[4],
    )


def zh_shopping(rng: Random) -> Row:
    (item, unit), n, price, more = rng.choice(_ZH_ITEMS), rng.randint(2, 9), rng.randint(2, 12), rng.randint(10, 50)
    total = n * price + more
    steps = [f"{item}一共 {price} * {n} = {n * price} 元。", f"加上书包：{n * price} + {more} = {total} 元。"]
    return _zh(f"{item}每{unit}{price}元，买{n}{unit}，再买一个{more}元的书包，一共要付多少元？", steps, total)


def zh_change(rng: Random) -> Row:
    name, paid = rng.choice(_ZH_NAMES), rng.choice((20, 50, 100))
    price = rng.randint(3, paid - 1)
    steps = ["找回的钱等于付的钱减去价格。", f"{paid} - {price} = {paid - price} 元。"]
    return _zh(f"{name}买一本{price}元的书，付了{paid}元，应找回多少元？", steps, paid - price)


def zh_ages(rng: Random) -> Row:
    first, second = rng.sample(_ZH_NAMES, 2)
    age, gap, years, older = rng.randint(8, 30), rng.randint(2, 6), rng.randint(2, 9), rng.random() < 0.5
    now = age + gap if older else age - gap
    return _zh(
        f"{first}今年{age}岁，{second}比{first}{'大' if older else '小'}{gap}岁。{years}年后{second}多少岁？",
        [
            f"{second}今年 {age} {'+' if older else '-'} {gap} = {now} 岁。",
            f"{years}年后：{now} + {years} = {now + years} 岁。",
        ],
        now + years,
    )


def zh_distance(rng: Random) -> Row:
    vehicle, speed, hours = rng.choice(("列火车", "辆汽车", "辆客车")), 10 * rng.randint(3, 12), rng.randint(2, 6)
    steps = ["路程等于速度乘以时间。", f"{speed} * {hours} = {speed * hours} 千米。"]
    return _zh(f"一{vehicle}每小时行驶{speed}千米，{hours}小时行驶多少千米？", steps, speed * hours)


def zh_remainder(rng: Random) -> Row:
    (item, unit), n, k = rng.choice(_ZH_ITEMS), rng.randint(10, 60), rng.randint(3, 9)
    whole = n // k * k
    steps = [
        f"{k} * {n // k} = {whole}，最多能分{whole}{unit}。",
        f"{n} - {whole} = {n - whole}，还剩{n - whole}{unit}。",
    ]
    return _zh(f"把{n}{unit}{item}平均分给{k}个小朋友，还剩几{unit}？", steps, n - whole)


def zh_heights(rng: Random) -> Row:
    a, b, c = rng.sample(_ZH_NAMES, 3)  # from tallest to shortest
    facts = [f"{a}比{b}高。", f"{c}比{b}矮。"]
    rng.shuffle(facts)
    word, answer = rng.choice((("高", a), ("矮", c)))
    steps = [f"从高到矮：{a}、{b}、{c}。", f"所以最{word}的是{answer}。"]
    return _zh(f"{'、'.join(sorted((a, b, c)))}三个人中，谁最{word}？", steps, answer, "".join(facts))


def zh_weekday(rng: Random) -> Row:
    today, n = rng.randrange(7), rng.randint(8, 20)
    weeks, rest = divmod(n, 7)
    answer = _ZH_DAYS[(today + n) % 7]
    steps = [
        f"{n} = 7 * {weeks} + {rest}，每过7天星期不变。",
        f"{_ZH_DAYS[today]}再过{rest}天是{answer}。" if rest else f"所以还是{answer}。",
    ]
    return _zh(f"今天是{_ZH_DAYS[today]}，{n}天后是星期几？", steps, answer)


def zh_sequence(rng: Random) -> Row:
    start, step = rng.randint(1, 20), rng.randint(2, 9)
    row = [start + step * i for i in range(5)]
    return _zh(
        f"下一个数是多少：{'、'.join(map(str, row[:4]))}？",
        [f"每个数比前一个多{step}。", f"{row[3]} + {step} = {row[4]}。"],
        row[4],
    )


JAPANESE: tuple[Family, ...] = (
    ja_shopping,
    ja_change,
    ja_ages,
    ja_distance,
    ja_remainder,
    ja_heights,
    ja_weekday,
    ja_sequence,
)
CHINESE: tuple[Family, ...] = (
    zh_shopping,
    zh_change,
    zh_ages,
    zh_distance,
    zh_remainder,
    zh_heights,
    zh_weekday,
    zh_sequence,
)
