"""Try an exercise: do its stub, its solution and its wrong answers get the outcomes they must get?

The kernels of lessons import this, so it imports no more than helpers.exercises does.
"""

from __future__ import annotations

import linecache
from collections.abc import Callable, Mapping
from typing import Any

from helpers.exercises.data import Exercise
from helpers.exercises.judge import judge
from helpers.exercises.outcomes import CORRECT, NOT_YET, UNTOUCHED, Outcome


def problems_of(
    exercise: Exercise,
    names: Mapping[str, Any],
    check: Callable[[Any], Outcome] | None = None,
) -> list[str]:
    """Try an exercise: its stub, its solution and the wrong answers that it knows.

    Return what is wrong, a line each. Each runs with a copy of these names of a lesson.

    names: what the lesson has defined. check: by default the one in the lesson's module.
    """
    problems = []
    if not exercise.hints or not exercise.wrong:
        problems.append("needs at least one hint and one wrong answer")

    def judged(code: str) -> Outcome:
        trial = {**names}
        file = f"<exercise {exercise.number}>"
        linecache.cache[file] = len(code), None, code.splitlines(True), file  # as IPython does
        exec(compile(code, file, "exec"), trial)
        return judge(exercise, eval(exercise.handed_in, trial), check)

    def expect(what: str, code: str, status: str, says: str = "") -> None:
        try:
            outcome = judged(code)
        except Exception as error:
            problems.append(f"{what} raises {type(error).__name__}: {error}")
            return
        text = " ".join(str(outcome).split())
        if outcome.status != status:
            problems.append(f"{what} gives {text!r}, expected {status!r}")
        elif says not in text:
            problems.append(f"{what} gives {text!r}, expected {says!r} in it")

    stub = exercise.stub.rpartition("check(")[0]
    expect("the stub", stub, UNTOUCHED)
    expect("the solution", exercise.solution, CORRECT)
    for number, wrong in enumerate(exercise.wrong):
        expect(f"wrong answer {number}", wrong.code, NOT_YET, wrong.says)
    messages = [wrong.says for wrong in exercise.wrong]
    if len(set(messages)) < len(messages):
        problems.append("two wrong answers have the same message")
    return [f"exercise {exercise.number}: {problem}" for problem in problems]
