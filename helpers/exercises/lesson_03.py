"""Judge the answers to the exercises of lesson 03, model info."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

from azure.ai.inference.models import ChatCompletions, ModelInfo
from azure.core.exceptions import ResourceNotFoundError

from helpers.exercises.clients import chat_client, is_simulated
from helpers.exercises.outcomes import Outcome, correct, not_yet
from helpers.exercises.trials import Call, call, kind, show
from helpers.models import phi4_family

TEXT = "Hello."
SERVERS = ("inference", "serve")
PAGES = (24, 25, 1, 49, 50, 192, 193, 197)  # around the limits of the models
WORDS_PER_PAGE = 500
LOOKS = {  # a piece of an error -> where to look
    "indices must be": "a loop over `family` gives names only: the facts are in `family[name]`",
    "'Fact'": "the number is in `.value` of a fact",
}


class StandIn:
    """Stands in for the client of another model.

    name: the model's name. has_info: False as on a server without the route /info. count: how
    often it was asked.
    """

    def __init__(self, name: str, has_info: bool = True):
        self.name, self.has_info, self.count = name, has_info, 0

    def get_model_info(self, **settings: Any) -> ModelInfo:
        """Return the model's name. Raises ResourceNotFoundError without the route /info."""
        self.count += 1
        if not self.has_info:
            response = SimpleNamespace(status_code=404, reason="Not Found", headers={})
            raise ResourceNotFoundError("(404) Not Found", response=response)
        return ModelInfo({"model_name": self.name, "model_type": "chat-completion"})

    def complete(self, *arguments: Any, **settings: Any) -> ChatCompletions:
        """Return a reply."""
        self.count += 1
        message = {"role": "assistant", "content": TEXT}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return ChatCompletions({"model": self.name, "choices": [choice]})


def wrong_line(name: str, result: Call, expected: str, look: str = "") -> Outcome | None:
    """Return not yet if a function did not return this line.

    name: of the model. look: where to look, by default what the result suggests.
    """
    if isinstance(result.value, str) and result.value.replace(",", "") == expected:
        return None
    if result.value is None and result.printed.strip().replace(",", "") == expected:
        return not_yet("it printed the line and returned None", "the line as the value", "`return`")
    came = result.failure or f"it returned {show(result.value)}"
    look = look or _look(result, expected)
    return not_yet(f"with {name}, {came}", f"it returns {show(expected)}", look)


def _look(result: Call, expected: str) -> str:
    """Return where to look, for a function that did not return the expected line."""
    if isinstance(result.error, ResourceNotFoundError):
        return "ask for the name in another way: every reply has it"
    if isinstance(result.error, KeyError):
        return "what if the name is not in the table?"
    if isinstance(result.error, IndexError):
        return "what if the name is not a path?"
    if "concatenate" in str(result.error):
        return 'an f-string takes a number, too: `f"{name} reads ..."`'
    if isinstance(result.error, TypeError | AttributeError):
        return "the name is in `.model` of a reply, and in `.model_name` of what `/info` says"
    text = str(result.value).replace(",", "")
    if text.startswith("Phi-4 "):
        return "`Phi-4` is also the beginning of other names: compare whole names"
    if isinstance(result.value, tuple | list):
        return "one text: an f-string puts the parts together"
    if re.match(r"\w+\.\w+", text):
        return "in an f-string, braces stand around what Python is to work out: `{...}`"
    if all(word in text for word in re.findall(r"[\w.-]+\b", expected)):
        return "the spaces and the punctuation of the line"
    if " reads " in expected and text.startswith(expected.partition(" reads ")[0] + " reads "):
        return "the context of this model, not of another: `family[name]`"
    return "ask the client that was handed in, and use what it says"


def context_line(name: str, model: str | None) -> str:
    """Return the line about a model. model: the name in the table, or None."""
    if model is None:
        return f"{name} is not in the table"
    return f"{model} reads {phi4_family()[model]['context'].value} tokens at once"


