"""Judge an answer: find the exercise and its check, and survive whatever was handed in.

An answer is untouched if it is `...` or a list, tuple or dict that still holds `...`, or if it is a
function that does just what the stub's function of the same name does: their compiled code is
equal. So a function whose body is `...` is recognised, and one that has to be repaired, too. For
the latter, the outcome says what it does now.

Where the stub defines a function, nothing else is handed to the check: not what the function
returns, nor a class, nor a generator, nor a function with other parameters.
"""

from __future__ import annotations

import ast
import importlib
import inspect
from collections.abc import Callable
from dataclasses import replace
from types import CodeType, FunctionType
from typing import Any

from helpers.exercises import trials
from helpers.exercises.data import Exercise
from helpers.exercises.outcomes import NOT_YET, UNTOUCHED, Outcome, not_yet
from helpers.exercises.trials import hide, kind, run_limited, show_error

FILL_IN = "replace `...` by your answer and run the cell again."
REPAIR = "repair the code and run the cell again."


def check_of(exercise: Exercise) -> Callable[[Any], Outcome]:
    """Return the function that judges answers: check_5_2 of lesson_05.py for "5.2"."""
    module = importlib.import_module(f"helpers.exercises.lesson_{exercise.lesson:02}")
    return getattr(module, f"check_{exercise.number.replace('.', '_')}")


def judge(
    exercise: Exercise, answer: Any, check: Callable[[Any], Outcome] | None = None
) -> Outcome:
    """Return the outcome for an answer. Raises nothing, except KeyboardInterrupt.

    check: by default the one in the lesson's module. It may take as long
    as its attribute ``seconds`` says, if it has one.
    """

    def outcome() -> Outcome:
        untouched = is_untouched(exercise, answer)
        if untouched and not is_to_repair(answer):
            return Outcome(UNTOUCHED, look=FILL_IN)
        result = misfit(exercise, answer) or (check or check_of(exercise))(answer)
        if not isinstance(result, Outcome):
            raise TypeError("the check returned no outcome")
        return Outcome(UNTOUCHED, result.came, look=REPAIR) if untouched else result

    seconds = trials.SECONDS
    try:
        seconds = getattr(check or check_of(exercise), "seconds", seconds)
        result = run_limited(outcome, seconds)
    except TimeoutError:
        result = not_yet(
            f"your code was still running after {seconds:.0f} seconds",
            "an answer within that time",
            "a loop that never ends, or a long pause",
        )
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        result = not_yet(
            f"the check could not handle this answer: {show_error(error)}",
            "an answer of the kind that the task asks for",
            "the last line of the cell hands it to the check",
        )
    fields = {name: hide(getattr(result, name)) for name in ("came", "expected", "look")}
    worth_knowing = "" if result.status in (UNTOUCHED, NOT_YET) else exercise.worth_knowing
    return replace(result, **fields, number=exercise.number, worth_knowing=worth_knowing)


def is_untouched(exercise: Exercise, answer: Any) -> bool:
    """Return True if an answer is what the stub hands in."""
    if answer is ...:
        return True
    if type(answer) in (list, tuple):
        return any(item is ... for item in answer)
    if type(answer) is dict:
        return any(item is ... for item in answer.values())
    if not isinstance(answer, FunctionType):
        return False
    stub = compile(exercise.stub, "stub", "exec")
    return any(
        isinstance(code, CodeType)
        and code.co_name == answer.__name__
        and _essence(code) == _essence(answer.__code__)
        for code in stub.co_consts
    )


def misfit(exercise: Exercise, answer: Any) -> Outcome | None:
    """Return not yet if the stub defines a function and something of another kind came."""
    name = exercise.handed_in
    stub = _definition(exercise.stub, name)
    if stub is None:
        return None
    if isinstance(answer, type) or not callable(answer):
        return not_yet(
            f"{kind(answer)} in place of the function",
            f"`{name}` itself, so that the check can call it",
            f'a `def`, and no parentheses behind the name: `check("{exercise.number}", {name})`',
        )
    yields = inspect.isgeneratorfunction(answer) or inspect.isasyncgenfunction(answer)
    if yields and not _yields(_definition(exercise.solution, name) or stub):
        return not_yet(
            "a function with `yield`: a call of it only makes a generator",
            "a function that returns its result",
            "`return` instead of `yield`",
        )
    if not _accepts(answer, stub.args):
        return not_yet(
            f"a function with the parameters {inspect.signature(answer)}",
            f"({ast.unparse(stub.args)})",
            "leave the line with `def` as the task has it",
        )
    return None


def _definition(code: str, name: str) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
    """Return the definition of a function at the top level of some code."""
    for node in ast.parse(code).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name:
            return node
    return None


def _yields(function: ast.AST) -> bool:
    """Return True for a function with yield."""
    return any(isinstance(node, ast.Yield | ast.YieldFrom) for node in ast.walk(function))


def _accepts(function: Callable, parameters: ast.arguments) -> bool:
    """Return True if a function can be called as the parameters of the stub say."""
    required = len(parameters.args) - len(parameters.defaults)
    names = [each.arg for each in parameters.args[required:] + parameters.kwonlyargs]
    try:
        inspect.signature(function).bind(*[None] * required, **dict.fromkeys(names))
    except TypeError:
        return False
    except ValueError:  # it does not tell its parameters
        return True
    return True


def is_to_repair(answer: Any) -> bool:
    """Return True for a function that does something: its body is not `...`."""
    if not isinstance(answer, FunctionType):
        return False
    code = answer.__code__
    nothing = (None, ..., answer.__doc__)
    return bool(code.co_names) or any(item not in nothing for item in code.co_consts)


def _essence(code: CodeType) -> tuple:
    """Return what a function does, without where it stands."""
    constants = [_essence(item) if isinstance(item, CodeType) else item for item in code.co_consts]
    kinds = [(type(item), item) for item in constants]
    return code.co_code, code.co_names, code.co_varnames, code.co_argcount, kinds
