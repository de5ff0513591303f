"""Plant mistakes in copies of the kit, one at a time, and check that the tests notice each.

Run ``python -m uv run python -m tools.mutate`` before and after you rework code or tests. The
mistakes are in ``mutations.toml``. Each one names the test that must fail. The program prints a
line for each mistake and then the score. The exit status is 0 if every mistake was noticed, 1 if
one was not, and 2 if a named test fails although no mistake was planted.

Mistakes are planted in temporary copies only. Nothing in your checkout changes. This program is not
part of the tests, because it takes about twelve minutes on two cores.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
DATA = Path(__file__).with_name("mutations.toml")
# Packages that the tests install beside files that git knows. A copy of the kit gets links to them.
INSTALLED = (
    "snippets/node_modules",
    "teaching/jupyterhub/node_modules",
    "tests/browser/node_modules",
    "snippets/environments/langchain/.venv",
    "snippets/environments/litellm/.venv",
)
TIMEOUT = 600  # seconds for one run of pytest
# Exit codes of pytest. Any other code means that it could not run the tests.
ALL_PASSED, SOME_FAILED = 0, 1
SUMMARY_LINE = re.compile(r"^(PASSED|FAILED|ERROR) (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Mistake:
    """A mistake to plant.

    file: where. replace: a text that is in that file exactly once. by: the text to put there. test:
    the test that must fail, as pytest names it. breaks: which behaviour is wrong then.
    """

    id: str
    file: str
    replace: str
    by: str
    test: str
    breaks: str

    def plant(self, folder: Path) -> None:
        """Write the mistake into a copy of the kit.

        Raise ValueError if the text to replace is not in the file exactly once.
        """
        path = folder / self.file
        text = path.read_text(encoding="utf-8")
        count = text.count(self.replace)
        if count != 1:
            raise ValueError(
                f"{self.id}: {self.file} has the text to replace {count} times, expected once"
            )
        path.write_text(text.replace(self.replace, self.by), encoding="utf-8", newline="\n")


@dataclass(frozen=True)
class PytestRun:
    """A finished run of pytest.

    code: the exit code, or None if the run took longer than TIMEOUT. outcomes: pairs of "PASSED",
    "FAILED" or "ERROR" and the name of a test. output: everything that pytest printed.
    """

    code: int | None
    outcomes: tuple[tuple[str, str], ...]
    output: str

    def has(self, outcome: str, test: str) -> bool:
        """Return True if a test, or one of its parameter sets, had this outcome."""
        return any(each == outcome and is_same_test(test, name) for each, name in self.outcomes)


def is_same_test(test: str, line: str) -> bool:
    """Return True if a line of pytest's summary is about a test, with whatever parameters.

    >>> lines = "test_a.py::test_b", "test_a.py::test_b[1] - assert 0", "test_a.py::test_bc"
    >>> [is_same_test("test_a.py::test_b", line) for line in lines]
    [True, True, False]
    """
    return line == test or line.startswith((f"{test} - ", f"{test}["))


def load_mistakes(path: Path = DATA) -> list[Mistake]:
    """Read mistakes from a file.

    Raise ValueError if two mistakes have the same id, or if a mistake changes nothing.
    """
    mistakes = [
        Mistake(**row) for row in tomllib.loads(path.read_text(encoding="utf-8"))["mistake"]
    ]
    ids = [mistake.id for mistake in mistakes]
    for mistake in mistakes:
        if ids.count(mistake.id) > 1:
            raise ValueError(f"{path.name} has two mistakes with the id {mistake.id}")
        if mistake.replace == mistake.by:
            raise ValueError(f"{path.name}: the mistake {mistake.id} changes nothing")
    return mistakes


def file_of(test: str) -> str:
    """Return the file of a test.

    >>> file_of("tests/test_a.py::test_b[1]")
    'tests/test_a.py'
    """
    return test.partition("::")[0]


def pytest_argument(test: str) -> str:
    """Return what to tell pytest to run. A cell needs the cells before it: run the whole notebook.

    >>> pytest_argument("tests/test_a.py::test_b"), pytest_argument("a.ipynb::Cell 7")
    ('tests/test_a.py::test_b', 'a.ipynb')
    """
    return file_of(test) if file_of(test).endswith(".ipynb") else test


@contextmanager
def copy_of_kit() -> Iterator[Path]:
    """Make a temporary copy of the kit, a git repository of its own. Yield its folder.

    It has all files that git tracks or would add.
    """
    listed = subprocess.run(
        ["git", "ls-files", "-z", "-co", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    with tempfile.TemporaryDirectory(prefix="mutate-", ignore_cleanup_errors=True) as parent:
        folder = Path(parent).resolve() / ROOT.name
        for name in filter(None, listed.stdout.split("\0")):
            if (ROOT / name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, folder / name)
        for name in INSTALLED:
            if (ROOT / name).is_dir():
                (folder / name).symlink_to(ROOT / name, target_is_directory=True)
        subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
        yield folder


def environment(folder: Path) -> dict[str, str]:
    """Return environment variables with which Python imports the kit from a copy.

    Without them it would import the checkout, which is installed. Missing tools make tests fail.
    """
    return {**os.environ, "PYTHONPATH": str(folder), "NOTHING_MAY_SKIP": "1"}


def packages_from_elsewhere(folder: Path) -> list[str]:
    """Return the packages of the kit that Python does not import from a copy. Expect none."""
    names = sorted(path.parent.name for path in folder.glob("*/__init__.py"))
    code = f"import importlib\nfor n in {names}: print(importlib.import_module(n).__file__)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        check=True,
    )
    files = [Path(line).resolve() for line in done.stdout.splitlines()]
    return [n for n, file in zip(names, files, strict=True) if not file.is_relative_to(folder)]


def run_tests(folder: Path, tests: Sequence[str]) -> PytestRun:
    """Run tests of a copy of the kit in a process of their own."""
    arguments = sorted({pytest_argument(test) for test in tests})
    options = ["-q", "--tb=no", "-rpfE", "-n0", "-p", "no:cacheprovider"]
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *options, *arguments],
            cwd=folder,
            env=environment(folder),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            timeout=TIMEOUT,
        )
    except subprocess.TimeoutExpired:
        return PytestRun(None, (), "")
    outcomes = tuple(match.groups() for match in SUMMARY_LINE.finditer(done.stdout))
    return PytestRun(done.returncode, outcomes, done.stdout)


def failing_tests(tests: Sequence[str]) -> tuple[list[str], str]:
    """Run tests without a mistake. Return (those that do not pass, what pytest printed)."""
    with copy_of_kit() as folder:
        run = run_tests(folder, tests)
    broken = [test for test in tests if run.has("FAILED", test) or not run.has("PASSED", test)]
    return broken, run.output


def check_without_mistakes(mistakes: Sequence[Mistake], pool: ThreadPoolExecutor) -> bool:
    """Check that copies of the kit work and that all named tests pass in them.

    Print the result. Return True if all is well.
    """
    with copy_of_kit() as folder:
        foreign = packages_from_elsewhere(folder)
    if foreign:
        print(f"Python does not import {', '.join(foreign)} from the copy of the kit.")
        return False
    tests_of: dict[str, list[str]] = {}
    for test in sorted({mistake.test for mistake in mistakes}):
        tests_of.setdefault(file_of(test), []).append(test)
    all_pass = True
    for broken, output in pool.map(failing_tests, tests_of.values()):
        for test in broken:
            print(f"This test does not pass, although no mistake was planted: {test}")
        if broken:
            lines = [line for line in output.splitlines() if not line.startswith("PASSED")]
            print("\n".join(lines[-20:]), flush=True)
            all_pass = False
    if all_pass:
        count = sum(len(tests) for tests in tests_of.values())
        print(f"All {count} named tests pass without a mistake.", flush=True)
    return all_pass


def plant_and_test(mistake: Mistake) -> tuple[str, str]:
    """Plant a mistake in a copy and run its test. Return (verdict, explanation).

    "noticed": the named test ran and failed. "missed": it passed. "unclear": anything else, for
    example a test that pytest could not collect, or the failure of another test only.
    """
    with copy_of_kit() as folder:
        mistake.plant(folder)
        run = run_tests(folder, [mistake.test])
    if run.code is None:
        return "unclear", f"the test took longer than {TIMEOUT} seconds"
    if run.code == SOME_FAILED and run.has("FAILED", mistake.test):
        return "noticed", ""
    if run.code == ALL_PASSED:
        return "missed", mistake.breaks
    others = [f"{outcome} {name[:80]}" for outcome, name in run.outcomes if outcome != "PASSED"]
    last_line = (run.output.strip().splitlines() or ["pytest printed nothing"])[-1]
    return "unclear", f"exit code {run.code}: {', '.join(others[:3]) or last_line}"


def plant_all(mistakes: Sequence[Mistake], pool: ThreadPoolExecutor) -> list[str]:
    """Plant each mistake, print its verdict, and return the ids of those that were not noticed."""

    def timed(mistake: Mistake) -> tuple[str, str, float]:
        start = time.monotonic()
        verdict, explanation = plant_and_test(mistake)
        return verdict, explanation, time.monotonic() - start

    survivors = []
    futures = {pool.submit(timed, mistake): mistake for mistake in mistakes}
    for future in as_completed(futures):
        mistake = futures[future]
        verdict, explanation, seconds = future.result()
        print(f"{verdict:8}{seconds:6.1f} s  {mistake.id}", flush=True)
        if verdict != "noticed":
            print(f"    {explanation}\n    {mistake.test}", flush=True)
            survivors.append(mistake.id)
    return survivors


def main() -> int:
    """Run the program. Return its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.mutate",
        description="Plant mistakes in copies of the kit, one at a time, and check that the tests "
        "notice each of them.",
    )
    parser.add_argument("ids", nargs="*", metavar="ID", help="a mistake to plant (default: all)")
    parser.add_argument("--list", action="store_true", help="print the mistakes and plant none")
    parser.add_argument(
        "--jobs", type=int, default=2, metavar="N", help="mistakes at a time (default: %(default)s)"
    )
    options = parser.parse_args()
    mistakes = load_mistakes()
    unknown = set(options.ids) - {mistake.id for mistake in mistakes}
    if unknown:
        parser.error(f"there is no mistake {', '.join(sorted(unknown))}; --list prints all ids")
    if options.ids:
        mistakes = [mistake for mistake in mistakes if mistake.id in options.ids]
    if options.list:
        for mistake in mistakes:
            print(f"{mistake.id}: {mistake.breaks}\n    {mistake.file}\n    {mistake.test}")
        return 0
    with ThreadPoolExecutor(max(1, options.jobs)) as pool:
        if not check_without_mistakes(mistakes, pool):
            return 2
        survivors = plant_all(mistakes, pool)
    print(f"The tests noticed {len(mistakes) - len(survivors)} of {len(mistakes)} mistakes.")
    if survivors:
        print(f"Not noticed: {', '.join(sorted(survivors))}.")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
