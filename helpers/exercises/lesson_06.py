"""Judge the answers to the exercises of lesson 06, parameters."""

from __future__ import annotations

from math import exp, log, sqrt
from typing import Any

from azure.ai.inference.models import ChatCompletions

from helpers.exercises.clients import (
    UNSEEN,
    chat_client,
    is_simulated,
    last_request,
    requests_of,
)
from helpers.exercises.outcomes import Outcome, correct, not_yet
from helpers.exercises.trials import call, kind, show
from helpers.sampling import softmax

COLOUR = [{"role": "user", "content": "Name a colour."}]
DIE = [{"role": "user", "content": "Roll a die."}]
HALF = 0.5  # the temperature of exercise 6.1
OTHER_COLOURS = 7  # as likely as Red
TIMES = 100  # requests of exercises 6.1 and 6.4
SHARES = {"sun": 0.125, "sea": 0.5, "sky": 0.0625, "sand": 0.25}  # exact sums, and less than 1
ORDER = ["sea", "sand", "sun", "sky"]
KEPT = {0.2: 1, 0.5: 1, 0.6: 2, 0.75: 2, 0.85: 3, 1: 4}  # top_p -> how many are kept
TEXT = "Ada Lovelace was born in London in 1815."
JSON = '{\n  "name": "Ada Lovelace",\n  "year": 1815\n}'
DIGITS = "123456"


def probabilities(messages: list, place: int = 0) -> dict[str, float]:
    """Return the probabilities of the likeliest tokens at a place of an answer, or {}.

    Some servers do not report them.
    """
    extras = {"logprobs": True, "top_logprobs": 20}
    reply = call(chat_client().complete, messages=messages, model_extras=extras).value
    try:
        options = reply.choices[0]["logprobs"]["content"][place]["top_logprobs"]
        return {option["token"]: exp(option["logprob"]) for option in options}
    except (AttributeError, KeyError, IndexError, TypeError):
        return {}


def is_number(value: Any) -> bool:
    """Return True for an int or a float, False for a bool."""
    return isinstance(value, int | float) and not isinstance(value, bool)


# 6.1


def check_6_1(answer: Any) -> Outcome:
    """Return correct for (expected, counted): Blues of a hundred answers at temperature 0.5."""
    request = last_request()  # before this function sends any
    for name, value in zip(("expected", "counted"), answer, strict=True):
        if not is_number(value):
            return not_yet(
                f"`{name}` is {kind(value)}",
                "a number",
                "a Counter returns the number of one answer: `[...]` with its first token"
                if isinstance(value, dict)
                else "the number itself",
            )
    expected, counted = answer
    chances = probabilities(COLOUR)
    if chances.get("Blue") and chances.get("Red"):
        ratio = chances["Blue"] / chances["Red"]
        problem = _expected_problem(expected, ratio, 100 * chances["Blue"])
        if problem is not None:
            return problem
    if not 0 <= counted <= TIMES or counted != int(counted):
        return not_yet(
            f"`counted` is {show(counted)}", "a whole number, counted by `tally`", "`tally`"
        )
    if request is not None:
        return _counted_problem(counted, request) or correct()
    share = expected / TIMES
    if chances and abs(counted - expected) > 4 * sqrt(TIMES * share * (1 - share)):
        return not_yet(
            f"`counted` is {counted:g}, far from `expected`",
            "a count that differs from it by what chance allows",
            "`tally` asks a hundred times, at temperature 0.5, with `max_tokens` 1",
        )
    return correct(UNSEEN)


def _expected_problem(expected: float, ratio: float, at_one: float) -> Outcome | None:
    """Return not yet if the calculated number is wrong. at_one: the number at temperature 1."""

    def share(lead: float) -> float:
        return 100 * lead / (lead + OTHER_COLOURS)

    lead = ratio ** (1 / HALF)
    if abs(expected - share(lead)) < 1:
        return None
    mistakes = (
        (share(lead) / 100, 0.02, "a share of 1", "times 100"),
        (lead, 0.5, "that is `lead`, not Blue's share", "`lead / (lead + 7)`, times 100"),
        (share(ratio**HALF), 1, "another exponent", "the exponent is `1 / temperature`"),
        (at_one, 1.5, "the probability at temperature 1", "first raise `ratio` to a power"),
    )
    came, look = next(
        ((came, look) for value, width, came, look in mistakes if abs(expected - value) < width),
        ("another number", "the formula in the last cell, with 0.5 in place of 0.3"),
    )
    return not_yet(f"`expected` is {expected:.4g}: {came}", "Blue's number of 100 answers", look)


