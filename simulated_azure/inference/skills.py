"""Answers that are computed, not looked up: small arithmetic, and facts from the conversation.

Each skill takes the user's message, and some the earlier ones. It returns the possible answers, the
preferred one first, or [] if it does not apply. The language model then generates its text from
these answers as from any others.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal, DivisionByZero, InvalidOperation, localcontext

MAX_TEXT_LENGTH = 400  # characters; no skill applies to a longer message
OPERATIONS = {  # sign -> its name
    "+": "plus",
    "-": "minus",
    "*": "times",
    "/": "divided by",
    "**": "to the power of",
}
SPELLINGS = [  # (ways to write an operation, its sign)
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
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
        "fifteen sixteen seventeen eighteen nineteen twenty".split()
    )
}
NUMBER = r"-?\d+(?:[.,]\d+)*"
SUM = re.compile(rf"({NUMBER})\s*(\*\*|[-+*/]|% of)\s*({NUMBER})")
ASIDE = re.compile(  # words that may surround a sum
    r"\b(what|whats|is|are|the|result|of|how|much|calculate|compute|work|out|please|can|could|you"
    r"|tell|me|equal|equals|hey|hi|hello|s|and|does|make|do|add|sum|answer|to|value|just|solve"
    r"|quick|quickly)\b|[=?.!,:']|\s"
)
NAME = re.compile(
    r"\b(?:my name is|my name's|call me|i am called)\s+([^\W\d_][\w'-]*(?-i:(?: [A-Z][\w'-]*)*))",
    re.IGNORECASE,
)
NAME_QUESTION = re.compile(
    r"\b(what('?s| is| was)|do you (know|remember)|remember|tell me|say) my name\b", re.IGNORECASE
)
EARLIER_MESSAGE_QUESTION = re.compile(
    r"\brepeat what i (just )?(said|wrote)"
    r"|\bwhat (did|have) i (just |last )?(ask|asked|say|said|tell you|told you)"
    r"|\bwhat was my (last|previous|first) question",
    re.IGNORECASE,
)
REPEAT_REQUEST = re.compile(
    r"^\s*(?:please )?"
    r"(?:(?:repeat after me|repeat this|repeat exactly|say exactly|echo)\s*:?\s+|repeat\s*:\s*)"
    r"[\"']?(.+?)[\"']?\s*$",
    re.IGNORECASE | re.DOTALL,
)


def answers_to(text: str, earlier: Sequence[str]) -> list[str]:
    """Return the possible answers to a message, the preferred one first; [] if no skill applies.

    earlier: the user's earlier messages, oldest first.

    >>> answers_to("What is 12 times 7?", [])[0]
    '12 times 7 is 84.'
    >>> answers_to("What is my name?", ["My name is Ada."])[0]
    'Your name is Ada.'
    """
    if len(text) > MAX_TEXT_LENGTH:
        return []
    return (
        arithmetic(text)
        or user_name(text, earlier)
        or earlier_message(text, earlier)
        or repetition(text)
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


def user_name(text: str, earlier: Sequence[str]) -> list[str]:
    """Answer the question for the user's name from earlier messages, or greet the user by name."""
    if NAME_QUESTION.search(text):
        names = [match[1] for message in (*earlier, text) for match in NAME.finditer(message)]
        if names:
            return [
                f"Your name is {names[-1]}.",
                f"You told me that your name is {names[-1]}.",
                f"It is {names[-1]}.",
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


def earlier_message(text: str, earlier: Sequence[str]) -> list[str]:
    """Answer the question what the user wrote before, with the first or the last message."""
    if EARLIER_MESSAGE_QUESTION.search(text) and earlier:
        message = earlier[0] if "first" in text.casefold() else earlier[-1]
        return [
            f'You said: "{message}"',
            f'You wrote: "{message}"',
            f'Your words were: "{message}"',
        ]
    return []


def repetition(text: str) -> list[str]:
    """Answer a request to repeat a text with that text."""
    match = REPEAT_REQUEST.match(text)
    return [match[1]] if match else []
