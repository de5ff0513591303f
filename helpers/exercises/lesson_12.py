"""Judge the answers to the exercises of lesson 12, JSON."""

from __future__ import annotations

from typing import Any

from azure.ai.inference.models import ChatCompletions

from helpers.exercises.clients import UNSEEN, chat_client, is_simulated, last_request
from helpers.exercises.outcomes import Outcome, correct, not_yet
from helpers.exercises.trials import call, kind, show

PARIS = {"city": "Paris", "country": "France"}
PARIS_TEXT = '{"city": "Paris", "country": "France"}'
CITY_KEYS = ("city", "country", "population_millions")
ANSWERS = {  # what is special about an answer -> (text, the object in it, where to look)
    "a sentence and a fence": (
        f"Here is a JSON object:\n\n```json\n{PARIS_TEXT}\n```",
        PARIS,
        "take what stands between the first `{` and the last `}`, these two included",
    ),
    "nothing but the object": (
        PARIS_TEXT,
        PARIS,
        "not every answer has a fence: look for the braces instead",
    ),
    "a fence without the word json, and a sentence after it": (
        f"```\n{PARIS_TEXT}\n```\n\nPlease tell me if you need more.",
        PARIS,
        "the first `{` and the last `}` are the same in all answers",
    ),
    "true and null as values": (
        '{"city": "Paris", "is_capital": true, "mayor": null}',
        {"city": "Paris", "is_capital": True, "mayor": None},
        "JSON is not Python: `json.loads` reads it. (`eval` would even run code in an answer.)",
    ),
    "an object in the object": (
        '{"city": {"name": "Paris"}, "country": "France"}',
        {"city": {"name": "Paris"}, "country": "France"},
        "the object ends at its *last* brace: `rfind` searches from the end",
    ),
    "three backticks in a value": (
        '{"city": "Paris", "note": "write ``` before code"}',
        {"city": "Paris", "note": "write ``` before code"},
        "backticks may be part of the data: look for the braces instead",
    ),
}
NO_OBJECT = {  # what an answer without a whole object is -> text
    "a sentence": "The capital of France is Paris.",
    "an object that was cut off": 'Here it is: {"city": "Paris", "cou',
    "an empty text": "",
}


def check_12_1(answer: Any) -> Outcome:
    """Return correct for a function that finds the JSON object in an answer."""
    for name, (text, expected, look) in ANSWERS.items():
        result = call(answer, text)
        if result.error is None and result.value == expected:
            continue
        if isinstance(result.value, str):
            return not_yet(
                f"with {name}, it returned {kind(result.value)}",
                "a dict",
                "`json.loads` makes a dict of the text that you cut out",
            )
        if result.error is None and result.value is None:
            look = "the last line of the function: `return` the dict"
        elif isinstance(result.value, dict) and "population_millions" in result.value:
            look = "the parameter `text`: it holds the answer, and the name `answer` another one"
        return not_yet(f"with {name}, {result.came}", show(expected), look)
    for name, text in NO_OBJECT.items():
        result = call(answer, text)
        if isinstance(result.error, ValueError):
            continue
        came = result.failure or f"it returned {show(result.value)}"
        return not_yet(
            f"with {name}, {came}",
            "ValueError",
            "the error of `json.loads` is a ValueError: let it pass. `find` returns -1 if there is "
            "no brace",
        )
    return correct()


def check_12_2(answer: Any) -> Outcome:
    """Return correct for the data of Rome, asked for with the names of the keys."""
    if isinstance(answer, ChatCompletions | str):
        return not_yet(
            kind(answer), "a dict", "`json.loads` of `reply.choices[0].message.content` makes one"
        )
    if not isinstance(answer, dict):
        return not_yet(kind(answer), "a dict", "`json.loads` makes a dict of a JSON object")
    request = last_request()
    if request is not None:
        body = request["body"] if isinstance(request["body"], dict) else {}
        prompt = " ".join(str(item.get("content")) for item in body.get("messages") or [])
        if "rome" not in prompt.casefold():
            return not_yet(
                "a prompt that does not name Rome",
                "a question about Rome",
                "the text of the prompt",
            )
        absent = [name for name in CITY_KEYS if name not in prompt]
        if absent:
            return not_yet(
                f"a prompt that does not name {', '.join(f'`{name}`' for name in absent)}",
                "the names of the three keys in the prompt",
                "without the names, it is luck if the model chooses those that you need",
            )
        if body.get("temperature") != 0:
            came = f"{body['temperature']}" if "temperature" in body else "no temperature"
            return not_yet(
                f"a request with {came}", "temperature 0", "extraction leaves nothing to chance"
            )
    absent = [name for name in CITY_KEYS if name not in answer]
    if absent:
        return not_yet(
            f"a dict without {', '.join(f'`{name}`' for name in absent)}",
            "a dict with the three keys",
            "print the content of the reply, and say more clearly what you want",
        )
    return correct("" if request is not None else UNSEEN)