def _counted_problem(counted: float, request: dict) -> Outcome | None:
    """Return not yet if the count is not that of a hundred requests at temperature 0.5."""
    client = chat_client()
    settings = {"temperature": HALF, "max_tokens": 1}
    replies = (client.complete(messages=COLOUR, seed=seed, **settings) for seed in range(TIMES))
    number = sum(reply.choices[0].message.content == "Blue" for reply in replies)
    if counted == number:
        return None
    body = request["body"] if isinstance(request["body"], dict) else {}
    came, look = f"`counted` is {counted:g}", '`tally(...)["Blue"]`, as the first token'
    for name, value in {**settings, "seed": TIMES - 1}.items():
        if body.get(name) == value:
            continue
        if name not in body:
            came = f"the last request had no `{name}`"
        else:
            came = f"the last request had {'the ' * (name == 'seed')}"
            came += f"{name if name == 'seed' else f'`{name}`'} {show(body[name])}"
        look = "`tally` asks a hundred times, with the seeds 0 to 99" if name == "seed" else ""
        look = look or f"`{name}` {value} goes to `tally`"
        break
    return not_yet(came, "a count of 100 answers at temperature 0.5 with one token each", look)


# 6.2


def check_6_2(answer: Any) -> Outcome:
    """Return correct for a function that keeps the tokens that top_p keeps."""
    for top_p, number in KEPT.items():
        shares = dict(SHARES)
        result = call(answer, shares, top_p)
        if result.error is not None:
            return not_yet(
                f"with {SHARES} and top_p={top_p}, {result.failure}",
                show(ORDER[:number]),
                "the shares sum to less than 1: the loop ends when no token is left"
                if top_p == 1
                else "`kept(chances, 0.45)` in a cell shows the line of the error",
            )
        if shares != SHARES:
            return not_yet(
                "the dictionary that was handed in has changed",
                "it stays as it was, so that it can be used again",
                "go through a sorted list of its tokens",
            )
        if not isinstance(result.value, list | tuple):
            return not_yet(
                f"with {SHARES} and top_p={top_p} it returned {kind(result.value)}",
                "a list of tokens",
                "the shares sum to less than 1: `return` after the loop, too"
                if top_p == 1
                else "`return` the tokens",
            )
        tokens = [*result.value]
        if tokens != ORDER[:number]:
            came, look = _kept_problem(tokens, top_p, number)
            return not_yet(
                f"with {SHARES} and top_p={top_p} it returned {show(tokens)}: {came}",
                show(ORDER[:number]),
                look,
            )
    return correct()


def _kept_problem(tokens: list, top_p: float, number: int) -> tuple[str, str]:
    """Return what is wrong with a list of tokens, and where to look."""
    if tokens == [token for token in ORDER if SHARES[token] >= top_p]:
        return "each with a share of at least top_p", "it is no limit for a single token"
    if tokens and all(is_number(token) for token in tokens):
        return "probabilities, not tokens", "go through the keys of the dictionary"
    if tokens and all(isinstance(token, tuple) for token in tokens):
        return "pairs of a token and its share", "only the tokens"
    if tokens and tokens == sorted(SHARES)[: len(tokens)]:
        return "in the order of the alphabet", "sort by the shares: `key=shares.get`"
    if len({*tokens}) < len(tokens):
        return "a token twice", "take the next token each time"
    if tokens and tokens[0] == ORDER[-1]:
        return "the least likely first", "sort the other way round"
    if tokens and tokens == [*SHARES][: len(tokens)]:
        return "in the order of the dictionary", "the shares come in any order: sort them"
    if tokens == ORDER[: number + 1]:
        return "one token too many", "a sum that is equal to `top_p` is enough"
    if tokens == ORDER[: number - 1]:
        return "one token too few", "the token that reaches the limit stays"
    return "other tokens", "take tokens until their sum reaches `top_p`"


# 6.3


