"""Keep what a lesson's core has defined, and bring it back before a section in depth runs.

conftest.py's tests execute this file in the kernels of lessons. It leaves no name behind there.
"""

from __future__ import annotations

import copy
import os
import sys
from collections import Counter, OrderedDict, defaultdict
from typing import Any

DICTIONARIES = (dict, Counter, OrderedDict, defaultdict)


def copy_data(value: Any) -> Any:
    """Return a copy of lists, sets and dictionaries, also nested ones. Return other values as is.

    >>> messages = [{"role": "user"}]
    >>> copied = copy_data(messages)
    >>> copied[0]["role"] = "system"
    >>> messages
    [{'role': 'user'}]
    """
    if type(value) is list:
        return [copy_data(item) for item in value]
    if type(value) is set:
        return set(value)
    if type(value) in DICTIONARIES:
        copied = copy.copy(value)
        for key, item in value.items():
            copied[key] = copy_data(item)
        return copied
    return value


def visible_names(shell: Any) -> dict[str, Any]:
    """Return name -> value of what cells have defined in an IPython shell."""
    hidden = shell.user_ns_hidden
    return {name: value for name, value in shell.user_ns.items() if name not in hidden}


def subscription() -> Any:
    """Return the simulated subscription of this process, or None if there is none."""
    connect = sys.modules.get("helpers.connect")
    simulator = connect and connect._connection.simulator
    return simulator and simulator.azure.control_plane.subscription


def keep(shell: Any) -> None:
    """Keep the names, the environment variables and what is deployed."""
    azure = subscription()
    shell.kept_core = {
        "names": copy_data(visible_names(shell)),
        "variables": dict(os.environ),
        "deployed": copy.deepcopy(vars(azure)) if azure else {},
    }


def restore(shell: Any) -> None:
    """Bring back what the last call of keep() has kept, and remove all names that came later."""
    kept = shell.kept_core
    for name in visible_names(shell).keys() - kept["names"].keys():
        del shell.user_ns[name]
    shell.user_ns.update(copy_data(kept["names"]))
    os.environ.clear()
    os.environ.update(kept["variables"])
    if kept["deployed"]:
        vars(subscription()).update(copy.deepcopy(kept["deployed"]))


def restore_now(shell: Any) -> None:
    """Do what restore() does, but do not turn back the simulated time."""
    azure = subscription()
    clock = azure and azure.clock
    restore(shell)
    if azure:
        azure.clock = clock


def try_exercise(shell: Any, number: str) -> None:
    """Run the stub, the solution and the wrong answers of an exercise, and leave no trace.

    Raises AssertionError if one of them is not judged as its data file says.
    """
    from helpers.exercises.data import find
    from tools.try_exercise import problems_of

    kept_core = getattr(shell, "kept_core", None)
    keep(shell)
    try:
        problems = problems_of(find(number), copy_data(visible_names(shell)))
    finally:
        restore(shell)
        shell.kept_core = kept_core
    assert not problems, "\n".join(problems)
