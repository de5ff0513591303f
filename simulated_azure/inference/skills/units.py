"""The skill that converts amounts from one unit into another."""

from __future__ import annotations

import re
from decimal import Decimal

from ..facts import load_facts
from ..forms import NUMBER_WORDS
from .chat import Chat, Reply
from .knowledge import rest_of

U = r"[A-Za-z]+(?: miles?)?"
A = r"-?\d+(?:[.,]\d+)*|an?|one|two|three|four|five|six|seven|eight|nine|ten"
CONVERSIONS = [
    rf"\bhow many (?P<target>{U}) (?:are|is|go|fit|has|does|do)?\b ?(?:there|it)? ?(?:in|into|to"
    rf"|make)? ?"
    rf"(?P<amount>{A}) (?P<source>{U})\b",
    rf"(?<![\d.,])(?P<amount>{A}) ?(?P<source>{U}) (?:is how many|in|to|into|as|are how many"
    rf"|equals how many) (?P<target>{U})\b",
]


def conversion(chat: Chat) -> Reply | None:
    """Convert an amount from one unit into another. A follow-up may name only the new unit."""
    hit = _conversion_in(chat.text)
    if hit is None:
        match = re.match(
            r"\s*(?:and|what about|how about|or)(?: how many| what about| how about| in| into"
            r"| to|,)* (?P<target>[A-Za-z]+)"
            r"(?: is (?:that|it)| are (?:that|they|there))?\s*[?.!]*\s*$",
            chat.text,
            re.I,
        )
        target = load_facts().unit(match["target"]) if match else None
        before = next(
            (found for text in reversed(chat.earlier) if (found := _conversion_in(text))), None
        )
        if not target or not before or target["dimension"] != before[1]["dimension"]:
            return None
        hit = (before[0], before[1], target)
    amount, source, target = hit
    if source["dimension"] == "temperature":
        return _temperature(amount, source["name"], target["name"])
    value = amount * Decimal(repr(source["factor"])) / Decimal(repr(target["factor"]))
    result = _amount(value)
    start = f"{_amount(amount)} {source['name'] if amount == 1 else source['plural']}"
    end = f"{result} {target['name'] if result == '1' else target['plural']}"
    verb = "is" if amount == 1 else "are"
    return Reply(
        "units",
        (f"{start} {verb} {end}.", f"{start} = {end}.", f"That makes {end}."),
        brief=f"{end}",
    )


TEMPERATURES = {
    "celsius": "Celsius",
    "c": "Celsius",
    "centigrade": "Celsius",
    "fahrenheit": "Fahrenheit",
    "f": "Fahrenheit",
    "kelvin": "Kelvin",
    "k": "Kelvin",
}


def _conversion_in(text: str) -> tuple[Decimal, dict, dict] | None:
    """Return (amount, its unit, the wanted unit) if a text asks for a conversion."""
    known = load_facts()
    plain_text = re.sub(r"\bdegrees?\b|°", " ", text)
    plain_text = re.sub(r"\s+", " ", plain_text)
    for pattern in CONVERSIONS:
        for match in re.finditer(pattern, plain_text, re.IGNORECASE):
            names = (match["source"], match["target"])
            amount = _quantity(match["amount"])
            rest = plain_text[: match.start()] + plain_text[match.end() :]
            if (
                len(rest_of(rest) - {"convert", "conversion", "calculate", "change", "turn"}) > 0
                or amount is None
            ):
                continue
            if all(name.casefold() in TEMPERATURES for name in names):
                units = [
                    {"name": TEMPERATURES[name.casefold()], "dimension": "temperature"}
                    for name in names
                ]
                return amount, units[0], units[1]
            source, target = map(known.unit, names)
            if source and target and source["dimension"] == target["dimension"]:
                return amount, source, target
    return None


def _quantity(text: str) -> Decimal | None:
    text = text.casefold()
    if text in ("a", "an"):
        return Decimal(1)
    if text in NUMBER_WORDS:
        return Decimal(NUMBER_WORDS[text])
    text = re.sub(r",(?=\d{3}\b)", "", text).replace(",", ".")
    return Decimal(text) if re.fullmatch(r"-?\d{1,12}(?:\.\d{1,8})?", text) else None


def _amount(value: Decimal) -> str:
    """Return a number with separators, rounded to five digits if it has many."""
    if value == value.to_integral_value():
        return f"{value.to_integral_value():,f}"
    exact = value.normalize()
    if len(exact.as_tuple().digits) <= 6 and abs(exact) >= Decimal("0.0001"):
        return f"{exact:,f}"
    rounded = Decimal(f"{value:.5g}").normalize()
    return f"about {rounded:,f}"


def _temperature(amount: Decimal, source: str, target: str) -> Reply:
    celsius = {
        "Celsius": amount,
        "Fahrenheit": (amount - 32) * 5 / 9,
        "Kelvin": amount - Decimal("273.15"),
    }[source]
    value = {
        "Celsius": celsius,
        "Fahrenheit": celsius * 9 / 5 + 32,
        "Kelvin": celsius + Decimal("273.15"),
    }[target]
    names = {
        "Celsius": " degrees Celsius",
        "Fahrenheit": " degrees Fahrenheit",
        "Kelvin": " kelvin",
    }
    start, end = _amount(amount) + names[source], _amount(Decimal(round(value, 2))) + names[target]
    return Reply("units", (f"{start} are {end}.", f"{start} = {end}."), brief=end)