def check_6_3(answer: Any) -> Outcome:
    """Return correct for a function that asks for JSON with settings that fit."""
    result, requests = requests_of(answer, TEXT)
    if result.error is not None:
        look = '`extract("...")` in a cell shows the line of the error'
        return not_yet(result.failure, "the response", look)
    if not isinstance(result.value, ChatCompletions):
        return not_yet(
            f"it returned {kind(result.value)}", "the response", "`return client.complete(...)`"
        )
    if requests is None:
        return correct(UNSEEN)
    if not requests:
        return not_yet("no request", "one request", "`client.complete` in the function")
    body = requests[-1]["body"]
    if TEXT not in str(body.get("messages")):
        return not_yet("a request without the text", "the text in the message", "`{text}`")
    if body.get("temperature") is None:
        return not_yet(
            "a request without `temperature`",
            "`temperature` 0",
            "without it, the server uses its default, which is not 0",
        )
    rules = (
        ("temperature", 0, "0 for extraction, 0.7 for chat"),
        ("top_p", 1, "change the temperature or `top_p`, and leave the other at 1"),
        ("frequency_penalty", 0, "a penalty hits what must repeat: leave it out"),
        ("presence_penalty", 0, "a penalty hits what must repeat: leave it out"),
    )
    for name, value, look in rules:
        if body.get(name) not in (value, None):
            return not_yet(f"a request with `{name}` {show(body[name])}", f"`{name}` {value}", look)
    stop = body.get("stop") or []
    for text in [stop] if isinstance(stop, str) else stop:
        if text in JSON:
            return not_yet(
                f"a request with the stop text {show(text)}",
                "no stop text that a JSON text may contain",
                "the answer ends before the stop text, so the stop text is lost",
            )
    return correct()


# 6.4


def check_6_4(answer: Any) -> Outcome:
    """Return correct for a function that rolls a die a hundred times."""
    chances = probabilities(DIE, place=4)
    if not chances and not is_simulated():
        return correct(UNSEEN)
    for temperature in (0, 1):
        shares = softmax({token: log(chance) for token, chance in chances.items()}, temperature)
        result, requests = requests_of(answer, temperature)
        if result.error is not None:
            return not_yet(
                f"at temperature {temperature}, {result.failure}",
                "a dictionary with the six digits",
                "an answer may be empty: count whole texts, and look for no letter"
                if isinstance(result.error, IndexError)
                else "the last line of the error",
            )
        problem = _die_form_problem(result.value)
        if problem is not None:
            return problem
        asked = [
            request for request in requests or [] if request["body"].get("max_tokens") is not None
        ]
        if requests is not None and len(asked) != TIMES:
            return not_yet(
                f"it rolled {len(asked)} times",
                f"{TIMES} requests with `max_tokens` 5",
                "`tally` asks a hundred times if you name no other number",
            )
        problem = _die_numbers_problem(result.value, shares, chances, temperature)
        if problem is not None:
            return problem
    return correct("" if is_simulated() else UNSEEN)


def _die_form_problem(value: Any) -> Outcome | None:
    """Return not yet if a value is no dictionary from the six digits to pairs of numbers."""
    if not isinstance(value, dict):
        return not_yet(f"it returned {kind(value)}", "a dictionary", "`return {...}`")
    if {*value} != {*DIGITS}:
        names = ", ".join(map(str, value))
        kinds = " of the class int" if value and all(map(is_number, value)) else ""
        return not_yet(
            f"it has the keys {names}{kinds}" if value else "an empty dictionary",
            'the texts "1" to "6"',
            '`for digit in "123456"`',
        )
    for digit, pair in value.items():
        if (
            not isinstance(pair, list | tuple)
            or len(pair) != 2
            or not all(is_number(number) for number in pair)
        ):
            return not_yet(
                f"at {digit} there is {show(pair)}", "(expected, counted)", "two numbers"
            )
    return None


def _die_numbers_problem(
    value: dict, shares: dict[str, float], chances: dict[str, float], temperature: float
) -> Outcome | None:
    """Return not yet if an expected or a counted number is wrong."""
    where = f"at temperature {temperature}, "
    for digit in sorted(DIGITS, key=lambda digit: -chances.get(digit, 0)):
        share = shares.get(digit, 0)
        expected, counted = value[digit]
        if abs(expected - TIMES * share) > 1:
            if share > 0 and abs(expected - share) < 0.01:
                came, look = "a share of 1", "times 100"
            elif abs(expected - TIMES * chances.get(digit, 0)) <= 1:
                came, look = "the temperature is not in it", "`softmax(logs, temperature)`"
            else:
                came, look = "another number", "`100 * softmax(logs, temperature)[digit]`"
            return not_yet(
                f"{where}the expected number of {digit} is {show(expected)}: {came}",
                f"{TIMES * share:.0f}",
                look,
            )
        if not any(number for _, number in value.values()):
            return not_yet(
                f"{where}nothing was counted: all numbers are 0",
                "about as many as expected",
                "five tokens of the answer end before the full stop",
            )
        if abs(counted - TIMES * share) > 4 * sqrt(TIMES * share * (1 - share)) + 1:
            return not_yet(
                f"{where}{digit} was counted {show(counted)} times",
                f"about {TIMES * share:.0f}",
                "`tally` needs this temperature, too, and its answers are counted as whole texts",
            )
    return None
