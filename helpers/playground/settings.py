"""Settings of the playground, and what they send: the request as JSON, and the same call as Python.

Everything here is pure: no widget, no network.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

API_VERSION = "2024-05-01-preview"
MAX_ANSWERS = 100  # vLLM refuses more than 128
MAX_ALTERNATIVES = 20  # of an endpoint
# vLLM's own parameters: the answer goes on from the last message of the conversation.
GO_ON = {"add_generation_prompt": False, "continue_final_message": True}
PASS_THROUGH = {"extra-parameters": "pass-through"}
LINE_WIDTH = 88  # characters of a line of Python, where it can be broken

Messages = Sequence[Mapping[str, str]]
SHOWN_NAMES = {  # of fields that the API names otherwise, or that only the playground has
    "alternatives": "top_logprobs",
    "server": "simulated server",
    "fault": "simulated fault",
}
NEUTRAL_WORDS = {"max_tokens": "no limit", "server": "the usual one"}


@dataclass(frozen=True)
class ChatSettings:
    """All that a person can set. What has its neutral value is not sent.

    system: the system message, "" for none. max_tokens: 0 for no limit. stop: texts before which an
    answer ends. seed: None for another draw each time. alternatives: how many likely tokens to ask
    for at each place, 0 for no log-probabilities. stream: True to get the answer piece by piece.
    server, fault: what the simulated endpoint is to play; real endpoints ignore both.

    Raises ValueError for a value that no endpoint takes.

    >>> ChatSettings(temperature=3)
    Traceback (most recent call last):
        ...
    ValueError: temperature is 3, expected a number from 0 to 2
    """

    system: str = ""
    temperature: float = 0.7
    top_p: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    max_tokens: int = 0
    stop: tuple[str, ...] = ()
    seed: int | None = None
    n: int = 1
    alternatives: int = 5
    stream: bool = True
    server: str = ""
    fault: str = ""

    def __post_init__(self) -> None:
        """Check all values."""
        _check("temperature", self.temperature, 0, 2)
        _check("top_p", self.top_p, 0, 1)
        if self.top_p == 0:
            raise ValueError("top_p is 0, expected a number above 0: it would leave no token")
        _check("presence_penalty", self.presence_penalty, -2, 2)
        _check("frequency_penalty", self.frequency_penalty, -2, 2)
        _check("max_tokens", self.max_tokens, 0, math.inf)
        _check("n", self.n, 1, MAX_ANSWERS)
        _check("alternatives", self.alternatives, 0, MAX_ALTERNATIVES)
        if any(not text for text in self.stop):
            raise ValueError("a stop text is empty, expected at least one character")

    def messages(self, conversation: Messages) -> list[dict[str, str]]:
        """Return the messages to send: the system message, if there is one, then a conversation."""
        system = [{"role": "system", "content": self.system}] if self.system else []
        return [*system, *({**message} for message in conversation)]

    def parameters(self) -> dict[str, Any]:
        """Return the parameters that clients have arguments for, apart from messages and stream."""
        neutral = ChatSettings()
        values: dict[str, Any] = {"temperature": self.temperature}
        for name in ("top_p", "presence_penalty", "frequency_penalty", "max_tokens", "seed"):
            if (value := getattr(self, name)) != getattr(neutral, name):
                values[name] = value
        if self.stop:
            values["stop"] = [*self.stop]
        return values

    def extras(self, goes_on: bool = False) -> dict[str, Any]:
        """Return the extra parameters. goes_on: True to go on from the last message."""
        values: dict[str, Any] = {}
        if self.alternatives:
            values |= {"logprobs": True, "top_logprobs": self.alternatives}
        if self.n > 1:
            values["n"] = self.n
        return values | (GO_ON if goes_on else {})

    def headers(self) -> dict[str, str]:
        """Return the headers that only the simulated endpoint reads."""
        values = {"x-simulated-server": self.server, "x-simulated-fault": self.fault}
        return {name: value for name, value in values.items() if value}

    def body(self, conversation: Messages, goes_on: bool = False) -> dict[str, Any]:
        """Return the body of the request.

        >>> ChatSettings(alternatives=0).body([{"role": "user", "content": "Hi"}])
        {'messages': [{'role': 'user', 'content': 'Hi'}], 'temperature': 0.7, 'stream': True}
        """
        stream = {"stream": True} if self.stream else {}
        body = {"messages": self.messages(conversation), **self.parameters()}
        return body | stream | self.extras(goes_on)


def differences(first: ChatSettings, second: ChatSettings) -> tuple[str, str]:
    """Return in words what differs between two settings: how it is in the first and in the second.

    >>> differences(ChatSettings(temperature=0), ChatSettings(max_tokens=9))
    ('temperature 0, max_tokens no limit', 'temperature 0.7, max_tokens 9')
    >>> differences(ChatSettings(), ChatSettings())
    ('', '')
    """
    names = [
        each.name
        for each in fields(ChatSettings)
        if getattr(first, each.name) != getattr(second, each.name)
    ]
    return _in_words(first, names), _in_words(second, names)


def _in_words(settings: ChatSettings, names: Sequence[str]) -> str:
    texts = []
    for name in names:
        value = getattr(settings, name)
        is_neutral = name not in ("temperature", "stream") and value in ("", 0, None, ())
        word = NEUTRAL_WORDS.get(name, "none") if is_neutral else value
        if isinstance(word, float):
            word = f"{word:g}"
        if isinstance(value, tuple) and value:
            word = " ".join(map(repr, value))
        if name == "system" and value:
            word = repr(value)
        texts.append(f"{SHOWN_NAMES.get(name, name)} {word}")
    return ", ".join(texts)


def request_text(settings: ChatSettings, conversation: Messages, goes_on: bool = False) -> str:
    """Return the request as it goes to the endpoint, without the key and other usual headers."""
    headers = {"content-type": "application/json", **settings.headers()}
    if settings.extras(goes_on):
        headers |= PASS_THROUGH
    lines = [f"{name}: {value}" for name, value in headers.items()]
    body = json.dumps(settings.body(conversation, goes_on), indent=2, ensure_ascii=False)
    route = f"POST /chat/completions?api-version={API_VERSION}"
    return "\n".join([route, *lines, "", body])


def azure_code(
    settings: ChatSettings,
    conversation: Messages,
    goes_on: bool = False,
    is_simulated: bool = False,
) -> str:
    """Return the same call as a Python program with the package azure-ai-inference.

    is_simulated: True to begin with ``connect()``, without which no simulated endpoint runs.
    """
    arguments: dict[str, Any] = {
        "messages": settings.messages(conversation),
        **settings.parameters(),
    }
    if settings.stream:
        arguments["stream"] = True
    if extras := settings.extras(goes_on):
        arguments["model_extras"] = extras
    if headers := settings.headers():
        arguments["headers"] = headers
    start = _start(
        is_simulated,
        "from azure.ai.inference import ChatCompletionsClient",
        "from azure.core.credentials import AzureKeyCredential",
    )
    return f"""{start}
