"""Judge the answers to the exercises of lesson 07, extra parameters."""

from __future__ import annotations

import math
from typing import Any

from helpers.exercises.clients import UNSEEN, chat_client, is_simulated, requests_of
from helpers.exercises.outcomes import Outcome, correct, not_yet
from helpers.exercises.trials import Call, call, kind, show
from helpers.tokens import encoding

FRANCE = "What is the capital of France?"
LANGUAGES = "How many languages are in the world?"
REVIEWS = (
    "The soup was cold and the waiter was rude.",
    "Wonderful evening, we will come back.",
    "The room was fine, nothing special.",
    "The bed was soft.",
)
LOOKS_7_1 = {  # a piece of an error -> where to look
    "unexpected keyword argument": "the SDK has no argument of that name: use `model_extras`",
    "no attribute 'logprobs'": 'square brackets in place of the dot: `["logprobs"]`',
    "no attribute 'content'": 'square brackets here, too: `["content"]`',
    "no attribute 'token'": 'square brackets in the last line, too: `item["token"]`',
    "no attribute 'logprob'": 'square brackets here, too: `item["logprob"]`',
    "name 'logprobs' is not defined": 'the name is a text: `{"logprobs": True}`',
    "dictionary update sequence": '`model_extras` takes a dictionary: `{"logprobs": True}`',
    "HttpResponseError": "the values in `model_extras`: `True`, no number",
}
LABELS = ("positive", "negative", "neutral")
PERSON = "ask a person"


def reported(
    question: str, server: str = "", top: int = 0, **settings: Any
) -> list[dict[str, Any]]:
    """Return the report on the tokens of an answer: [] if the endpoint sends none."""
    messages = [{"role": "user", "content": question}]
    extras = {"logprobs": True, **({"top_logprobs": top} if top else {})}
    client = chat_client(server=server)
    result = call(client.complete, messages=messages, model_extras=extras, **settings)
    if result.error is not None:
        return []
    return (result.value.choices[0].get("logprobs") or {}).get("content") or []


def report(*tokens: tuple[str, float]) -> list[dict[str, Any]]:
    """Return a report on tokens with these probabilities.

    >>> report(("a", 1.0))
    [{'token': 'a', 'logprob': 0.0, 'bytes': [97], 'top_logprobs': []}]
    """
    return [
        {
            "token": token,
            "logprob": math.log(probability),
            "bytes": list(token.encode()),
            "top_logprobs": [],
        }
        for token, probability in tokens
    ]


def servers() -> tuple[str, ...]:
    """Return the servers that can be asked: both published ones, or the only one there is."""
    return ("inference", "serve") if is_simulated() else ("",)


# 7.1


def check_7_1(answer: Any) -> Outcome:
    """Return correct for a function that returns the second token of an answer."""
    for question in (FRANCE, LANGUAGES):
        result, requests = requests_of(answer, [{"role": "user", "content": question}])
        problem = _request_problem(result, requests, question) or _value_problem(result, question)
        if problem:
            return problem
    return correct("" if is_simulated() else UNSEEN)


def _request_problem(result: Call, requests: list | None, question: str) -> Outcome | None:
    sent = requests[-1]["body"] if requests else None
    if isinstance(sent, dict) and sent.get("logprobs") is not True:
        came = f"with `logprobs` {show(sent['logprobs'])}" if "logprobs" in sent else ""
        return not_yet(
            f"a request {came or 'without `logprobs`'}",
            "`logprobs` True in the request",
            '`model_extras={"logprobs": True}`',
        )
    if result.error is not None:
        error = f"{type(result.error).__name__} {result.error}"
        look = next(
            (text for piece, text in LOOKS_7_1.items() if piece in error),
            "`second_token(france)` in a cell shows the line of the error",
        )
        return not_yet(result.failure, "a token and its log-probability", look)
    if requests == []:
        return not_yet("no request", "one request", "the function has to ask the question itself")
    if isinstance(sent, dict) and question not in str(sent.get("messages")):
        about = "it asked about France, whatever it was called with"
        return not_yet(
            about if FRANCE in str(sent.get("messages")) else f"it did not ask {question!r}",
            "a request with the messages that it was called with",
            "`messages=messages`",
        )
    return None


def _value_problem(result: Call, question: str) -> Outcome | None:
    value = result.value
    look = '`return item["token"], item["logprob"]`'
    if not isinstance(value, tuple | list) or len(value) != 2:
        return not_yet(f"it returned {show(value)}", "a token and its log-probability", look)
    token, logprob = value
    if not isinstance(token, str) or not isinstance(logprob, int | float) or logprob > 0:
        return not_yet(f"it returned {show(value)}", "a text, and a number of at most 0", look)
    items = reported(question)
    if not is_simulated() or len(items) < 2:
        return None
    expected = items[1]["token"], items[1]["logprob"]
    if (token, logprob) == expected:
        return None
    is_first = (token, logprob) == (items[0]["token"], items[0]["logprob"])
    return not_yet(
        f"the first token of the answer: {show(token)}"
        if is_first
        else f"it returned {show(value)}",
        f"the second token: {show(expected)}",
        'the items in `["content"]` are counted from 0',
    )