def check_3_1(answer: Any) -> Outcome:
    """Return correct for a function that reads the model's name from the reply."""
    cases = (
        ("the model Nemo", StandIn("Nemo")),
        ("a server without `/info`", StandIn("Ministral", has_info=False)),
    )
    for name, client in cases:
        result = call(answer, client)
        if not client.count:
            came = result.failure or "it did not ask the client that it was given"
            return not_yet(came, "a request by the client in the brackets", "`client.complete`")
        problem = wrong_line(name, result, f"{client.name}: {TEXT}")
        if problem:
            return problem
    for server in SERVERS if is_simulated() else ():
        client = chat_client(server=server)
        name = client.complete(messages=[{"role": "user", "content": "Hi"}], max_tokens=1).model
        result = call(answer, client)
        if not str(result.value).startswith(f"{name}: "):
            came = result.failure or f"it returned {show(result.value)}"
            return not_yet(
                f"with the server {server}, {came}", f"a line that begins with {name}: ", "the name"
            )
    return correct()


def check_3_2(answer: Any) -> Outcome:
    """Return correct for a function that describes the model behind a client."""
    for name in ("Phi-4-reasoning", "Phi-4-mini-instruct", "Nemo", "Ministral"):
        model = name if name in phi4_family() else None
        client = StandIn(name)
        result = call(answer, client)
        look = "" if client.count else "the client in the brackets: ask it with `get_model_info()`"
        problem = wrong_line(f"the model {name}", result, context_line(name, model), look)
        if problem:
            return problem
    return correct()


def check_3_3(answer: Any) -> Outcome:
    """Return correct for a function that returns the models that can read so many pages."""
    contexts = {name: facts["context"].value for name, facts in phi4_family().items()}
    for pages in PAGES:
        expected = [
            name for name, tokens in contexts.items() if tokens * 3 / 4 >= pages * WORDS_PER_PAGE
        ]
        result = call(answer, pages)
        value = result.value
        if not isinstance(value, list | tuple | set):
            if value is None and expected[0] in result.printed:
                return not_yet("it printed the names and returned None", "a list", "`return`")
            came = result.failure or f"readers({pages}) returned {show(value)}, {kind(value)}"
            look = next(
                (text for piece, text in LOOKS.items() if piece in result.failure),
                "collect the names in a list, and return it after the loop",
            )
            return not_yet(came, "a list of names", look)
        surplus = [name for name in value if name not in expected]
        missing = [name for name in expected if name not in value]
        if len(missing) > 1:
            return not_yet(
                f"readers({pages}) returned {show(list(value))}",
                f"{len(expected)} names",
                "`return` in a loop ends it after the first model"
                if len(value) == 1
                else "the context of each model; a page has 500 words, a token is 3/4 of a word",
            )
        if surplus:
            return not_yet(
                f"readers({pages}) has {show(surplus[0]).strip(chr(39))} in it",
                f"{len(expected)} names without it",
                "a token is 3/4 of a word, and a page that fits only in part does not count",
            )
        if missing:
            return not_yet(
                f"readers({pages}) lacks {missing[0]}",
                f"{len(expected)} names",
                "a report that just fits can be read, too",
            )
    return correct()


def check_3_4(answer: Any) -> Outcome:
    """Return correct for a function that describes the model behind a client of any server."""
    cases = (
        ("Phi-4-reasoning", True, "Phi-4-reasoning"),
        ("/models/Phi-4/8/model", False, "Phi-4"),
        ("/var/azureml-models/Phi-4-mini-instruct/1/model", False, "Phi-4-mini-instruct"),
        ("Nemo", False, None),
        ("/models/Nemo", True, None),
    )
    for name, has_info, model in cases:
        result = call(answer, StandIn(name, has_info))
        problem = wrong_line(f"the model {show(name)}", result, context_line(name, model))
        if problem:
            return problem
    for server in SERVERS if is_simulated() else ():
        result = call(answer, chat_client(server=server))
        problem = wrong_line(f"the server {server}", result, context_line("", "Phi-4"))
        if problem:
            return problem
    return correct()
