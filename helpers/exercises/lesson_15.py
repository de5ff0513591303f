"""Judge the answers to the exercises of lesson 15, the playground. They ask the endpoint again."""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator, Sequence
from typing import Any

from helpers.exercises.clients import UNSEEN, chat_client, is_simulated
from helpers.exercises.outcomes import Outcome, correct, not_yet
from helpers.exercises.trials import call, kind, show, show_error
from helpers.playground.answer import Token, others, text_of, token_of
from helpers.playground.costs import Usage
from helpers.playground.settings import GO_ON, PASS_THROUGH
from helpers.sampling import nucleus

COLOUR, LANGUAGES, FRANCE = (
    {"role": "user", "content": text}
    for text in (
        "Name a colour.",
        "How many languages are in the world?",
        "What is the capital of France?",
    )
)
WANTED, BY_CHANCE = 60, 15  # of 100 answers, of which three standard deviations are 15
SEEDS, AT_A_TIME = 10, 30  # requests, and answers to each
TOP_P = 0.5
MOST_OPTIONS = 20  # that an endpoint reports for a token
ROUNDED = 6e-7  # US dollars: the meter shows six decimals
STEP = 0.05  # of the slider for the temperature
REST_OF_PAGE = "It is complete (finish reason stop"  # below the answer
SEED, LONGEST = 7, 5  # of 15.6


def is_number(value: object) -> bool:
    """Return True for a finite number that is not a bool."""
    is_real = isinstance(value, int | float) and not isinstance(value, bool)
    return is_real and math.isfinite(value)


def tokens_at_0(*messages: dict, **extras: Any) -> list[Token]:
    """Return the tokens of the answer at temperature 0, [] if the endpoint does not tell them."""
    extras = {"logprobs": True, "top_logprobs": MOST_OPTIONS, **extras}
    result = call(chat_client().complete, messages=[*messages], model_extras=extras)
    if result.error is not None:
        return []
    report = result.value.choices[0].get("logprobs") or {}
    return [*map(token_of, report.get("content") or ())]


# 15.1


def check_15_1(answer: Any) -> Outcome:
    """Return correct for a temperature at which about 60 of 100 answers are Blue."""
    if not is_number(answer):
        look = "`warm = 0.1`, without quotation marks" if isinstance(answer, str) else ""
        return not_yet(kind(answer), "a temperature, which is a number", look)
    result = call(count_of_blue, answer)
    if result.error is not None:
        return not_yet(
            f"at temperature {show(answer)}, the endpoint refuses the request",
            "a temperature from 0 to 1",
            "it is the number in the field `temperature`, not how often Blue came",
        )
    blue, total = result.value
    share = 100 * blue / total
    if abs(share - WANTED) <= BY_CHANCE:
        return correct(
            f"{total} new draws at temperature {answer}: {share:.0f} % were Blue. That is near "
            f"enough to {WANTED} of 100: chance easily moves a count of 100 draws by ten."
        )
    if not is_simulated() and not _can_be_reached(share):
        return correct(
            "Your own model says Blue more or less often than 60 times of 100 at every "
            "temperature, so any number is right here."
        )
    look = "a higher temperature lets the other colours come more often"
    if share < WANTED:
        look = "a lower temperature lets the likeliest colour come more often"
    return not_yet(
        f"{total} new draws at temperature {answer}: {share:.0f} % were Blue",
        f"about {WANTED} of 100; chance hardly ever moves a count of 100 draws by more than "
        f"{BY_CHANCE}, so this is too far away",
        look,
    )


def count_of_blue(temperature: float) -> tuple[int, int]:
    """Return how many of 300 answers of one token are Blue, and how many answers there were."""
    client = chat_client(temperature=temperature)
    texts: list[str] = []
    extras = {"n": AT_A_TIME} if temperature else {}  # at 0, servers refuse several answers
    for seed in range(SEEDS):
        reply = client.complete(messages=[COLOUR], max_tokens=1, seed=seed, model_extras=extras)
        texts += [choice.message.content or "" for choice in reply.choices]
    return sum(text.strip() == "Blue" for text in texts), len(texts)


def _can_be_reached(share: float) -> bool:
    """Return True if Blue comes 60 times of 100 at some temperature. share: at another one."""
    cold, hot = (100 * blue / total for blue, total in map(count_of_blue, (0.05, 1.0)))
    return min(share, cold, hot) - BY_CHANCE <= WANTED <= max(share, cold, hot) + BY_CHANCE