# 7.2


def check_7_2(answer: Any) -> Outcome:
    """Return correct for a function that returns the tokens with a small probability."""
    table = report(
        ("The", 0.8), (" capital", 0.92), (" of", 1.0), (" is", 0.99), (" Paris", 0.4), (".", 0.75)
    )
    cases = [(table, 0.9), (table, 0.5), (report((" sure", 0.99)), 0.9)]
    cases += [
        (reported(question, server), below)
        for server in servers()
        for question, below in ((FRANCE, 0.9), (LANGUAGES, 0.7))
    ]
    for items, below in cases:
        result = call(answer, items, below=below) if below != 0.9 else call(answer, items)
        expected = [item["token"] for item in items if math.exp(item["logprob"]) < below]
        if result.error is None and result.value == expected and type(result.value) is list:
            continue
        came, look = _came_7_2(result, items, expected)
        shares = ", ".join(
            f"{show(item['token'])} {math.exp(item['logprob']):.0%}" for item in items[:6]
        )
        more = " ..." if len(items) > 6 else ""
        return not_yet(f"with `below` {below} and {shares}{more}, {came}", show(expected), look)
    return correct()


def _came_7_2(result: Call, items: list[dict], expected: list[str]) -> tuple[str, str]:
    """Return what came, and where to look."""
    value, tokens = result.value, [item["token"] for item in items]
    if result.error is not None:
        is_text = isinstance(result.error, TypeError) and "'str'" in str(result.error)
        return result.failure, (
            "`percent` returns a text; compare the number `math.exp(...)`"
            if is_text
            else "each item is a dictionary with `token` and `logprob`"
        )
    if value is None:
        printed = "it printed tokens and returned None" if result.printed else "it returned None"
        return printed, "`return` the list after the loop"
    if not isinstance(value, list):
        return f"it returned {_with_kind(value)}", "collect all tokens in a list"
    if value and all(isinstance(item, dict) for item in value):
        return "it returned whole items", '`item["token"]` is the text of a token'
    if value == tokens:
        return "it returned all of the tokens", (
            "a log-probability is at most 0, so it is always less than `below`: `math.exp` first"
        )
    if value == [token for token in tokens if token not in expected]:
        return "it returned the likelier tokens", "the direction of the comparison"
    if value == [token.strip() for token in expected]:
        return "it returned tokens without their spaces", "leave the tokens as they are"
    if value == expected[:1]:
        return f"it returned only the first: {show(value)}", "`return` belongs after the loop"
    return f"it returned {show(value)}", "compare the probability of each token with `below`"


def _with_kind(value: Any) -> str:
    """Return a value and its kind as text, or only the kind if that says it all.

    >>> _with_kind(None), _with_kind("x")
    ('None', "'x', a text (str)")
    """
    shown, name = show(value), kind(value)
    return name if shown == name else f"{shown}, {name}"


# 7.3


def shares_of(alternatives: list[dict]) -> dict[str, float]:
    """Return the probability of each label: the sum of those of its spellings."""
    shares = dict.fromkeys(LABELS, 0.0)
    for item in alternatives:
        label = item["token"].strip().lower()
        if label in shares:
            shares[label] += math.exp(item["logprob"])
    return shares


def check_7_3(answer: Any) -> Outcome:
    """Return correct for a function that returns a label, or asks a person."""
    cases = [
        (report(("Negative", 0.75), ("negative", 0.2), (".", 0.05)), 0.8),
        (report(("I", 0.85), ("That", 0.1)), 0.8),
        (report(("Positive", 0.45), (" positive", 0.45), ("Negative", 0.1)), 0.8),
        (report(("Neutral", 0.6), ("Positive", 0.2), ("Negative", 0.2)), 0.8),
        (report(("Neutral", 0.6), ("Positive", 0.2), ("Negative", 0.2)), 0.5),
        (report(("Positive", 0.4), ("Neutral", 0.3), ("neutral", 0.25)), 0.5),
    ]
    for server in servers():
        for text in REVIEWS:
            question = f'Is this review positive or negative? "{text}"'
            items = reported(question, server, top=20, max_tokens=1)
            cases += [(items[0]["top_logprobs"], 0.8)] if items else []
    for alternatives, sure in cases:
        result = (
            call(answer, alternatives, sure=sure) if sure != 0.8 else call(answer, alternatives)
        )
        problem = _problem_7_3(result, alternatives, sure)
        if problem:
            came, expected, look = problem
            words = ", ".join(
                f"{show(item['token'])} {math.exp(item['logprob']):.0%}"
                for item in alternatives[:3]
            )
            return not_yet(f"with `sure` {sure} and {words}, {came}", expected, look)
    return correct()


