"""Calculate what a class costs that asks a real Phi-4: tokens, dollars, instances.

    python -m uv run python -m tools.class_cost --seats 30 --hours 3
    python -m uv run python -m tools.class_cost --seats 12 --hours 6 --lessons 00 02 04 13
    python -m uv run python -m tools.class_cost --measure       # counts again, some minutes

teaching/requests.toml says how many requests and tokens the core of each lesson and its exercises
take, counted at the simulated endpoint. A real model writes other answers, so these are orders of
magnitude. Prices and formulas are those of helpers.cost and of lesson 08.
"""

from __future__ import annotations

import argparse
import os
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from math import ceil
from pathlib import Path

import nbformat
from jupyter_client.manager import start_new_kernel

from helpers.cost import cost_usd, instances_needed, list_price
from helpers.exercises.data import find
from helpers.playground.costs import SIZE, Usage
from tools.exercises import is_exercise, number_of
from tools.minutes import parts_of
from tools.refresh import CELL_TIMEOUT, forget_own_settings, run_cell

ROOT = Path(__file__).parent.parent
DATA = ROOT / "teaching" / "requests.toml"
HALF_A_DAY = ("00", "02", "04", "05", "06", "12")  # the lessons of that plan
DEPLOYING_HOURS = 20 / 60  # lesson 08: deploying takes up to 20 minutes, and may be billed
CONCURRENT = 16  # requests that an instance computes at a time, as phi4-deployment.yml sets it
QUEUE = 2  # times CONCURRENT x instances: how many may be under way, then 429 (Microsoft)
MEASURED_REQUESTS = 4  # a second on one A100, the highest load of lesson 08's benchmark
MANY_REQUESTS = 100  # of a core
TIMES = 2  # how often a learner runs a cell, roughly
ANY_LATENCY = 1.0  # seconds; it cancels out if every seat always has one request under way
COUNT = """
from simulated_azure.inference import completions as _completions
_answers = []
_answer = _completions.Assistant.answer_in_steps
def _counted(self, call):
    answer = yield from _answer(self, call)
    _answers.append(answer)
    return answer
_completions.Assistant.answer_in_steps = _counted
"""
SUM = """
_usages = [answer.usage() for answer in _answers]
print(len(_usages), *(sum(usage[name] for usage in _usages) for name in
      ("prompt_tokens", "completion_tokens")))
_answers.clear()
"""


@dataclass(frozen=True)
class ClassCost:
    """What a class costs. hours: of the deployment. fewest: instances that refuse nobody."""

    seat: Usage
    whole: Usage
    hours: float
    token_usd: float
    fewest: int
    enough: int
    fewest_usd: float
    enough_usd: float


def measured(lessons: Sequence[str], parts: Sequence[str] = ("core", "exercises")) -> Usage:
    """Return what one learner sends who runs the cores of these lessons and solves the exercises.

    parts: "core", "exercises" or both.

    Raises ValueError for a lesson that is not in the data.
    """
    rows = tomllib.loads(DATA.read_text(encoding="utf-8"))
    total = Usage()
    for lesson in lessons:
        if lesson not in rows:
            raise ValueError(f"there is no lesson {lesson!r}, expected some of {', '.join(rows)}")
        for part in parts:
            total += Usage(*rows[lesson][part])
    return total


def class_cost(seats: int, hours: float, lessons: Sequence[str] = HALF_A_DAY) -> ClassCost:
    """Return what a class costs. Raises ValueError for impossible arguments.

    >>> cost = class_cost(30, 3)
    >>> cost.fewest, cost.enough, round(cost.fewest_usd, 2)
    (1, 3, 12.24)
    """
    if seats < 1 or hours <= 0:
        raise ValueError(f"seats is {seats}, hours is {hours}, expected numbers above 0")
    one = measured(lessons)
    seat = _times(TIMES, one)
    whole = _times(seats, seat)
    price = list_price(SIZE)
    fewest = ceil(seats / (QUEUE * CONCURRENT))
    enough = instances_needed(seats / ANY_LATENCY, ANY_LATENCY, CONCURRENT)
    total_hours = hours + DEPLOYING_HOURS
    return ClassCost(
        seat,
        whole,
        total_hours,
        whole.usd_per_token,
        fewest,
        enough,
        cost_usd(price, fewest, total_hours),
        cost_usd(price, enough, total_hours),
    )


def _times(factor: int, usage: Usage) -> Usage:
    return Usage(
        factor * usage.requests, factor * usage.prompt_tokens, factor * usage.completion_tokens
    )