PLANETS = ("Mercury", "Earth", "Saturn")
GOOD_PLANETS = {
    "three planets": '{"planets": ["Mercury", "Earth", "Saturn"]}',
    "three planets and another key": '{"planets": ["Mercury", "Earth", "Saturn"], "more": 5}',
}
BAD_PLANETS = {  # what is wrong -> (JSON text, where to look)
    "a missing key": (
        '{"Planets": ["Mars", "Venus", "Earth"]}',
        "`get` returns None if the key is missing, and raises nothing",
    ),
    "two planets": (
        '{"planets": ["Mars", "Venus"]}',
        "a wrong number is a bad answer, too: `raise` instead of `return`",
    ),
    "four planets": (
        '{"planets": ["Mars", "Venus", "Earth", "Saturn"]}',
        "a wrong number is a bad answer, too: `raise` instead of `return`",
    ),
    "a list without an object": (
        '["Mars", "Venus", "Earth"]',
        "look with `isinstance` whether it is a dict, before you read a key",
    ),
    "null as the planets": ('{"planets": null}', "is it a list? `isinstance` says so"),
    "a text of three letters as the planets": (
        '{"planets": "abc"}',
        "a text has a length, too: look with `isinstance` whether it is a list",
    ),
    "a number among the planets": (
        '{"planets": ["Mars", 4, "Venus"]}',
        "each item has to be a text: `all(isinstance(item, str) for item in ...)`",
    ),
    "no JSON": ("Mars, Venus and Earth", "the error of `json.loads` is a ValueError: let it pass"),
}


def check_12_3(answer: Any) -> Outcome:
    """Return correct for a function that accepts three planets and refuses all else."""
    for name, text in GOOD_PLANETS.items():
        result = call(answer, text)
        if result.error is None and result.value == [*PLANETS]:
            continue
        look = "the list under the key `planets`"
        look = f"`return` {look}" if result.value is None and result.error is None else look
        return not_yet(f"with {name}, {result.came}", show([*PLANETS]), look)
    for name, (text, look) in BAD_PLANETS.items():
        result = call(answer, text)
        came = result.failure or f"it returned {show(result.value)}"
        if not isinstance(result.error, ValueError):
            if isinstance(result.value, ValueError):
                look = "`raise ValueError(...)`, and not `return`"
            if isinstance(result.error, AssertionError):
                look = "`raise ValueError(...)`: Python may be told to leave out each `assert`"
            return not_yet(f"with {name}, {came}", "ValueError", look)
        if not str(result.error).strip():
            return not_yet(
                f"with {name}, a ValueError without a text",
                "one that says what is wrong",
                "the repair tells the model this text",
            )
    return correct()


# A repair that gives up

GOOD = '{"city": "Paris", "country": "France", "population_millions": 2.1}'
NO_KEYS, NO_JSON = '{"city": "Paris"}', "Paris is big."
QUESTION = {"role": "user", "content": "Give me JSON about Paris."}
TOO_MANY = 20  # requests


class TooManyRequests(SystemExit):
    """Ends a loop that does not end; `except Exception` does not catch it."""


class Script:
    """Answers like a model, with texts that are known; the last one is repeated.

    requests: the messages of each request, as (role, content).
    """

    def __init__(self, *texts: str):
        self._texts = texts
        self.requests: list[list[tuple[str, str]]] = []

    def __call__(self, messages: Any) -> str:
        if len(self.requests) == TOO_MANY:
            raise TooManyRequests
        self.requests.append([_role_and_content(message) for message in messages])
        return self._texts[min(len(self.requests), len(self._texts)) - 1]


def _role_and_content(message: Any) -> tuple[str, str]:
    """Return the role and the content of a message, which is an SDK's object or a dict."""
    try:
        role, content = message["role"], message["content"]
    except (KeyError, TypeError, IndexError):
        return kind(message), ""
    return str(getattr(role, "value", role)), str(content)


