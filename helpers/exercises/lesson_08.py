"""Judge the answers to the exercises of lesson 08, cost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from azure.ai.inference.models import ChatCompletions

from helpers import cost
from helpers.exercises.clients import chat_client, is_simulated
from helpers.exercises.outcomes import Outcome, correct, not_yet
from helpers.exercises.trials import Call, call, kind, show
from helpers.spending import RunningDeployment

PRICE = 3.673  # US dollars an hour, as in the lesson
BILL = 1300  # US dollars
USD_IN, USD_OUT = 0.125, 0.50  # for a million tokens, as in the lesson
ONE_QUESTION = (100 * USD_IN + 256 * USD_OUT) / 1e6
SECONDS, AT_A_TIME, DEPLOYING = 7.3, 8, 20 / 60  # an answer; requests; hours
SIZE = "Standard_NC24ads_A100_v4"


def is_number(value: object) -> bool:
    """Return True for a finite number that is not a bool.

    >>> is_number(1.5), is_number(True), is_number("1")
    (True, False, False)
    """
    is_real = isinstance(value, int | float) and not isinstance(value, bool)
    return is_real and math.isfinite(value)


def is_near(value: float, expected: float, tolerance: float = 0.005) -> bool:
    """Return True if a number differs by at most this share from what was expected."""
    return math.isclose(value, expected, rel_tol=tolerance)


def number_text(value: float) -> str:
    """Return a number as text, with about four digits.

    >>> number_text(0.00012345), number_text(1234.5)
    ('0.0001234', '1,234.50')
    """
    return f"{value:,.2f}" if abs(value) >= 1 else f"{value:.4g}"


# 8.1


def check_8_1(answer: Any) -> Outcome:
    """Return correct for the days of a machine in a bill."""
    if not is_number(answer):
        look = "the calculation itself, not a text" if isinstance(answer, str) else "one number"
        return not_yet(kind(answer), "a number of days", look)
    days = BILL / PRICE / 24
    if abs(answer - days) <= 0.3:
        return correct()
    usual = {
        BILL / PRICE: ("hours, not days", "a day has 24 hours"),
        BILL / PRICE / 168: ("weeks, not days", "a week has seven days"),
        BILL / PRICE / 8: ("days of eight hours", "a forgotten machine also runs at night"),
        BILL * PRICE / 24: (
            "much too large: dollars times dollars",
            "dollars divided by dollars per hour are hours",
        ),
        PRICE * 24: ("the cost of one day, in dollars", "how often is that in the bill?"),
        float(int(days)): ("only the whole days", "`/` divides, `//` cuts off what is left"),
        days / 24: ("divided by 24 twice", "the price is for an hour of a whole machine"),
    }
    for value, (came, look) in usual.items():
        if is_near(answer, value):
            return not_yet(f"{number_text(answer)}: {came}", "a number of days", look)
    return not_yet(
        number_text(answer), "another number of days", "dollars, dollars per hour, 24 hours"
    )


# 8.2


def reply_with(prompt: int, completion: int) -> ChatCompletions:
    """Return a reply that counts these tokens."""
    usage = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }
    return ChatCompletions({"choices": [], "usage": usage})


def check_8_2(answer: Any) -> Outcome:
    """Return correct for a function that returns the cost of a chat."""
    chat = [reply_with(20, 60), reply_with(95, 40), reply_with(150, 200)]
    cases = [(chat, USD_IN, USD_OUT), (chat, 0.5, 2.0), ([reply_with(15, 63)], USD_IN, USD_OUT)]
    if is_simulated():
        messages = [{"role": "user", "content": "How many languages are in the world?"}]
        clients = [chat_client(server=server) for server in ("inference", "serve")]
        cases.append(([each.complete(messages=messages) for each in clients], USD_IN, USD_OUT))
    cases.append(([], USD_IN, USD_OUT))
    for replies, usd_in, usd_out in cases:
        result = call(answer, replies, usd_in, usd_out)
        counts = [(reply.usage.prompt_tokens, reply.usage.completion_tokens) for reply in replies]
        usd = sum(ins * usd_in + outs * usd_out for ins, outs in counts) / 1e6
        is_right = is_number(result.value) and math.isclose(result.value, usd, rel_tol=1e-6)
        if is_right and result.error is None:
            continue
        came, look = _came_8_2(result, counts, usd_in, usd_out)
        others = [reply_with(100 * ins, 100 * outs) for ins, outs in counts]
        ignores_them = (
            bool(replies)
            and is_number(result.value)
            and call(answer, others, usd_in, usd_out).value == result.value
        )
        if ignores_them:
            came = f"it returned {number_text(result.value)}, whatever the replies count"
            look = "`reply.usage` of each reply, not `usage` of the cell above"
        tokens = ", ".join(f"{ins} in and {outs} out" for ins, outs in counts) or "no replies"
        prices = "" if usd_in == USD_IN else f" at {usd_in:g} and {usd_out:g} dollars"
        return not_yet(f"with {tokens}{prices}, {came}", f"{number_text(usd)} dollars", look)
    return correct()


def _came_8_2(
    result: Call, counts: list[tuple[int, int]], usd_in: float, usd_out: float
) -> tuple[str, str]:
    """Return what came, and where to look."""
    if result.error is not None:
        error = str(result.error)
        looks = {
            "has no attribute 'usage'": "`replies` is a list: take one `reply` after the other",
            "has no attribute 'prompt_tokens'": "`reply.usage` has the counts of a reply",
        }
        look = "call it with `[client.complete(messages=question)]` to see the line of the error"
        return result.failure, next((looks[piece] for piece in looks if piece in error), look)
    if not is_number(result.value):
        look = (
            "`return` the sum itself, a number" if result.value is not None else "`return` the sum"
        )
        return f"it returned {show(result.value)}", look
    value, ins, outs = result.value, sum(i for i, _ in counts), sum(o for _, o in counts)
    usd = (ins * usd_in + outs * usd_out) / 1e6
    each = [(i * usd_in + o * usd_out) / 1e6 for i, o in counts]
    usual = {
        outs * usd_out / 1e6: (
            "only the tokens that came out",
            "the tokens of the prompts are billed, too",
        ),
        ins * usd_in / 1e6: ("only the tokens that went in", "and `completion_tokens`?"),
        (ins * usd_out + outs * usd_in) / 1e6: (
            "with the two prices swapped",
            "`usd_in` is for `prompt_tokens`",
        ),
        (ins + outs) * usd_out / 1e6: (
            "one price for all tokens",
            "`total_tokens` does not tell which tokens go in",
        ),
        (ins + outs) * usd_in / 1e6: ("the lower price for all tokens", "`usd_out`"),
        ((ins + outs) * usd_in + outs * usd_out) / 1e6: (
            "the tokens that came out were counted twice",
            "`total_tokens` holds them, too: `prompt_tokens` go in",
        ),
        (ins * USD_IN + outs * USD_OUT) / 1e6: (
            "the prices of the lesson",
            "use `usd_in` and `usd_out`, whatever they are",
        ),
        ins * usd_in + outs * usd_out / 1e6: (
            "only one of the two was divided by a million",
            "parentheses around the sum, before `/ 1e6`",
        ),
        usd * 1e6: ("a million times too much", "the prices are for a million tokens"),
        usd * 1e3: ("a thousand times too much", "the prices are for a million tokens"),
    }
    if len(counts) > 1:
        prompts = "each request sends the whole chat, and all of it is billed each time"
        usual |= {
            (counts[-1][0] * usd_in + outs * usd_out) / 1e6: (
                "the prompt of one request only",
                prompts,
            ),
            (counts[0][0] * usd_in + outs * usd_out) / 1e6: (
                "the prompt of the first request only",
                prompts,
            ),
            each[-1]: ("the cost of the last reply alone", "add up: `usd += ...`"),
            each[0]: ("the cost of the first reply alone", "`return` belongs after the loop"),
        }
    for amount, (came, look) in usual.items():
        if is_near(value, amount, 1e-6):
            return f"it returned {number_text(value)}: {came}", look
    if value == round(value, 4):
        return f"it returned {value}: rounded", "return the sum as it is; round when you print"
    return (
        f"it returned {number_text(value)}",
        "tokens in times `usd_in`, tokens out times `usd_out`",
    )


# 8.3


def check_8_3(answer: Any) -> Outcome:
    """Return correct for a function that returns the price of a million tokens."""
    for price, speed, busy in ((PRICE, 1029.4, 168), (PRICE, 1029.4, 42), (6.98, 500, 3)):
        always = price / (speed * 3600) * 1e6
        usd = always * 168 / busy
        result = call(answer, price, speed, busy)
        value = result.value
        case = f"with {price} dollars, {speed} tokens per second and {busy} busy hours, "
        if result.error is not None or not is_number(value):
            came = result.failure or f"it returned {show(value)}"
            look = (
                "`speed` and the others are plain numbers"
                if result.error is not None
                else "`return` the price"
            )
            return not_yet(case + came, "a number", look)
        if is_near(value, usd, 0.01):
            continue
        usual = {
            usd * 3600: (
                "an hour's price divided by the tokens of a second",
                "how many seconds has an hour?",
            ),
            usd * 3600**2: (
                "3600 is in the wrong place",
                "more tokens make a token cheaper: where does 3600 belong?",
            ),
            usd * 60: (
                "an hour's price divided by the tokens of a minute",
                "an hour has 3,600 seconds",
            ),
            always * busy / 168: (
                "the less it works, the less a token costs",
                "you pay for the hours in which it waits, too",
            ),
            always: ("the hours do not change it", "divide by the utilisation"),
            usd * PRICE / price: ("the price of the lesson", "use `price`, whatever it is"),
        }
        for amount, (came, look) in usual.items():
            if is_near(value, amount):
                return not_yet(
                    f"{case}it returned {number_text(value)}: {came}", number_text(usd), look
                )
        return not_yet(
            f"{case}it returned {number_text(value)}", number_text(usd), "hours and seconds"
        )
    return correct()


# 8.4


def check_8_4(answer: Any) -> Outcome:
    """Return correct for a function that returns what a course costs in two ways."""
    for case in ((30, 10, 3, 60), (300, 5, 2, 60), (12, 1, 1.5, 20)):
        learners, lessons, hours, questions_per_hour = case
        per_second = learners * questions_per_hour / 3600
        instances = cost.instances_needed(per_second, SECONDS, AT_A_TIME)
        machine = lessons * cost.cost_usd(PRICE, instances, hours + DEPLOYING)
        by_token = learners * lessons * hours * questions_per_hour * ONE_QUESTION
        result = call(answer, *case)
        value = result.value
        call_text = f"course{case}"
        if not isinstance(value, tuple | list) or len(value) != 2 or not all(map(is_number, value)):
            came = result.failure or f"it returned {show(value)}"
            return not_yet(f"{call_text}: {came}", "two numbers", "`return machine, by_token`")
        if all(map(is_near, value, (machine, by_token))):
            continue
        came, look = _came_8_4(value, case, instances, machine, by_token)
        return not_yet(
            f"{call_text}: it returned {number_text(value[0])} and {number_text(value[1])}{came}",
            f"{number_text(machine)} by the machine and {number_text(by_token)} per token",
            look,
        )
    return correct()


def _came_8_4(
    value: Sequence[float],
    case: tuple[float, float, float, float],
    instances: int,
    machine: float,
    by_token: float,
) -> tuple[str, str]:
    """Return what came, and where to look."""
    learners, lessons, hours, _ = case
    if all(map(is_near, value, (by_token, machine))):
        return ", the two amounts in the other order", "`return machine, by_token`"
    if not is_near(value[0], machine):
        rate = PRICE * instances
        usual = {
            lessons * hours * rate: (
                ", without the 20 minutes of deploying",
                "`hours + 20 / 60` for each lesson",
            ),
            (lessons * hours + DEPLOYING) * rate: (
                ", with the 20 minutes only once",
                "the machine is deleted after each lesson, and deployed again",
            ),
            (hours + DEPLOYING) * rate: (", the machine of one lesson", "`lessons` times"),
            machine / instances: (
                f", for one instance, where the rule asks for {instances}",
                "`cost.instances_needed(...)`",
            ),
        }
        for amount, (came, look) in usual.items():
            if is_near(value[0], amount):
                return came, look
        return "; the first amount differs", "instances, lessons, hours and 20 minutes"
    usual = {
        by_token / lessons: (", the questions of one lesson", "`lessons` times"),
        by_token / learners: (", the questions of one learner", "`learners` times"),
        by_token / hours: (", the questions of one hour a lesson", "`hours` times"),
        by_token * 1e6: (", a million times too much per token", "prices for a million tokens"),
    }
    for amount, (came, look) in usual.items():
        if is_near(value[1], amount):
            return came, look
    return "; the second amount differs", "100 tokens in and 256 out for each question"


# 8.5


def deployment(
    name: str, hours: float, usd: float | None, state: str = "Succeeded"
) -> RunningDeployment:
    """Return a row as running() lists it."""
    return RunningDeployment(
        "phi4-workspace", "group", name, "blue", SIZE, 1, state, int(hours * 60), usd
    )


def check_8_5(answer: Any) -> Outcome:
    """Return correct for a function that returns what was forgotten, the most expensive first."""
    rows = [
        deployment("lesson", 0.5, 1.84),
        deployment("weekend", 62, 227.73),
        deployment("unknown-price", 40, None),
        deployment("failed", 30, 110.19, "Failed"),
        deployment("last-week", 200, 734.60),
        deployment("night", 11, 40.40),
    ]
    by_name = {row.endpoint: row for row in rows}
    expected = {
        12: ["last-week", "weekend", "failed", "unknown-price"],
        100: ["last-week"],
        10: ["last-week", "weekend", "failed", "night", "unknown-price"],
        1000: [],
    }
    for hours, names in expected.items():
        result = call(answer, rows, hours=hours) if hours != 12 else call(answer, rows)
        if result.value == [by_name[name] for name in names] and result.error is None:
            continue
        came, look = _came_8_5(result, rows, names)
        return not_yet(f"with `hours` {hours}, {came}", ", ".join(names) or "an empty list", look)
    return correct()


def _came_8_5(result: Call, rows: list[RunningDeployment], names: list[str]) -> tuple[str, str]:
    """Return what came, and where to look."""
    value = result.value
    if result.error is not None:
        return result.failure, "the cost of one deployment is `None`: `row.usd or 0`"
    if not isinstance(value, list):
        return f"it returned {show(value)}, {kind(value)}".replace(", None", ""), "`return` a list"
    if not all(isinstance(row, RunningDeployment) for row in value):
        is_texts = all(isinstance(item, str) for item in value)
        came = "a list of texts" if is_texts else f"it returned {show(value)}"
        return came, "return the rows themselves, not only a part of them"
    came = [row.endpoint for row in value]
    listed = f"it returned {', '.join(came) or 'an empty list'}"
    if sorted(came) == sorted(names):
        return f"{listed}: the right ones, in another order", "the largest `usd` first"
    if len(came) == len(rows):
        return f"{listed}: hours were compared with minutes", "an hour has 60 minutes"
    missing = [name for name in names if name not in came]
    if "unknown-price" in missing:
        look = "`None` means that the price is unknown, not that it costs nothing"
        return f"{listed}: the deployment without a known cost is missing", look
    if "failed" in missing:
        look = "a deployment that failed may be billed as well"
        return f"{listed}: the deployment that failed is missing", look
    return listed, "compare `row.minutes` with `hours * 60`, whatever `hours` is"