def cost_text(seats: int = 30, hours: float = 3, lessons: Sequence[str] = HALF_A_DAY) -> str:
    """Return the cost of a class as Markdown."""
    cost, price = class_cost(seats, hours, lessons), list_price(SIZE)
    noun = "instance" if cost.fewest == 1 else "instances"
    hardest = max(lessons, key=lambda lesson: measured([lesson], ("core",)).requests)
    requests = measured([hardest], ("core",)).requests
    minutes = round(requests * seats / MEASURED_REQUESTS / 60)
    text = "\n".join(
        [
            f"{seats} seats, {hours:g} hours, lessons {', '.join(lessons)}, each cell run "
            f"{TIMES} times:",
            "",
            "| | One seat | The class |",
            "|---|---|---|",
            f"| requests | {cost.seat.requests:,} | {cost.whole.requests:,} |",
            f"| tokens in | {cost.seat.prompt_tokens:,} | {cost.whole.prompt_tokens:,} |",
            f"| tokens out | {cost.seat.completion_tokens:,} | {cost.whole.completion_tokens:,} |",
            "",
            "| You pay | Instances | US dollars |",
            "|---|---|---|",
            f"| per token | none of yours | {cost.token_usd:.2f} |",
            f"| per hour, people wait a little when all ask at once | {cost.fewest} {noun} | "
            f"{cost.fewest_usd:.2f} |",
            f"| per hour, by Microsoft's rule for all at once | {cost.enough} instances | "
            f"{cost.enough_usd:.2f} |",
            "",
            f"Hours: {hours:g} and 20 minutes of deploying, at {price.per_hour} US dollars for "
            f"each {SIZE} ({price.region}, {price.date}), {CONCURRENT} requests at a time on each.",
        ]
    )
    if requests < MANY_REQUESTS:
        return text
    return (
        f"{text}\n\nMost requests come from lesson {hardest}, some of whose cells ask a hundred "
        f"times: {requests} from each seat that runs its core once. At {MEASURED_REQUESTS} "
        f"requests a second, the most that was measured (lesson 08), one instance needs {minutes} "
        f"minutes for {seats} seats. So write `times=10` there."
    )


# Measuring


def count_lesson(path: Path, run: Callable[[str], tuple[list, dict]]) -> dict[str, list[int]]:
    """Run a lesson's core and the solutions of its exercises. Return what each sent.

    run: runs the source of a cell in a fresh kernel. Returns what tools.refresh.run_cell returns.
    "core" and "exercises": requests that were answered, tokens in, tokens out. Raises RuntimeError
    if a cell fails.
    """
    counts = {"core": [0, 0, 0], "exercises": [0, 0, 0]}

    def printed(source: str, may_fail: bool = False) -> str:
        outputs, reply = run(source)
        if reply["status"] == "error" and not may_fail:
            raise RuntimeError(f"{path.stem}: {source.splitlines()[0]!r}: {reply['evalue']}")
        return "".join(each.text for each in outputs if each.output_type == "stream")

    printed(COUNT)
    for cell in parts_of(nbformat.read(path, 4).cells).core:
        number = number_of(cell)
        if number:
            exercise = find(number)
            printed(f"{exercise.solution}\ncheck({number!r}, {exercise.handed_in})")
        elif cell.cell_type == "code" and not is_exercise(cell):
            printed(cell.source, "raises-exception" in cell.metadata.get("tags", []))
        else:
            continue
        kind = "exercises" if number else "core"
        sums = map(int, printed(SUM).split())
        counts[kind] = [old + new for old, new in zip(counts[kind], sums, strict=True)]
    return counts


def measure() -> None:
    """Count the requests and tokens of all lessons, and write them into the data file."""
    forget_own_settings(os.environ)
    lines = [
        "# Answered requests, tokens in, tokens out, of each lesson's core and its exercises.",
        "# Made by python -m tools.class_cost --measure, at the simulated endpoint.",
        "",
    ]
    for path in sorted((ROOT / "notebooks").glob("[0-9]*.ipynb")):
        manager, client = start_new_kernel(
            kernel_name="python3", cwd=str(path.parent), extra_arguments=["--log-level=ERROR"]
        )
        counts = count_lesson(path, partial(run_cell, client, timeout=CELL_TIMEOUT))
        client.stop_channels()
        manager.shutdown_kernel(now=True)
        lines += [f"[{path.name[:2]}]", *(f"{key} = {value}" for key, value in counts.items()), ""]
        print(path.stem, counts)
    DATA.write_text("\n".join(lines), encoding="utf-8", newline="\n")


def main() -> None:
    """Run the program."""
    parser = argparse.ArgumentParser(prog="tools.class_cost", description=__doc__.split("\n")[0])
    parser.add_argument("--seats", type=int, default=30)
    parser.add_argument("--hours", type=float, default=3, help="of the class, without deploying")
    parser.add_argument("--lessons", nargs="+", default=HALF_A_DAY, help="such as 00 02 04")
    parser.add_argument("--measure", action="store_true", help="count requests and tokens again")
    options = parser.parse_args()
    if options.measure:
        measure()
        return
    try:
        print(cost_text(options.seats, options.hours, options.lessons))
    except ValueError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