client = ChatCompletionsClient(
    os.environ["AZURE_INFERENCE_ENDPOINT"],
    AzureKeyCredential(os.environ["AZURE_INFERENCE_CREDENTIAL"]),
)
reply = client.complete(
{_lines_of(arguments)})
{_end(settings)}"""


def openai_code(
    settings: ChatSettings,
    conversation: Messages,
    goes_on: bool = False,
    is_simulated: bool = False,
    model: str = "Phi-4",
) -> str:
    """Return the same call as a Python program with the package openai.

    model: a name that the endpoint accepts. is_simulated: as for ``azure_code``.
    """
    arguments: dict[str, Any] = {
        "model": model,
        "messages": settings.messages(conversation),
        **settings.parameters(),
    }
    if settings.stream:
        arguments["stream"] = True
    extras = settings.extras(goes_on)
    body = {name: extras.pop(name) for name in GO_ON if name in extras}
    arguments |= extras
    if body:
        arguments["extra_body"] = body
    if headers := settings.headers() | (PASS_THROUGH if extras or body else {}):
        arguments["extra_headers"] = headers
    start = _start(is_simulated, "from openai import OpenAI")
    return f"""{start}
client = OpenAI(
    base_url=os.environ["AZURE_INFERENCE_ENDPOINT"] + "/v1",
    api_key=os.environ["AZURE_INFERENCE_CREDENTIAL"],
)
reply = client.chat.completions.create(
{_lines_of(arguments)})
{_end(settings)}"""


def read_stop(text: str) -> tuple[str, ...]:
    r"""Return the stop texts in a field: one on each line, in which \n stands for a line break.

    >>> read_stop("END\n\\n\n")
    ('END', '\n')
    """
    return tuple(line.replace("\\n", "\n") for line in text.split("\n") if line)


def read_seed(text: str) -> int | None:
    """Return the seed in a field, None if the field is empty. Raises ValueError for other text.

    >>> read_seed(" 7 ")
    7
    """
    text = text.strip()
    if not text:
        return None
    if not text.removeprefix("-").isdecimal() or len(text) > 18:
        raise ValueError(f"seed is {text[:40]!r}, expected a whole number, or nothing")
    return int(text)


def _check(name: str, value: float, lowest: float, highest: float) -> None:
    if not lowest <= value <= highest:
        limits = f"from {lowest} to {highest}" if highest < math.inf else f"of at least {lowest}"
        raise ValueError(f"{name} is {value}, expected a number {limits}")


def _start(is_simulated: bool, *imports: str) -> str:
    if not is_simulated:
        return "\n".join(["import os", "", *imports, ""])
    connect = ["from helpers import connect", "", "connect()  # only for the simulated endpoint"]
    return "\n".join(["import os", "", *imports, *connect, ""])


def _end(settings: ChatSettings) -> str:
    """Return the lines that print the answers."""
    if not settings.stream:
        return "for choice in reply.choices:\n    print(choice.message.content)\n"
    if settings.n == 1:
        return (
            "for chunk in reply:\n"
            "    for choice in chunk.choices or []:\n"
            '        print(choice.delta.content or "", end="", flush=True)\n'
            "print()\n"
        )
    return (
        "texts = {}  # by the number of the answer, since their pieces take turns\n"
        "for chunk in reply:\n"
        "    for choice in chunk.choices or []:\n"
        '        text = texts.get(choice.index, "")\n'
        '        texts[choice.index] = text + (choice.delta.content or "")\n'
        'print(*texts.values(), sep="\\n")\n'
    )


def _lines_of(arguments: Mapping[str, Any]) -> str:
    """Return keyword arguments, one on a line, and long ones on several."""
    lines = []
    for name, value in arguments.items():
        line = f"    {name}={_literal(value)},"
        if name == "messages" or len(line) > LINE_WIDTH and isinstance(value, list | dict):
            start, *items, end = _parts(value)
            lines += [f"    {name}={start}", *(f"        {item}," for item in items), f"    {end},"]
        else:
            lines.append(line)
    return "\n".join(lines) + "\n"


def _parts(value: list | dict) -> list[str]:
    """Return the opening bracket, the items and the closing bracket of a list or dictionary."""
    if isinstance(value, list):
        return ["[", *map(_literal, value), "]"]
    items = (f"{_literal(name)}: {_literal(item)}" for name, item in value.items())
    return ["{", *items, "}"]


def _literal(value: Any) -> str:
    """Return a value as Python code, with texts in double quotation marks."""
    if isinstance(value, str) and value.isprintable():
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, list | dict):
        start, *items, end = _parts(value)
        return f"{start}{', '.join(items)}{end}"
    return repr(value)
