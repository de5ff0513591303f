"""A learner plays with the lessons: a hundred prompts, and further ones of their kinds.

The prompts were written from the lessons' text alone, before a look at the code that answers.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections import defaultdict
from functools import partial
from pathlib import Path

MIN_SENSIBLE = 85  # of a hundred prompts
NOT_KNOWING = re.compile(
    r"\b(?:don't|do not|cannot) (?:know|tell|understand)\b|not told me|does not say", re.IGNORECASE
)
search = partial(re.search, flags=re.IGNORECASE | re.DOTALL)


def _prompts(name: str) -> list[dict]:
    text = Path(__file__).with_name(name).read_text(encoding="utf-8")
    return tomllib.loads(text)["prompt"]


def _last_answer(say, prompt: dict) -> str:
    """Play the conversation of a prompt. Return the last answer."""
    messages = [("system", prompt["system"])] if "system" in prompt else []
    texts = prompt["user"] if isinstance(prompt["user"], list) else [prompt["user"]]
    for text in texts:
        messages.append(("user", text))
        messages.append(("assistant", say(messages, max_tokens=300)))
    return messages[-1][1]


def _holds_json(answer: str, nothing_else: bool) -> bool:
    block = search(r"[\[{].*[\]}]", answer)
    try:
        json.loads(answer if nothing_else else block[0] if block else "")
    except ValueError:
        return False
    return True


def _verdict(prompt: dict, answer: str) -> str:
    """Return "sensible", "declined", or "wrong" for an answer that is neither."""
    fits = all(search(pattern, answer) for pattern in prompt["sensible"])
    fits &= not ("wrong" in prompt and search(prompt["wrong"], answer))
    if wanted := prompt.get("json"):
        fits &= _holds_json(answer, nothing_else=wanted == "only")
    if fits:
        return "sensible"
    if NOT_KNOWING.search(answer):
        return "sensible" if prompt.get("may_decline") else "declined"
    return "wrong"


def _verdicts(say, prompts: list[dict]) -> dict[str, list[tuple]]:
    """Return verdict -> (prompt, answer) of each prompt that got it."""
    verdicts = defaultdict(list)
    for prompt in prompts:
        answer = _last_answer(say, prompt)
        verdicts[_verdict(prompt, answer)].append((prompt["user"], answer))
    return verdicts


def test_a_hundred_prompts_get_sensible_answers_and_none_is_wrong(say):
    prompts = _prompts("free_play.toml")
    assert len(prompts) == 100
    verdicts = _verdicts(say, prompts)
    assert not verdicts["wrong"]
    assert len(verdicts["sensible"]) >= MIN_SENSIBLE, verdicts["declined"]


def test_further_prompts_of_their_kinds_get_sensible_answers_and_none_is_wrong(say):
    prompts = _prompts("free_play_more.toml")
    verdicts = _verdicts(say, prompts)
    assert not verdicts["wrong"]
    assert len(verdicts["sensible"]) >= MIN_SENSIBLE / 100 * len(prompts), verdicts["declined"]


def test_what_is_neither_sensible_nor_declined_is_wrong():
    prompt = {"sensible": [r"\bRome\b"], "wrong": "Milan"}
    assert _verdict(prompt, "It is Rome.") == "sensible"
    assert _verdict(prompt, "It is Rome, or Milan.") == "wrong"
    assert _verdict(prompt, "It is Paris.") == "wrong"
    assert _verdict(prompt, "I don't know that one.") == "declined"
    assert _verdict(prompt | {"may_decline": True}, "I don't know that one.") == "sensible"
    assert _verdict({"sensible": [], "json": "only"}, 'Here: {"a": 1}') == "wrong"
    assert _verdict({"sensible": [], "json": True}, 'Here: {"a": 1}') == "sensible"
