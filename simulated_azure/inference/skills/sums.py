"""Sums: expressions, a few functions, and small word problems. Whole numbers are exact."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal, DivisionByZero, InvalidOperation, localcontext

from ..forms import NUMBER_WORDS as NUMBERS
from ..words import sentences, stem, words
from .chat import Chat, Reply

MAX_TEXT_LENGTH = 400  # characters; no sum is read in a longer message
OPERATIONS = {  # sign -> its name
    "+": "plus",
    "-": "minus",
    "*": "times",
    "/": "divided by",
    "**": "to the power of",
}
SPELLINGS = [  # (ways to write an operation, its sign)
    (r"\bto the power of\b|\^", "**"),
    (r"\bmultiplied by\b|\btimes\b|\bmal\b|\bfois\b|×|·|(?<=\d)\s*x\s*(?=\d)", "*"),
    (r"\bdivided by\b|\bgeteilt durch\b|\bdivisé par\b|\bover\b|÷|:(?=\s*\d)", "/"),
    (r"\bplus\b|\badded to\b", "+"),
    (r"\bminus\b|\bmoins\b|−|–", "-"),
    (r"%\s*of\b|\bpercent of\b|\bper cent of\b", "% of"),
]
NUMBER_WORDS = {word: str(number) for word, number in NUMBERS.items()}
NUMBER = r"-?\d+(?:[.,]\d+)*"
SUM = re.compile(rf"({NUMBER})\s*(\*\*|[-+*/]|% of)\s*({NUMBER})")
ASIDE = re.compile(  # words that may surround a sum
    r"\b(what|whats|is|are|the|result|of|how|much|calculate|compute|work|out|please|can|could|you"
    r"|tell|me|equal|equals|hey|hi|hello|s|and|does|make|do|add|sum|answer|to|value|just|solve"
    r"|quick|quickly|was|ist|wie|viel|sind|ergibt|bitte|combien|font|fait|ça)\b|[=?.!,:']|\s"
)


def arithmetic(text: str) -> list[str]:
    """Answer one operation on two numbers, written with signs or words."""
    plain = text.casefold()
    for pattern, sign in SPELLINGS:
        plain = re.sub(pattern, f" {sign} ", plain)
    plain = re.sub(r"\b[a-z]+\b", lambda match: NUMBER_WORDS.get(match[0], match[0]), plain)
    match = SUM.search(plain)
    if not match or ASIDE.sub("", plain[: match.start()] + plain[match.end() :]):
        return []
    left, sign, right = match.groups()
    a, b = _number(left), _number(right)
    if a is None or b is None:
        return []
    if sign == "/" and b == 0:
        return [
            f"{left} divided by 0 has no answer: division by zero is not defined.",
            "Division by zero is not defined, so there is no answer.",
            f"There is no answer: {left} cannot be divided by 0.",
        ]
    result = _calculate(a, sign, b)
    if result is None:
        return []
    operation = f"{left}% of {right}" if sign == "% of" else f"{left} {OPERATIONS[sign]} {right}"
    return [
        f"{operation} is {result}.",
        f"{operation} equals {result}.",
        f"The answer is {result}.",
        f"That makes {result}: {operation} is {result}.",
    ]


def _number(text: str) -> Decimal | None:
    """Return the number that a text writes: "1,000" is a thousand, "1.5" and "1,5" one and a half.

    Return None if it is not a number or has more than 15 characters.
    """
    if re.fullmatch(r"-?\d{1,3}(,\d{3})+(\.\d+)?", text):
        text = text.replace(",", "")
    try:
        return Decimal(text.replace(",", ".")) if len(text) <= 15 else None
    except InvalidOperation:
        return None


def _calculate(a: Decimal, sign: str, b: Decimal) -> str | None:
    """Return the result of an operation in digits.

    A fraction of more than 20 digits is rounded and begins with "about". Return None if the result
    is not defined or the numbers of a power are too large.
    """
    if sign == "**" and (
        abs(a) > 1000 or abs(b) > 30 or (a == 0 and b < 0) or b != b.to_integral_value()
    ):
        return None
    with localcontext(prec=500):  # 15 digits to the 30th power
        try:
            exact = {
                "+": lambda: a + b,
                "-": lambda: a - b,
                "*": lambda: a * b,
                "/": lambda: a / b,
                "**": lambda: a**b,
                "% of": lambda: a * b / 100,
            }[sign]()
        except (DivisionByZero, InvalidOperation):
            return None
    if exact == 0:
        return "0"
    if exact == exact.to_integral_value():
        return f"{exact.to_integral_value():f}"
    if len(exact.normalize().as_tuple().digits) <= 20:
        return f"{exact.normalize():f}"
    with localcontext(prec=max(10, exact.adjusted() + 3)):
        return f"about {(+exact).normalize():f}"


TOKEN = re.compile(r"\s*(\d+(?:[.,]\d+)*|\*\*|[-+*/()])")
LIST = r"((?:-?\d+(?:\.\d+)?)(?:\s*(?:,|and|,\s*and|&)\s*-?\d+(?:\.\d+)?)+)"
GAINS = frozenset(
    map(
        stem,
        "buy bought buys get gets got find finds found receive receives received "
        "add adds added more"
        " pick picks earn earns earned join joins joined arrive arrives arrived come came comes"
        " collect collects collected bring brings brought win wins won bake bakes baked".split(),
    )
)
LOSSES = frozenset(
    map(
        stem,
        "give gives gave eat eats ate lose loses lost sell sells sold spend "
        "spends spent leave leaves"
        " left break breaks broke fly flew flies use uses used wilt wilted die died throw threw pay"
        " paid pays drop drops dropped donate donates donated remove removes removed drink drank"
        " hatch hatched burst popped stolen steal".split(),
    )
)
# Words of problems that the skill cannot solve.
TRAPS = re.compile(
    r"\b(twice|half|third|quarter|double|triple|times as|than|percent|%|some|other|ratio|average"
    r"|age"
    r"|older|younger|years? (old|ago)|as many|as much|except|but)\b",
    re.IGNORECASE,
)
QUESTION = re.compile(
    r"\bhow (many|much|far|long)\b[^?]*\??"
    r"|\bwhat (?:do|does|did|will|would) (?:it|they|all|both|he|she|i|we|the \w+) cost\b[^?]*\??",
    re.IGNORECASE,
)
# "4 dollars an hour": what follows is the unit of the other number.
RATE = re.compile(
    r"\b(?:per|an?|one|every|each) (hour|minute|second|day|night|week|month|year|kilo|kg|litre"
    r"|liter|metre|meter|kilometre|km|mile)\b"
)


def sums(chat: Chat) -> Reply | None:
    """Answer one operation on two numbers."""
    return _solved(chat.text, arithmetic)


def longer_sums(chat: Chat) -> Reply | None:
    """Answer a longer expression, a question about numbers, or a word problem."""
    reply = _solved(chat.text, expression, function, word_problem)
    if not reply and chat.earlier and "?" not in chat.earlier[-1]:
        reply = _solved(f"{chat.earlier[-1]} {chat.text}", word_problem)
    return reply


def _solved(text: str, *ways: Callable[[str], list[str]]) -> Reply | None:
    """Return the answers of the first way that has some. A text without numbers gets None."""
    if len(text) > MAX_TEXT_LENGTH or not re.search(r"\d|" + "|".join(NUMBER_WORDS), text.lower()):
        return None
    for solve in ways:
        answers = solve(text)
        if answers:
            numbers = re.findall(r"(?:about )?-?\d+(?:[.,]\d+)*", answers[0])
            word = re.match(r"Yes|No\b", answers[0])
            brief = word[0] if word else numbers[-1] if numbers else ""
            return Reply("sums", tuple(answers), brief=brief)
    return None


def expression(text: str) -> list[str]:
    """Answer an expression with several operations and parentheses."""
    plain = text.casefold()
    for pattern, sign in SPELLINGS[:-1]:
        plain = re.sub(pattern, f" {sign} ", plain)
    plain = re.sub(r"\b[a-z]+\b", lambda match: NUMBER_WORDS.get(match[0], match[0]), plain)
    plain = re.sub(r"(?<=\d),(?=\d{3}\b)", "", plain)
    match = re.search(r"[-(\d][-+*/().,\d\s]*[\d)]", plain)
    rest = ASIDE.sub("", plain[: match.start()] + plain[match.end() :]) if match else "?"
    if re.sub(r"\b(for|it|now|thanks?|so|i|need|know|want|expression|evaluate)\b", "", rest):
        return []
    written = re.sub(r"\s+", " ", match[0].strip())
    tokens = TOKEN.findall(match[0])
    if (
        "".join(tokens) != re.sub(r"\s", "", match[0])
        or sum(token in "+-*/**" for token in tokens) < 1
    ):
        return []
    try:
        with localcontext(prec=60):
            value, rest_tokens = _sum(tokens)
    except DivisionByZero:
        return [
            "That has no answer: division by zero is not defined.",
            "There is no answer, because it divides by zero.",
        ]
    except (InvalidOperation, IndexError, ValueError, OverflowError):
        return []
    if rest_tokens:
        return []
    result = digits(value)
    return [
        f"{written} = {result}.".replace(" .", "."),
        f"The result is {result}.",
        f"That makes {result}.",
    ]


def _sum(tokens: list[str]) -> tuple[Decimal, list[str]]:
    """Return (value, the tokens after it) of a sum or a difference."""
    value, rest = _product(tokens)
    while rest and rest[0] in "+-":
        sign = rest[0]
        other, rest = _product(rest[1:])
        value = value + other if sign == "+" else value - other
    return value, rest


def _product(tokens: list[str]) -> tuple[Decimal, list[str]]:
    value, rest = _power(tokens)
    while rest and rest[0] in ("*", "/"):
        sign = rest[0]
        other, rest = _power(rest[1:])
        value = value * other if sign == "*" else value / other
    return value, rest


def _power(tokens: list[str]) -> tuple[Decimal, list[str]]:
    if tokens[0] == "-":
        value, rest = _power(tokens[1:])
        return -value, rest
    value, rest = _atom(tokens)
    if rest and rest[0] == "**":
        other, rest = _power(rest[1:])
        if abs(value) > 1000 or abs(other) > 15 or other != other.to_integral_value():
            raise ValueError("the power is too large")
        value = value**other
    return value, rest


def _atom(tokens: list[str]) -> tuple[Decimal, list[str]]:
    if tokens[0] == "(":
        value, rest = _sum(tokens[1:])
        if rest[0] != ")":
            raise ValueError("a parenthesis is missing")
        return value, rest[1:]
    number = _number(tokens[0])
    if number is None:
        raise ValueError("not a number")
    return number, tokens[1:]


def digits(value: Decimal) -> str:
    """Return a number in digits. It is rounded, and begins with "about", if it has too many."""
    if value == value.to_integral_value():
        return f"{value.to_integral_value():f}"
    if len(value.normalize().as_tuple().digits) <= 12:
        return f"{value.normalize():f}"
    with localcontext(prec=max(8, value.adjusted() + 5)):
        return f"about {(+value).normalize():f}"


def function(text: str) -> list[str]:
    """Answer a question about roots, squares, averages, prime numbers and the like."""
    plain = re.sub(
        r"\b[a-z]+\b", lambda match: NUMBER_WORDS.get(match[0], match[0]), text.casefold()
    )
    plain = re.sub(r"(?<=\d),(?=\d{3}\b)", "", plain)
    number = r"(-?\d{1,12}(?:\.\d{1,6})?)"
    if match := re.search(rf"\b(?:square )?root of {number}\b(?!.*\d)", plain):
        value = Decimal(match[1])
        if value >= 0 and "cube root" not in plain:
            result = digits(value.sqrt())
            return [f"The square root of {match[1]} is {result}.", f"It is {result}."]
    if match := re.search(rf"\b(?:{number} squared|square of {number})(?!.*\d)", plain):
        value = match[1] or match[2]
        result = digits(Decimal(value) ** 2)
        return [f"The square of {value} is {result}.", f"It is {result}."]
    if match := re.search(
        rf"\b(half of|double|twice|triple|a third of|a quarter of) {number}(?!.*\d)", plain
    ):
        factor = {"half of": Decimal("0.5"), "double": 2, "twice": 2, "triple": 3}.get(match[1])
        value = Decimal(match[2])
        with localcontext(prec=30):
            value = value * factor if factor else value / (3 if "third" in match[1] else 4)
        return [
            f"{match[1]} {match[2]} is {digits(value)}.".capitalize(),
            f"It is {digits(value)}.",
        ]
    kinds = (
        "average|mean|sum|total|product|largest|biggest|highest|maximum|smallest|lowest|minimum"
        "|difference"
    )
    if match := re.search(rf"\b({kinds})\b[^\d-]*{LIST}(?!.*\d)", plain):
        numbers = [Decimal(item) for item in re.findall(r"-?\d+(?:\.\d+)?", match[2])]
        with localcontext(prec=30):
            result = _of_list(match[1], numbers)
        if result is not None:
            listed = ", ".join(map(str, numbers[:-1])) + f" and {numbers[-1]}"
            joint = "between" if match[1] == "difference" else "of"
            return [
                f"The {match[1]} {joint} {listed} is {digits(result)}.",
                f"It is {digits(result)}.",
            ]
    if match := re.search(r"\bis (\d{1,9}) (?:a )?(prime|even|odd)\b", plain):
        value = int(match[1])
        divisor = next((n for n in range(2, int(value**0.5) + 1) if value % n == 0), 0)
        if match[2] == "prime":
            if value < 2:
                return [f"No, {value} is not a prime number: the smallest is 2."]
            if divisor:
                fact = f"it is {divisor} times {value // divisor}"
                return [f"No, {value} is not a prime number: {fact}.", f"No: {fact}."]
            return [f"Yes, {value} is a prime number.", f"Yes, only 1 and {value} divide {value}."]
        fits = value % 2 == (match[2] == "odd")
        fact = f"{value} is {'odd' if value % 2 else 'even'}"
        return [f"{'Yes' if fits else 'No'}, {fact}.", f"{'Yes' if fits else 'No'}. {fact}."]
    return []


def _of_list(kind: str, numbers: list[Decimal]) -> Decimal | None:
    if kind in ("average", "mean"):
        return sum(numbers) / len(numbers)
    if kind in ("sum", "total"):
        return sum(numbers)
    if kind == "product":
        result = Decimal(1)
        for number in numbers:
            result *= number
        return result
    if kind == "difference":
        return abs(numbers[0] - numbers[1]) if len(numbers) == 2 else None
    return max(numbers) if kind in ("largest", "biggest", "highest", "maximum") else min(numbers)


def word_problem(text: str) -> list[str]:
    """Answer a problem about numbers of one thing that grow, shrink, repeat or are shared.

    Every number must have a clear part in it. If one has not, there is no answer.
    """
    plain = re.sub(r"(?<=\d),(?=\d{3}\b)", "", text)
    plain = re.sub(
        r"\b[A-Za-z]+\b",
        lambda match: (
            NUMBER_WORDS.get(match[0].casefold(), match[0])
            if match[0].casefold() not in ("zero", "one")
            else match[0]
        ),
        plain,
    )
    question = QUESTION.search(plain)
    numbers = re.findall(r"\d+(?:\.\d+)?", plain)
    if not question or len(numbers) < 2 or TRAPS.search(plain):
        return []
    noun = re.search(r"how (?:many|much) ([a-z]+)", question[0].casefold())
    noun = noun[1] if noun and stem(noun[1]) not in _VERBS else ""
    story = plain[: question.start()] + plain[question.end() :]
    lower = plain.casefold()
    if len(numbers) == 2 and re.search(
        r"\b(shared?|divided?|split|distributed?|shares|splits|divides|equally|evenly|each get)\b",
        lower,
    ):
        first, second = map(Decimal, numbers)
        if re.search(r"\d[^.\d]*\b(?:share|split|divide)s?\b[^.\d]*\d", lower):
            first, second = second, first  # "6 friends share 3 pizzas"
        return _told(
            f"{digits(first)} divided by {digits(second)}", first / second if second else None
        )
    if stepwise := _in_steps(lower, numbers):
        return stepwise
    rate = RATE.search(lower)
    if rate and rate.start() >= question.start():
        return _by_the_unit(lower, rate, numbers)
    if rate and stem(rate[1]) not in {stem(noun) for noun in _nouns(lower)}:
        return []
    each = rate or re.search(r"\b(each|every|per|apiece|costs?)\b", lower)
    is_price = re.search(r"how much", question[0], re.I) and re.search(
        r"\b(at|for)\b.*\b(each|apiece|per)\b", lower
    )
    # Two numbers of the same thing ("20 pages a day, 300 pages") are no factors.
    nouns = [stem(noun) for noun in _nouns(lower)]
    are_factors = each and len(set(nouns)) == len(nouns)
    if len(numbers) == 2 and are_factors and (is_price or not _changes(story)):
        first, second = map(Decimal, numbers)
        return _told(f"{digits(first)} times {digits(second)}", first * second)
    if each or _direction(re.sub(r"\b(?:left|more)\b", "", question[0])):
        return []
    total, parts = None, []
    for clause in _clauses(plain[: question.start()] if story.strip() else plain):
        for number in re.findall(r"\d+(?:\.\d+)?", clause):
            value, direction = Decimal(number), _direction(clause)
            if total is None:
                total, parts = value, [digits(value)]
                if direction < 0:
                    return []
                continue
            if not direction:
                return []
            total += direction * value
            parts.append(f"{'plus' if direction > 0 else 'minus'} {digits(value)}")
    if total is None or len(parts) != len(numbers) or total < 0:
        return []
    return _told(" ".join(parts), total)


def _by_the_unit(text: str, rate: re.Match[str], numbers: list[str]) -> list[str]:
    """Answer a question for one hour, one kilo and the like: "8 hours cost 40 euros"."""
    nouns = re.findall(r"(\d+(?:\.\d+)?) ([a-z]+)", text[: rate.start()])
    if len(numbers) != 2 or len(nouns) != 2 or re.search(r"\d", text[rate.start() :]):
        return []
    of_unit = [stem(noun) == stem(rate[1]) for _, noun in nouns]
    if of_unit.count(True) != 1:
        return []
    divisor, value = (Decimal(nouns[of_unit.index(kind)][0]) for kind in (True, False))
    return _told(
        f"{digits(value)} divided by {digits(divisor)}", value / divisor if divisor else None
    )


def _nouns(text: str) -> list[str]:
    """Return the word after each number of a text that has one."""
    return re.findall(r"\d+(?:\.\d+)? ([a-z]+)", text)


def _in_steps(text: str, numbers: list[str]) -> list[str]:
    """Answer a problem whose first step is a product, or one that asks what is left of a whole.

    text: in lower case, with numbers in digits.
    """
    question = QUESTION.search(text)
    story = text[: question.start()]
    values = [Decimal(number) for number in numbers]
    if re.search(r"\d", question[0]) and len(numbers) != 3:
        return []
    if (
        len(numbers) == 3
        and (rate := RATE.search(text))
        and re.search(r"\beach\b|\bapiece\b", text)
    ):
        nouns = [stem(noun) for noun in _nouns(text)]
        if len(set(nouns)) == 3 and stem(rate[1]) == nouns[-1] and not _changes(story):
            way = " times ".join(map(digits, values))
            return _told(way, values[0] * values[1] * values[2])
    if len(numbers) == 3 and (product := PRODUCT.search(story)):
        return _product_and_change(product, story, values, question[0])
    if len(numbers) == 2 and not RATE.search(text) and not re.search(r"\beach\b|\bper\b", text):
        return _rest_of_whole(story, values, question[0])
    return []


# "3 boxes with 12 eggs each"
PRODUCT = re.compile(
    r"(\d[\d.]*) ([a-z]+)(?:,)? (?:with|of|at|for|that (?:have|hold|cost)|which (?:have|hold|cost)"
    r"|containing|and each (?:has|holds|costs)|has|have|hold|cost) (\d[\d.]*) ([a-z]+)"
    r"(?: in)?(?:,? (?:each(?: (?!and\b|but\b|then\b)\w+)?|apiece|per \w+))"
)


def _product_and_change(
    product: re.Match[str], story: str, values: list[Decimal], question: str
) -> list[str]:
    """Answer "3 boxes with 12 eggs each" of which some go, or to which some come."""
    rest = story[product.end() :]
    number = re.search(r"(\d[\d.]*)(?: (?:of (?:them|the|these) )?([a-z]+))?", rest)
    if not number or re.search(r"\d", story[: product.start()]):
        return []
    direction = _direction(rest)
    if not direction and re.search(r"\b(?:pay|cost|spend|total|altogether|all)\b", question):
        direction = 1 if re.match(r"\W*(?:and|plus) .*\bfor \d", rest) else 0
    if not direction:
        return []
    outer, inner = stem(product[2]), stem(product[4])
    noun = stem(number[2] or "")
    first, second, third = values
    sign = "plus" if direction > 0 else "minus"
    if noun == outer:
        way = f"({digits(first)} {sign} {digits(third)}) times {digits(second)}"
        return _told(way, (first + direction * third) * second)
    if noun and noun != inner and noun not in QUANTITY_STEMS:
        return []
    total = first * second + direction * third
    way = f"{digits(first)} times {digits(second)} {sign} {digits(third)}"
    return _told(way, total) if total >= 0 else []


# Words after a number that name no other thing: "eat 5 and then rest", "5 are gone"
QUANTITY_STEMS = frozenset(map(stem, "more are is were was and how to for on at in then".split()))


def _rest_of_whole(story: str, values: list[Decimal], question: str) -> list[str]:
    """Answer what is left of a whole: "300 pages, and I have read 120"."""
    whole, part = values
    pieces = re.match(r".*?\d[\d.]* ([a-z]+)\b(.*?)(\d[\d.]*)(?: ([a-z]+))?(.*)$", story, re.DOTALL)
    if not pieces or part > whole or not re.search(r"[.!;,]|\band\b|\bbut\b", pieces[2]):
        return []
    noun, other = stem(pieces[1]), stem(pieces[4] or "")
    state = re.match(
        r"\W*(?:of them )?(?:are|is|were|was)\b(?: \w+)? (\w+)", f"{pieces[4]}{pieces[5]}"
    )
    asks_rest = re.search(r"\b(?:left|remain\w*|still|to go)\b", question)
    if state:
        asks_other = not re.search(rf"\b{state[1]}\b|\bthere\b|\ball\b|\btotal\b", question)
        if not asks_other:
            return []
    elif not asks_rest or other not in ("", noun):
        return []
    if _direction(pieces[2] + pieces[5]) > 0:
        return []
    if not state and re.search(r"\b(?:has|have|had|got|owns?) $", pieces[2]):
        return []  # another person has the second number
    return _told(f"{digits(whole)} minus {digits(part)}", whole - part)


_VERBS = frozenset(map(stem, "do does did is are was were has have will can".split()))


def needs_reckoning(text: str) -> bool:
    """Return True if a text has numbers that must be reckoned with, rather than read."""
    if not re.search(r"\d", text):
        return False
    tells_of_someone = re.search(r"\b(?:I|you|he|she|we|they)\b", text)
    are_several = len(re.findall(r"\d+", text)) > 1
    return bool(TRAPS.search(text) or _changes(text) or tells_of_someone and are_several)


def _told(way: str, value: Decimal | None) -> list[str]:
    if value is None:
        return []
    return [
        f"{way[0].upper()}{way[1:]} is {digits(value)}.",
        f"The answer is {digits(value)}: {way} is {digits(value)}.",
        f"That makes {digits(value)}.",
    ]


def _clauses(text: str) -> list[str]:
    """Return the pieces of a story, each with one verb as a rule."""
    pieces = []
    for sentence in sentences(text):
        pieces += re.split(r",? \b(?:and|then|but)\b |, | if ", sentence)
    merged: list[str] = []
    for piece in pieces:  # "7 on lunch and 4 on coffee": the second piece has the verb of the first
        verbs = {stem(word) for word in words(piece)} & (GAINS | LOSSES) - {"more"}
        if merged and re.match(r"\d", piece) and _direction(merged[-1]) and not verbs:
            verb = "gains" if _direction(merged[-1]) > 0 else "loses"
            piece = f"{verb} {piece}"
        merged.append(piece)
    return merged


def _changes(text: str) -> bool:
    return any(_direction(clause) for clause in _clauses(text))


def _direction(clause: str) -> int:
    """Return 1 if a clause tells of a gain, -1 for a loss, 0 for neither or both."""
    roots = {stem(word) for word in words(clause)}
    if re.search(r"\b(?:buys?|bought)\b.* for \W?\d", clause):
        return -1
    gain = bool(roots & GAINS or "gain" in roots)
    loss = bool(roots & LOSSES or "lose" in roots)
    if loss and roots & {"more"}:
        return -1
    return gain - loss