# 15.2


def check_15_2(answer: Any) -> Outcome:
    """Return correct for the colours that top_p 0.5 leaves."""
    if not isinstance(answer, list | tuple | set | frozenset):
        return not_yet(f"it is {kind(answer)}", "a list of colours", '`["Black", "White"]` is one')
    names = [name.strip(" .").lower() if isinstance(name, str) else name for name in answer]
    if wrong := [name for name in names if not isinstance(name, str) or not name]:
        return not_yet(f"{show(wrong[0])} in the list", "the names of colours, as texts")
    tokens = tokens_at_0(COLOUR)
    if not tokens:
        return correct(f"Your endpoint tells no log-probabilities. {UNSEEN}")
    chances = {option.text: option.probability for option in tokens[0].options}
    left = [text.strip() for text in nucleus(chances, TOP_P)]
    extra = [name for name in names if not any(name.startswith(text.lower()) for text in left)]
    missing = [text for text in left if not any(name.startswith(text.lower()) for name in names)]
    if extra:
        return not_yet(
            f"{show(extra[0])} is in your list",
            f"only colours that can still come with `top_p` {TOP_P}",
            "set `n` to 100 and press Retry: the last line counts the answers. Is `top_p` 0.5?",
        )
    if missing:
        return not_yet(
            f"{len(names)} of the {len(left)} colours that are left",
            f"all colours that still come with `top_p` {TOP_P}",
            "at a temperature of 1 and with `n` 100, each of them comes several times",
        )
    return correct()


# 15.3


def check_15_3(answer: Any) -> Outcome:
    """Return correct for what a chat of two questions costs, paid per token."""
    if not is_number(answer):
        look = "the number alone, without `$` or `US dollars`" if isinstance(answer, str) else ""
        return not_yet(kind(answer), "a number of US dollars", look)
    usages = _chat_of_two()
    whole = usages[0] + usages[1]
    tolerance = ROUNDED + (0.01 if is_simulated() else 0.3) * whole.usd_per_token
    if abs(answer - whole.usd_per_token) <= tolerance:
        return correct()
    alone = usages[0] + _ask(FRANCE)
    gpu_dollars = 3.673 * whole.gpu_seconds / 3600
    usual = {
        3.673: ("the price of an hour on managed compute", "the line `Paying per token`"),
        gpu_dollars: ("the share of the A100's hour", "the line `Paying per token`"),
        usages[0].usd_per_token: (
            "the cost of the first question alone",
            "ask the second question without pressing Clear, then read the meter",
        ),
        usages[1].usd_per_token: (
            "the cost of the second question alone",
            "the meter adds up both, from Clear on",
        ),
        100 * whole.usd_per_token: ("cents, not dollars", "write the number of the meter"),
        float(whole.prompt_tokens + whole.completion_tokens): (
            "the number of tokens",
            "the line `Paying per token`",
        ),
    }
    for value, (came, look) in usual.items():
        if math.isclose(answer, value, rel_tol=0.02, abs_tol=ROUNDED):
            return not_yet(f"{answer:g}: {came}", "US dollars for all tokens", look)
    if math.isclose(answer, alone.usd_per_token, rel_tol=0.02, abs_tol=ROUNDED):
        return not_yet(
            f"{answer:g}: the cost of both questions, each asked alone",
            "US dollars for all tokens of one chat",
            "the second question in the same chat, without Clear between them",
        )
    return not_yet(
        f"{answer:g} US dollars",
        "what the meter says after both questions, paying per token",
        "Clear, temperature 0, `n` 1, then each question once",
    )


def _ask(*messages: dict) -> Usage:
    usage = chat_client().complete(messages=[*messages]).usage
    return Usage(1, usage.prompt_tokens, usage.completion_tokens)


def _chat_of_two() -> list[Usage]:
    """Return what each of the two questions takes."""
    client = chat_client()
    first = client.complete(messages=[LANGUAGES])
    said = {"role": "assistant", "content": first.choices[0].message.content}
    usage = Usage(1, first.usage.prompt_tokens, first.usage.completion_tokens)
    return [usage, _ask(LANGUAGES, said, FRANCE)]


# 15.4


