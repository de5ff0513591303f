"""Answers that are worked out instead of looked up: small arithmetic, and what was said earlier in the conversation.

Each skill takes the user's text and what was said before it, and returns the ways to answer, the preferred one first,
or nothing. The language model then speaks these answers like any others.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal, DivisionByZero, InvalidOperation, localcontext

OPERATIONS = {
    "+": "plus",
    "-": "minus",
    "*": "times",
    "/": "divided by",
    "**": "to the power of",
}
SPELLED = [  # a way to write an operation -> its sign
    (r"\bto the power of\b|\^", "**"),
    (r"\bmultiplied by\b|\btimes\b|×|·|(?<=\d)\s*x\s*(?=\d)", "*"),
    (r"\bdivided by\b|\bover\b|÷|:(?=\s*\d)", "/"),
    (r"\bplus\b|\badded to\b", "+"),
    (r"\bminus\b|−|–", "-"),
    (r"%\s*of\b|\bpercent of\b|\bper cent of\b", "% of"),
]
NUMBER_WORDS = {
    word: str(number)
    for number, word in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
        "seventeen eighteen nineteen twenty".split()
    )
}
NUMBER = r"-?\d+(?:[.,]\d+)*"
SUM = re.compile(rf"({NUMBER})\s*(\*\*|[-+*/]|% of)\s*({NUMBER})")
ASIDE = re.compile(  # words that may stand around a sum
    r"\b(what|whats|is|are|the|result|of|how|much|calculate|compute|work|out|please|can|could|you|tell|me|equal|equals|"
    r"hey|hi|hello|s|and|does|make|do|add|sum|answer|to|value|just|solve|quick|quickly)\b|[=?.!,:']|\s"
)
NAME = re.compile(
    r"\b(?:my name is|my name's|call me|i am called)\s+([^\W\d_][\w'-]*(?-i:(?: [A-Z][\w'-]*)*))",
    re.IGNORECASE,
)
ASKS_NAME = re.compile(
    r"\b(what('?s| is| was)|do you (know|remember)|remember|tell me|say) my name\b", re.IGNORECASE
)
ASKS_BEFORE = re.compile(
    r"\brepeat what i (just )?(said|wrote)"
    r"|\bwhat (did|have) i (just |last )?(ask|asked|say|said|tell you|told you)|\bwhat was my (last|previous|first) question",
    re.IGNORECASE,
)
REPEAT = re.compile(
    r"^\s*(?:please )?(?:(?:repeat after me|repeat this|repeat exactly|say exactly|echo)\s*:?\s+|repeat\s*:\s*)"
    r"[\"']?(.+?)[\"']?\s*$",
    re.IGNORECASE | re.DOTALL,
)


def answers_to(text: str, heard: Sequence[str]) -> list[str]:
    """The ways to answer, the preferred one first; [] if no skill applies. ``heard``: earlier messages, oldest first.

    >>> answers_to("What is 12 times 7?", [])[0]
    '12 times 7 is 84.'
    >>> answers_to("What is my name?", ["My name is Ada."])[0]
    'Your name is Ada.'
    """
    if len(text) > 400:
        return []
    return arithmetic(text) or names(text, heard) or earlier(text, heard) or repetition(text)


def arithmetic(text: str) -> list[str]:
    """One operation on two numbers, written with signs or words."""
    plain = text.casefold()
    for pattern, sign in SPELLED:
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
    asked = f"{left}% of {right}" if sign == "% of" else f"{left} {OPERATIONS[sign]} {right}"
    return [
        f"{asked} is {result}.",
        f"{asked} equals {result}.",
        f"The answer is {result}.",
        f"That makes {result}: {asked} is {result}.",
    ]


def _number(text: str) -> Decimal | None:
    """A number as people write it: 1,000 is a thousand, 1.5 one and a half."""
    if re.fullmatch(r"-?\d{1,3}(,\d{3})+(\.\d+)?", text):
        text = text.replace(",", "")
    try:
        return Decimal(text.replace(",", ".")) if len(text) <= 15 else None
    except InvalidOperation:
        return None


def _calculate(a: Decimal, sign: str, b: Decimal) -> str | None:
    """The result in digits; "about ..." where they do not end within 20. None if too large."""
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


def names(text: str, heard: Sequence[str]) -> list[str]:
    """The user's name: remembered from what was said, or greeted when it is given."""
    if ASKS_NAME.search(text):
        told = [match[1] for said in (*heard, text) for match in NAME.finditer(said)]
        if told:
            return [
                f"Your name is {told[-1]}.",
                f"You told me that your name is {told[-1]}.",
                f"It is {told[-1]}.",
            ]
        return []
    match = NAME.search(text)
    if match and len(text.split()) <= 8:
        name = match[1]
        return [
            f"Nice to meet you, {name}. What would you like to know?",
            f"Hello, {name}. What would you like to know?",
            f"Nice to meet you, {name}. How can I help?",
        ]
    return []


def earlier(text: str, heard: Sequence[str]) -> list[str]:
    """What the user said before."""
    if ASKS_BEFORE.search(text) and heard:
        said = heard[0] if "first" in text.casefold() else heard[-1]
        return [f'You said: "{said}"', f'You wrote: "{said}"', f'Your words were: "{said}"']
    return []


def repetition(text: str) -> list[str]:
    """Repeats what it is told to repeat."""
    match = REPEAT.match(text)
    return [match[1]] if match else []
