"""The English families of demo questions: each makes one row of arithmetic or simple logic, with its reasoning worked
out, from a random generator.

A family knows one kind of question and how to answer it. It does not know how many are wanted, which were drawn before,
or what is held out. Numbers stay small and steps few: the rows are there to teach a small model a form it can learn in
minutes.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from core.base.row import Row

Family = Callable[[Random], Row]

NAMES = (
    *("Alma", "Ben", "Carla", "Dan", "Emi", "Finn", "Greta", "Hugo", "Ines", "Jun", "Kate", "Leo"),
    *("Mia", "Noah", "Olga", "Pablo", "Rosa", "Sam", "Tara", "Uma", "Vera", "Wim", "Yuki", "Zoe"),
)
ITEMS = ("pens", "apples", "books", "cups", "stamps", "candles", "cards", "balls")
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def _row(instruction: str, steps: list[str], output: object, context: str = "") -> Row:
    return Row(
        instruction=instruction, input=context, reasoning="\n".join(steps), output=str(output), syslang="English"
    )


def shopping(rng: Random) -> Row:
    name, item, extra = rng.choice(NAMES), rng.choice(ITEMS), rng.choice(("bag", "lamp", "hat", "map", "clock"))
    n, price, more = rng.randint(2, 9), rng.randint(2, 12), rng.randint(3, 20)
    question = rng.choice(
        (
            f"{name} buys {n} {item} at {price} dollars each and a {extra} for {more} dollars. "
            f"How many dollars does {name} spend?",
            f"At the market, {n} {item} cost {price} dollars each and one {extra} costs {more} dollars. "
            "What is the total in dollars?",
        )
    )
    steps = [
        f"The {item} cost {n} * {price} = {n * price} dollars.",
        f"With the {extra}: {n * price} + {more} = {n * price + more} dollars.",
    ]
    return _row(question, steps, n * price + more)


def change(rng: Random) -> Row:
    name, thing, note = (
        rng.choice(NAMES),
        rng.choice(("lamp", "book", "hat", "toy", "plant", "bag")),
        rng.choice((20, 50, 100)),
    )
    price = rng.randint(3, note - 1)
    steps = [
        "Change is what was paid minus the price.",
        f"{note} - {price} = {note - price}.",
        f"Check: {price} + {note - price} = {note}.",
    ]
    return _row(
        f"A {thing} costs {price} dollars. {name} pays with a {note}-dollar note. How many dollars come back?",
        steps,
        note - price,
    )


def ages(rng: Random) -> Row:
    first, second = rng.sample(NAMES, 2)
    age, gap, years, older = rng.randint(8, 40), rng.randint(2, 6), rng.randint(2, 9), rng.random() < 0.5
    now = age + gap if older else age - gap
    question = f"{first} is {age} years old. {second} is {gap} years {'older' if older else 'younger'} than {first}. "
    steps = [
        f"{second} is now {age} {'+' if older else '-'} {gap} = {now}.",
        f"In {years} years: {now} + {years} = {now + years}.",
    ]
    return _row(question + f"How old will {second} be in {years} years?", steps, now + years)


def distance(rng: Random) -> Row:
    vehicle, speed, hours = rng.choice(("train", "bus", "car", "truck")), 10 * rng.randint(3, 12), rng.randint(2, 6)
    if rng.random() < 0.5:
        steps = ["Distance is speed times time.", f"{speed} * {hours} = {speed * hours}."]
        return _row(
            f"A {vehicle} travels at {speed} km per hour for {hours} hours. How many kilometres does it cover?",
            steps,
            speed * hours,
        )
    steps = [
        "Speed is distance divided by time.",
        f"{speed * hours} / {hours} = {speed}.",
        f"Check: {speed} * {hours} = {speed * hours}.",
    ]
    return _row(
        f"A {vehicle} covers {speed * hours} km in {hours} hours. What is its speed in km per hour?", steps, speed
    )


def remainder(rng: Random) -> Row:
    item, n, k = rng.choice(ITEMS), rng.randint(10, 60), rng.randint(3, 9)
    whole = n // k * k
    steps = [f"{k} * {n // k} = {whole} is the most that can be shared.", f"{n} - {whole} = {n - whole} left over."]
    return _row(f"{n} {item} are shared equally among {k} children. How many {item} are left over?", steps, n - whole)


def heights(rng: Random) -> Row:
    a, b, c = rng.sample(NAMES, 3)  # from tallest to shortest
    facts = [f"{a} is taller than {b}." if rng.random() < 0.5 else f"{b} is shorter than {a}."]
    facts.append(f"{b} is taller than {c}." if rng.random() < 0.5 else f"{c} is shorter than {b}.")
    rng.shuffle(facts)
    word, answer = rng.choice((("tallest", a), ("shortest", c)))
    steps = [f"From tallest to shortest: {a}, {b}, {c}.", f"So the {word} is {answer}."]
    return _row(f"Who is the {word}: {', '.join(sorted((a, b, c)))}?", steps, answer, " ".join(facts))


def syllogism(rng: Random) -> Row:
    name = rng.choice(NAMES)
    kind, wider = rng.choice(
        (
            ("poodle", "dog"),
            ("trout", "fish"),
            ("sparrow", "bird"),
            ("pony", "horse"),
            ("nurse", "worker"),
            ("singer", "musician"),
        )
    )
    other = rng.choice(("cat", "goat", "rabbit", "robot", "tree"))
    form = rng.randrange(3)
    if form == 0:
        facts, asked, answer = f"Every {kind} is a {wider}. {name} is a {kind}.", wider, "yes"
        steps = [f"{name} is a {kind}, and every {kind} is a {wider}.", f"So {name} is a {wider}."]
    elif form == 1:
        facts, asked, answer = f"Every {kind} is a {wider}. {name} is a {wider}.", kind, "no"
        steps = [f"Every {kind} is a {wider}, but a {wider} need not be a {kind}.", "So it does not follow."]
    else:
        facts, asked, answer = f"No {kind} is a {other}. {name} is a {kind}.", other, "no"
        steps = [f"{name} is a {kind}, and no {kind} is a {other}.", f"So {name} cannot be a {other}."]
    return _row(f"Is it certain that {name} is a {asked}? Answer yes or no.", steps, answer, facts)


def weekday(rng: Random) -> Row:
    today, n = rng.randrange(7), rng.randint(2, 20)
    weeks, rest = divmod(n, 7)
    answer = DAYS[(today + n) % 7]
    steps = [f"{n} = {weeks} * 7 + {rest}, and whole weeks do not change the day."] if weeks else []
    path = ", ".join(DAYS[(today + i) % 7] for i in range(1, rest + 1))
    steps.append(
        f"{rest} day{'s' if rest > 1 else ''} after {DAYS[today]}: {path}." if rest else f"So it is {answer} again."
    )
    return _row(f"Today is {DAYS[today]}. Which day of the week is it in {n} days?", steps, answer)


def sequence(rng: Random) -> Row:
    start, step, kind = rng.randint(1, 20), rng.randint(2, 9), rng.randrange(3)
    if kind == 0:
        row, rule, last = [start + step * i for i in range(5)], f"Each number is {step} more than the one before.", "+"
    elif kind == 1:
        start += 4 * step
        row, rule, last = [start - step * i for i in range(5)], f"Each number is {step} less than the one before.", "-"
    else:
        step = 2
        row, rule, last = [start * 2**i for i in range(5)], "Each number is twice the one before.", "*"
    steps = [rule, f"{row[3]} {last} {step} = {row[4]}."]
    return _row(f"What number comes next: {', '.join(map(str, row[:4]))}?", steps, row[4])


def compare(rng: Random) -> Row:
    while True:
        a, b, c, d = (rng.randint(2, 12) for _ in range(4))
        if a * b != c * d:
            break
    steps = [f"{a} * {b} = {a * b}.", f"{c} * {d} = {c * d}.", f"{max(a * b, c * d)} is more than {min(a * b, c * d)}."]
    return _row(f"Which is larger, {a} * {b} or {c} * {d}? Give the larger value.", steps, max(a * b, c * d))


def basket(rng: Random) -> Row:
    name, fruit = rng.choice(NAMES), rng.sample(("apples", "pears", "plums", "lemons", "figs", "melons"), 3)
    a, b, c = (rng.randint(2, 15) for _ in range(3))
    question = rng.choice(
        (
            f"How many pieces of fruit does {name} have?",
            f"{name} counts the basket. How many pieces of fruit are in it?",
            f"How much fruit did {name} pick in all?",
        )
    )
    context = "\n".join(f"{kind}: {n}" for kind, n in zip(fruit, (a, b, c), strict=True))
    return _row(question, [f"{a} + {b} = {a + b}.", f"{a + b} + {c} = {a + b + c}."], a + b + c, context)


def average(rng: Random) -> Row:
    name, mean, low, high = rng.choice(NAMES), rng.randint(8, 20), rng.randint(1, 6), rng.randint(1, 6)
    values = [mean - low, mean + high, mean + low - high]
    rng.shuffle(values)
    what = rng.choice(("pages read", "minutes walked", "letters written"))
    context = ", ".join(f"{day} {n}" for day, n in zip(DAYS, values, strict=False))
    a, b, c = values
    steps = [f"The sum is {a} + {b} + {c} = {3 * mean}.", f"Over 3 days: {3 * mean} / 3 = {mean}."]
    return _row(f"These are {name}'s {what} on three days. What is the average per day?", steps, mean, context)


def clock(rng: Random) -> Row:
    what, hour, minute = rng.choice(("film", "lesson", "concert", "match")), rng.randint(8, 19), 5 * rng.randrange(12)
    length = 5 * rng.randint(13, 35)
    hours, rest = divmod(length, 60)
    later, end = hour + hours, hour * 60 + minute + length
    answer = f"{end // 60}:{end % 60:02d}"
    steps = [
        f"{length} minutes are {hours} h {rest} min.",
        f"{hour}:{minute:02d} plus {hours} h is {later}:{minute:02d}.",
    ]
    steps.append(f"Plus {rest} min it is {answer}.")
    return _row(
        f"A {what} starts at {hour}:{minute:02d} and lasts {length} minutes. At what time does it end?", steps, answer
    )


def share(rng: Random) -> Row:
    name, item, (word, k) = (
        rng.choice(NAMES),
        rng.choice(ITEMS),
        rng.choice((("half", 2), ("a third", 3), ("a quarter", 4))),
    )
    n = k * rng.randint(3, 12)
    steps = [f"{word.capitalize()} of {n} is {n} / {k} = {n // k}.", f"{n} - {n // k} = {n - n // k}."]
    return _row(f"{name} has {n} {item} and gives away {word} of them. How many {item} are left?", steps, n - n // k)


def parity(rng: Random) -> Row:
    a, b = rng.randint(3, 60), rng.randint(3, 60)
    answer = "odd" if (a + b) % 2 else "even"
    return _row(
        f"Is the sum of {a} and {b} even or odd?",
        [f"{a} + {b} = {a + b}.", f"{a + b} ends in {(a + b) % 10}, so it is {answer}."],
        answer,
    )


def minutes(rng: Random) -> Row:
    hours, rest = rng.randint(2, 9), 5 * rng.randint(1, 11)
    steps = [f"{hours} hours are {hours} * 60 = {hours * 60} minutes.", f"{hours * 60} + {rest} = {hours * 60 + rest}."]
    return _row(f"How many minutes are {hours} hours and {rest} minutes?", steps, hours * 60 + rest)


def rectangle(rng: Random) -> Row:
    what, short, long = rng.choice(("garden", "room", "field", "yard")), rng.randint(2, 9), rng.randint(10, 20)
    if rng.random() < 0.5:
        steps = ["Area is length times width.", f"{long} * {short} = {long * short}."]
        return _row(
            f"A {what} is {long} m long and {short} m wide. What is its area in square metres?", steps, long * short
        )
    steps = [f"{long} + {short} = {long + short}.", f"All four sides: 2 * {long + short} = {2 * (long + short)}."]
    return _row(
        f"A {what} is {long} m long and {short} m wide. How many metres of fence go around it?",
        steps,
        2 * (long + short),
    )


ENGLISH: tuple[Family, ...] = (
    *(shopping, change, ages, distance, remainder, heights, syllogism, weekday, sequence),
    *(compare, basket, average, clock, share, parity, minutes, rectangle),
)