def check_15_4(answer: Any) -> Outcome:
    """Return correct for a longer answer that goes on from another token."""
    if not isinstance(answer, str):
        return not_yet(kind(answer), "the new answer, as a text")
    text = answer.strip().removeprefix("Model:").partition(REST_OF_PAGE)[0].strip()
    tokens = tokens_at_0(FRANCE)
    if not tokens:
        return correct(f"Your endpoint tells no log-probabilities. {UNSEEN}")
    usual = text_of(tokens)
    if text == usual.strip():
        return not_yet(
            "the answer that comes without a choice",
            "the answer that goes on from another token",
            "press a token, then one of the buttons below the tokens",
        )
    answers = [*_answers_beginning_like(text, tokens)]
    if text not in answers:
        return _not_reached(text, answers)
    if len(text) <= len(usual):
        return not_yet(
            f"{len(text)} characters",
            f"more than the {len(usual)} of the usual answer",
            "choose another token, for example at the first place",
        )
    return correct()


def _answers_beginning_like(text: str, tokens: Sequence[Token]) -> Iterator[str]:
    """Yield the answers that go on from another token and whose beginning is in a text."""
    for place, token in enumerate(tokens):
        for option in others(token):
            start = text_of([*tokens[:place], option])
            if not start or option.ends_answer or not text.startswith(start):
                continue
            client = chat_client()
            messages = [FRANCE, {"role": "assistant", "content": start}]
            result = call(
                client.complete, messages=messages, model_extras=GO_ON, headers=PASS_THROUGH
            )
            if result.error is None:
                yield (start + (result.value.choices[0].message.content or "")).strip()


def _not_reached(text: str, answers: Sequence[str]) -> Outcome:
    longer = next((each for each in answers if each.startswith(text)), None)
    if longer is not None:
        return not_yet(
            f"{show(text)}, which is only the beginning",
            "the whole new answer, to its full stop",
            "copy what stands behind `Model:` in the chat",
        )
    if answers:
        return not_yet(
            f"{show(text)}",
            "the answer as the model goes on at temperature 0",
            "is the temperature 0? Then copy what stands behind `Model:`",
        )
    return not_yet(
        f"{show(text)}, which begins like no answer with one other token",
        "the whole new answer, from its first word on",
        "press a token, then one of the buttons below the tokens; copy what stands behind `Model:`",
    )


# 15.5


def check_15_5(answer: Any) -> Outcome:
    """Return correct for the highest temperature that the endpoint accepts."""
    if not is_number(answer):
        return not_yet(kind(answer), "a temperature, which is a number")
    if answer < 0:
        return not_yet(f"{answer:g}", "a temperature of at least 0")
    refusal = _refusal(answer)
    if refusal:
        return not_yet(
            f"the endpoint refuses temperature {answer:g}",
            "the highest temperature that it accepts",
            "the reason in the chat names the limit",
        )
    above = round(answer + STEP, 2)
    if answer < 2 and not _refusal(above):
        return not_yet(
            f"the endpoint accepts {answer:g}, but also {above:g}",
            "the highest temperature that it accepts",
            "move the slider up until the endpoint refuses, or read its reason",
        )
    return correct()


def _refusal(temperature: float) -> str:
    """Return why the endpoint refuses a temperature, "" if it accepts it."""
    client = chat_client(temperature=temperature)
    result = call(client.complete, messages=[COLOUR], max_tokens=1)
    return show_error(result.error) if result.error is not None else ""


# 15.6


def check_15_6(answer: Any) -> Outcome:
    """Return correct for the code of a call with the package openai, a seed and a limit."""
    if answer is None:
        return not_yet("None", "the code, as a text", "`print` returns None: print in a next line")
    if not isinstance(answer, str):
        look = "hand the settings to `openai_code`" if "Settings" in kind(answer) else ""
        return not_yet(kind(answer), "the code, as a text", look)
    try:
        tree = ast.parse(answer)
    except SyntaxError as error:
        return not_yet(f"no Python: {show_error(error)}", "what `openai_code` returns")
    calls = {
        ast.unparse(node.func): {each.arg: ast.unparse(each.value) for each in node.keywords}
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
    }
    if "client.complete" in calls:
        return not_yet(
            "a call of azure-ai-inference", "a call of openai", "the function is `openai_code`"
        )
    values = calls.get("client.chat.completions.create")
    if values is None:
        return not_yet("no call of the client", "what `openai_code` returns")
    for name, value in {"max_tokens": LONGEST, "seed": SEED}.items():
        if values.get(name) != str(value):
            came = f"`{name}={values[name]}`" if name in values else f"a call without `{name}`"
            return not_yet(came, f"`{name}={value}`", f"`ChatSettings` has an argument `{name}`")
    return correct()