def check_12_4(answer: Any) -> Outcome:
    """Return correct for a loop that repairs answers, and gives up after some requests."""
    cases = {  # name -> (texts, limit, number of requests, whether a city is returned)
        "an answer that is good at once": ((GOOD,), 3, 1, True),
        "an answer that is never good": ((NO_KEYS, NO_JSON, NO_KEYS), 3, 3, False),
        "a second answer that is good": ((NO_KEYS, GOOD), 3, 2, True),
        "a third answer that is good": ((NO_JSON, NO_KEYS, GOOD), 3, 3, True),
        "`limit=1` and a bad answer": ((NO_JSON,), 1, 1, False),
        "`limit=5` and a fifth answer that is good": ((*[NO_JSON, NO_KEYS] * 2, GOOD), 5, 5, True),
    }
    for name, (texts, limit, number, is_good) in cases.items():
        ask, messages = Script(*texts), [dict(QUESTION)]
        result = call(answer, ask, messages, limit=limit)
        sent = ask.requests
        if isinstance(result.error, TooManyRequests):
            return not_yet(
                f"with {name}, it sent {TOO_MANY} requests and did not stop",
                f"it stops after {limit}",
                "`for _ in range(limit):` counts; after the loop comes `raise`",
            )
        if not sent and not result.failure:
            return not_yet(
                "it never called `ask`", "`ask(...)` for each request", "`answer = ask(...)`"
            )
        if messages != [QUESTION]:
            return not_yet(
                f"with {name}, the caller's list had {len(messages)} messages afterwards",
                "a list that is not changed",
                "`[*messages, ...]` makes a new list; `append` and `+=` change the old one",
            )
        if len(sent) > number:
            return not_yet(
                f"with {name}, it sent {len(sent)} requests",
                f"{number}",
                f"`limit` counts all requests, also the first one; here it is {limit}",
            )
        if not is_good and not isinstance(result.error, ValueError):
            came = result.failure or f"it returned {show(result.value)}"
            return not_yet(
                f"with {name}, {came}",
                f"ValueError after {limit} requests",
                "`raise ValueError(...)` after the loop; `error` exists only in its `except`",
            )
        problem = _repair_problem(sent)
        if problem is not None:
            return problem
        if is_good and (result.error is not None or not _is_city(result.value)):
            came = result.failure or f"it returned {show(result.value)}"
            return not_yet(
                f"with {name}, {came}", "the city as a dict", "`return city_from(answer)`"
            )
        if len(sent) < number:
            return not_yet(
                f"with {name}, it sent {len(sent)} requests", f"{number}", "the loop ends too early"
            )
    return _real_problem(answer) or correct()


def _is_city(value: Any) -> bool:
    return isinstance(value, dict) and value.get("city") == "Paris"


def _repair_problem(requests: list[list[tuple[str, str]]]) -> Outcome | None:
    """Return not yet if a repair does not hold the bad answer and what was wrong with it."""
    texts = {NO_KEYS, NO_JSON}
    complaints = {}
    for number, request in enumerate(requests[1:], start=2):
        if request == requests[number - 2]:
            return not_yet(
                f"request {number} was the same as the one before",
                "one that also holds the bad answer and what was wrong",
                "`ask_for_city` in the lesson makes such a list: `repair`",
            )
        if request[:1] != requests[0]:
            return not_yet(
                f"request {number} did not begin with the question",
                "the question, the bad answer, what was wrong",
                "the endpoint remembers nothing: send all messages each time",
            )
        roles = [role for role, _ in request]
        if roles[-2:] != ["assistant", "user"] or request[-2][1] not in texts:
            return not_yet(
                f"request {number} had messages of {', '.join(roles)}",
                "at its end the bad answer (assistant), then what was wrong (user)",
                "`AssistantMessage(answer)`, `UserMessage(wrong)`",
            )
        answer, complaint = request[-2][1], request[-1][1]
        if complaint in complaints and complaints[complaint] != answer:
            return not_yet(
                "two different mistakes got the same complaint",
                "the message of each error in the next request",
                "`except ValueError as error`, and `{error}` in the text",
            )
        complaints[complaint] = answer
    return None


def _real_problem(answer: Any) -> Outcome | None:
    """Return not yet if the function fails with the endpoint, on either published server."""
    if not is_simulated():
        return None
    for server in ("inference", "serve"):
        client = chat_client(server=server)

        def ask(messages: Any, client: Any = client) -> str:
            return client.complete(messages=messages).choices[0].message.content

        result = call(answer, ask, [dict(QUESTION)])
        if _is_city(result.value) or isinstance(result.error, ValueError):  # whatever it answers
            continue
        return not_yet(
            f"with the endpoint, {result.failure or f'it returned {show(result.value)}'}",
            "the city, or ValueError",
            "the messages that you add: does the endpoint accept them?",
        )
    return None
