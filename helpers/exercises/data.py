"""Read the exercises from the data files, one for each lesson."""

from __future__ import annotations

import ast
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class WrongAnswer:
    """A usual wrong answer.

    code: it stands in place of the stub. says: a piece of the message that it must get. comes_from:
    where people make this mistake, such as a thread.
    """

    code: str
    says: str
    comes_from: str = ""


@dataclass(frozen=True)
class Exercise:
    """An exercise.

    number: such as "5.2". minutes: for a learner. task: Markdown, at most three lines. stub: the
    cell, whose last line is check("5.2", answer). hints: from vague to plain. solution: what stands
    in place of the stub, without its last line. why: explains it. worth_knowing: one thing, shown
    with a correct answer. comes_from: a complaint of real users, if there is one.
    """

    number: str
    title: str
    minutes: int
    task: str
    stub: str
    hints: tuple[str, ...]
    solution: str
    why: str
    worth_knowing: str
    wrong: tuple[WrongAnswer, ...] = ()
    comes_from: str = ""

    @property
    def lesson(self) -> int:
        return int(self.number.partition(".")[0])

    @property
    def handed_in(self) -> str:
        """Return the expression that the stub hands in: the second argument of check.

        Raises ValueError if the last statement of the stub is not check(number, ...).
        """
        last = ast.parse(self.stub).body[-1]
        match last:
            case ast.Expr(ast.Call(ast.Name("check"), [ast.Constant(number), answer], [])):
                if number == self.number:
                    return ast.unparse(answer)
        raise ValueError(
            f"the stub of {self.number} ends in {ast.unparse(last)!r}, "
            f'expected check("{self.number}", ...)'
        )


@cache
def exercises_of(lesson: int) -> dict[str, Exercise]:
    """Return the exercises of a lesson by their numbers."""
    path = FOLDER / f"lesson_{lesson:02}.toml"
    if not path.is_file():
        return {}
    rows = tomllib.loads(path.read_text(encoding="utf-8"))["exercise"]
    exercises = [_exercise(row) for row in rows]
    return {exercise.number: exercise for exercise in exercises}


def all_exercises() -> list[Exercise]:
    """Return the exercises of all lessons, in order."""
    numbers = sorted(int(path.stem[-2:]) for path in FOLDER.glob("lesson_[0-9][0-9].toml"))
    return [exercise for lesson in numbers for exercise in exercises_of(lesson).values()]


def find(number: object) -> Exercise:
    """Return an exercise. Raises LookupError, which says what numbers there are."""
    text = str(number).strip()
    lesson = text.partition(".")[0]
    exercises = exercises_of(int(lesson)) if lesson.isdecimal() and lesson.isascii() else {}
    if text in exercises:
        return exercises[text]
    known = exercises or {exercise.number: exercise for exercise in all_exercises()}
    raise LookupError(f"There is no exercise {text[:20]!r}. There are {', '.join(known)}.")


def _exercise(row: dict) -> Exercise:
    wrong = tuple(
        WrongAnswer(**{**each, "code": each["code"].strip()}) for each in row.pop("wrong", [])
    )
    texts = {name: text.strip() if isinstance(text, str) else text for name, text in row.items()}
    texts["hints"] = tuple(hint.strip() for hint in row["hints"])
    return Exercise(**texts, wrong=wrong)
