"""Send recorded prompts through azure-ai-inference and through openai. Print where they differ.

    python compare.py prompts.jsonl

Needs azure-ai-inference and openai, the variables AZURE_INFERENCE_ENDPOINT and
AZURE_INFERENCE_CREDENTIAL, and reads AZURE_INFERENCE_MODEL. Each line of the file holds the
arguments of one call of complete() as a JSON object:

    {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 50}
    {"messages": [{"role": "user", "content": "Hello"}], "stream": true, "model_extras": {"n": 2}}

Where a line does not name them, temperature is 0, seed 1 and max_tokens 256; --own-defaults sends
what the line says and nothing else. Each prompt is sent twice, and both calls are billed.

Exit status: 0 if all prompts gave the same, 1 if one differs, 2 if the file, the variables or the
arguments are wrong. Prompts to which the old client gives two different texts do not count.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import openai
from azure.ai.inference import ChatCompletionsClient
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import AzureError

FIXED = {"temperature": 0, "seed": 1, "max_tokens": 256}
TIMEOUT, RETRIES = 180, 2  # seconds; repetitions of a request that fails


@dataclass(frozen=True)
class Outcome:
    """What a call gave. error is "" or, such as "status 422" or "no answer", why there is none."""

    text: str = ""
    finish_reason: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    logprobs: tuple[float, ...] = ()
    error: str = ""


def differences(old: Outcome, new: Outcome) -> list[str]:
    """Return a line for each field that differs.

    >>> differences(Outcome("Hi", "stop"), Outcome("Hi", "length"))
    ["finish_reason: old 'stop', new 'length'"]
    """
    lines = []
    for field in fields(Outcome):
        before, after = getattr(old, field.name), getattr(new, field.name)
        if before != after:
            lines.append(f"{field.name}: old {_shown(before)}, new {_shown(after)}")
    return lines


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return f"{len(value)} of them" if value else "none"
    text = repr(value)
    return text if len(text) <= 70 else f"{text[:67]}..."


def read_prompts(path: Path) -> list[dict]:
    """Return the calls of a file. Raise ValueError that names the line that is wrong."""
    calls = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        try:
            call = json.loads(line)
        except ValueError as error:
            raise ValueError(f"{path}, line {number}: no JSON ({error}).") from None
        if not isinstance(call, dict) or not isinstance(call.get("messages"), list):
            raise ValueError(f'{path}, line {number}: expected an object such as {{"messages": [...]}}.')
        calls.append(call)
    if not calls:
        raise ValueError(f"{path} holds no prompts. Write one JSON object a line.")
    return calls


# The two clients


def new_base_url(endpoint: str) -> str:
    """Return the base URL for openai, from the endpoint for azure-ai-inference.

    >>> new_base_url("https://my-phi4.eastus2.inference.ml.azure.com/")
    'https://my-phi4.eastus2.inference.ml.azure.com/v1'
    >>> new_base_url("https://ada.services.ai.azure.com/models")
    'https://ada.services.ai.azure.com/openai/v1'
    """
    endpoint = endpoint.rstrip("/")
    if endpoint.endswith("/models"):
        return endpoint.removesuffix("/models") + "/openai/v1"
    return f"{endpoint}/v1"


def model_name(client: openai.OpenAI) -> str:
    """Return AZURE_INFERENCE_MODEL, else the first model that the server lists, else Phi-4."""
    if name := os.environ.get("AZURE_INFERENCE_MODEL"):
        return name
    try:
        return client.models.list().data[0].id
    except (openai.APIError, IndexError):
        return "Phi-4"  # a server without this list takes any name


def new_arguments(call: dict) -> dict:
    """Return the arguments of create() for those of complete()."""
    arguments = dict(call)
    if extras := arguments.pop("model_extras", None):
        arguments["extra_body"] = extras
    if isinstance(form := arguments.get("response_format"), str):
        arguments["response_format"] = {"type": form}
    if arguments.get("stream"):
        arguments["stream_options"] = {"include_usage": True}
    return arguments


def ask_old(client: ChatCompletionsClient, call: dict) -> Outcome:
    """Return what azure-ai-inference gives for a call."""
    try:
        reply = client.complete(**call)
        return _outcome(reply, lambda item: item.as_dict(), call.get("stream"))
    except AzureError as error:
        return Outcome(error=_failure(getattr(error, "status_code", None)))
    except ValueError:  # an error in a stream, or a body that is no JSON
        return Outcome(error="unreadable answer")


def ask_new(client: openai.OpenAI, model: str, call: dict) -> Outcome:
    """Return what openai gives for a call."""
    try:
        reply = client.chat.completions.create(**{"model": model, **new_arguments(call)})
        return _outcome(reply, lambda item: item.to_dict(), call.get("stream"))
    except openai.APIConnectionError:
        return Outcome(error=_failure(None))
    except openai.APIError as error:
        status = getattr(error, "status_code", None)
        return Outcome(error=_failure(status) if status else "unreadable answer")


def _failure(status: int | None) -> str:
    return f"status {status}" if status else "no answer, or a part of one"


def _outcome(reply: Any, as_dict: Callable[[Any], dict], is_stream: bool | None) -> Outcome:
    """Return what a reply, or the chunks of a stream, say."""
    text, logprobs = "", []
    finish_reason, usage = None, {}
    for part in map(as_dict, reply if is_stream else [reply]):
        usage = part.get("usage") or usage
        for choice in part.get("choices") or []:
            message = choice.get("delta" if is_stream else "message") or {}
            text += message.get("content") or ""
            finish_reason = choice.get("finish_reason") or finish_reason
            logprobs += [round(value, 3) for value in _logprobs(choice)]
    counts = usage.get("prompt_tokens"), usage.get("completion_tokens")
    return Outcome(text, finish_reason, *counts, tuple(logprobs))


def _logprobs(choice: dict) -> Iterator[float]:
    for item in (choice.get("logprobs") or {}).get("content") or []:
        yield item["logprob"]


# The program


def compare(calls: list[dict], old: Any, new: Any, model: str) -> int:
    """Print how the outcomes of all calls compare. Return how many differ."""
    differing = unstable = 0
    for number, call in enumerate(calls, 1):
        before, after = ask_old(old, call), ask_new(new, model, call)
        lines = differences(before, after)
        if not lines:
            print(f"{number}: same ({before.error or before.finish_reason})")
        elif not before.error and before.text != after.text and differs_from_itself(old, call, before):
            unstable += 1
            print(f"{number}: unstable: the old client's own second answer differs, too")
        else:
            differing += 1
            print(f"{number}: different", *lines, sep="\n   ")
    same = len(calls) - differing - unstable
    print(f"{same} same, {differing} different, {unstable} unstable")
    return differing


def differs_from_itself(old: ChatCompletionsClient, call: dict, before: Outcome) -> bool:
    """Return True if the old client gives another text when it is asked again."""
    return ask_old(old, call).text != before.text


def main() -> int:
    """Run the command. Return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("prompts", type=Path, help="a JSONL file")
    parser.add_argument("--base-url", help="for openai; default: made from the endpoint")
    parser.add_argument("--own-defaults", action="store_true", help="add no temperature, seed, ...")
    options = parser.parse_args()
    try:
        endpoint, key = (os.environ[f"AZURE_INFERENCE_{name}"].strip() for name in ("ENDPOINT", "CREDENTIAL"))
        calls = read_prompts(options.prompts)
    except KeyError as error:
        parser.error(f"the variable {error.args[0]} is not set.")
    except (OSError, UnicodeDecodeError) as error:
        parser.error(f"{options.prompts} cannot be read: {type(error).__name__}.")
    except ValueError as error:
        parser.error(str(error))
    if not options.own_defaults:
        calls = [{**FIXED, **call} for call in calls]
    old = ChatCompletionsClient(endpoint, AzureKeyCredential(key), read_timeout=TIMEOUT, retry_total=RETRIES)
    new = openai.OpenAI(
        base_url=options.base_url or new_base_url(endpoint),
        api_key=key,
        default_headers={"extra-parameters": "pass-through"},
        timeout=TIMEOUT,
        max_retries=RETRIES,
    )
    return 1 if compare(calls, old, new, model_name(new)) else 0


if __name__ == "__main__":
    sys.exit(main())