def _problem_7_3(
    result: Call, alternatives: list[dict], sure: float
) -> tuple[str, str, str] | None:
    """Return what came, what was expected and where to look, or None."""
    shares = shares_of(alternatives)
    best = max(shares, key=shares.get)
    label = best if shares[best] >= sure else PERSON
    expected = f"({label!r}, {shares[best]:.2f})"
    if result.error is not None:
        look = (
            "other words are in the list, too; skip them"
            if isinstance(result.error, KeyError)
            else "`decide(first_token(room))` in a cell shows the line of the error"
        )
        return result.failure, expected, look
    value = result.value
    if not isinstance(value, tuple | list) or len(value) != 2:
        look = "`return` two values, in each case"
        return f"it returned {_with_kind(value)}", expected, look
    came = f"it returned {show(tuple(value))}"
    if value[1] == 0 and shares[best] > 0.01:
        look = (
            "`.strip().lower()` is the same for all spellings, `math.exp` gives a probability, and "
            "`max(shares, key=shares.get)` is the likeliest label"
        )
        return f"{came}: as if no spelling had been counted", expected, look
    if not isinstance(value[1], int | float) or not 0 <= value[1] <= 1.001:
        look = "`math.exp` turns a log-probability into a probability"
        return f"{came}: a number that is no probability", expected, look
    if math.isclose(value[1], shares[best], abs_tol=0.006):
        if value[0] == label:
            return None
        if label == PERSON and value[0] in shares:
            look = "compare the probability with `sure` before you return"
            return f"{came}: below `sure`, it returned a label", expected, look
        look = (
            "compare with `sure`, whatever it is"
            if value[0] == PERSON
            else "the label, in lower case"
        )
        return f"{came}, so the label {show(value[0])}", expected, look
    spellings = [item for item in alternatives if item["token"].strip().lower() == best]
    if not any(item["token"].strip().lower() in LABELS for item in alternatives):
        look = "only positive, negative and neutral are labels"
        return f"{came}: another word counted as a label", expected, look
    without_space = sum(
        math.exp(item["logprob"]) for item in spellings if item["token"] == item["token"].strip()
    )
    if math.isclose(value[1], without_space, abs_tol=0.006):
        look = "`strip()` takes the space off a token"
        return f"{came}: a spelling with a space in front was not counted", expected, look
    if any(math.isclose(value[1], math.exp(item["logprob"]), abs_tol=0.006) for item in spellings):
        look = f"add up the probabilities of all spellings of {best!r}"
        return f"{came}: the probability of one spelling", expected, look
    return came, expected, "add up the probabilities of the spellings of each label"


# 7.4


def check_7_4(answer: Any) -> Outcome:
    """Return correct for a function that bans the spellings that are one token."""
    encode = encoding().encode
    for word in ("Paris", "Nile", "Canberra", "river"):
        spellings = (word, f" {word}", word.lower(), f" {word.lower()}")
        ids = {encode(text)[0]: text for text in spellings if len(encode(text)) == 1}
        pieces = {encode(text)[0]: text for text in spellings if len(encode(text)) > 1}
        expected = show(dict.fromkeys(ids, -100))
        result = call(answer, word)
        value = result.value
        if not isinstance(value, dict):
            came = result.failure or f"it returned {show(value)}, {kind(value)}"
            return not_yet(
                f"with {word!r}, {came}",
                expected,
                "some spellings are several tokens: `phi4.encode(text)` is a list",
            )
        for key, bias in value.items():
            if not isinstance(key, int):
                return not_yet(
                    f"with {word!r}, the key {show(key)}, {kind(key)}",
                    "the ids of tokens as keys",
                    "`phi4.encode(text)` returns them",
                )
            if bias != -100:
                return not_yet(
                    f"with {word!r}, the value {show(bias)}", "-100", "it is -100 that bans"
                )
        for key in value:
            if key in pieces and key not in ids:
                return not_yet(
                    f"with {word!r}, it bans {encoding().decode([key])!r}, the first of the tokens "
                    f"of {pieces[key]!r}: a piece that other words need",
                    expected,
                    "leave out a spelling that is more than one token",
                )
            if key not in ids:
                return not_yet(
                    f"with {word!r}, it bans {encoding().decode([key])!r}", expected, "which text?"
                )
        missing = next((text for token, text in ids.items() if token not in value), None)
        if missing is not None:
            return not_yet(
                f"with {word!r}, it returned {show(value)}, without {missing!r}",
                expected,
                "four spellings: with and without a space, as it is and in lower case",
            )
    return correct()
