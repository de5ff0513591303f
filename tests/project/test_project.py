"""The repository: dependencies have one source, documented commands work, nothing is private."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import distribution
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
EXPORT = (
    "export -q --locked --offline --no-hashes --no-annotate --no-header --no-default-groups "
    "--no-emit-project"
)
PRIVATE = re.compile(
    r"(?<![\w.:/])/(?:root|work|home)/(?!jovyan\b)[\w.-]+|BEGIN [A-Z ]*PRIVATE KEY"
    r"|\bghp_\w{20}|\bsk-\w{20}"
)


def tracked_files() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [ROOT / line for line in listed.stdout.splitlines() if (ROOT / line).is_file()]


def uv(*arguments: str) -> subprocess.CompletedProcess:
    """Runs the uv that runs these tests (it says where it is), or the one on the path."""
    found = os.environ.get("UV") or shutil.which("uv")
    if not found:
        pytest.skip("uv is not here: run the README's command")
    return subprocess.run([found, *arguments], cwd=ROOT, capture_output=True, text=True)


def test_requirements_txt_is_what_the_lock_says():
    exported = uv(*EXPORT.split())
    assert exported.returncode == 0, exported.stderr
    assert exported.stdout == (ROOT / "requirements.txt").read_text(encoding="utf-8")


def test_environment_yml_names_no_package_of_its_own():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    assert environment["channels"] == ["conda-forge"]
    python, pip, lines = environment["dependencies"]
    assert re.fullmatch(r"python=3\.\d+", python)
    assert (pip, lines) == ("pip", {"pip": ["-r requirements.txt", "-e ."]})


def test_the_lock_names_no_private_registry():
    hosts = set(re.findall(r"https?://([^/\"]+)", (ROOT / "uv.lock").read_text(encoding="utf-8")))
    assert hosts == {"pypi.org", "files.pythonhosted.org"}


def test_every_dependency_has_its_reason_in_contributing():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    own, extras = project["project"]["name"], project["project"]["optional-dependencies"]
    groups = project["dependency-groups"].values()
    wanted = sum([*groups, *extras.values()], list(project["project"]["dependencies"]))
    wanted = [line for line in wanted if not line.startswith(own)]
    reasons = "\n".join(
        re.findall(
            r"^\| ([^|]+) \|", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), re.MULTILINE
        )
    )
    for line in wanted:
        name = re.match(r"[\w-]+", line)[0]
        assert re.search(rf"\b{name}\b", reasons), name


def test_contributing_says_where_every_module_is():
    listed = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").split("```")[1]
    folders = ("helpers", "simulated_azure", "tools")
    modules = [
        path.name
        for folder in folders
        for path in (ROOT / folder).rglob("*.py")
        if path.name != "__init__.py" and not re.fullmatch(r"lesson_\d\d\.py", path.name)
    ]
    assert [name for name in modules if f"  {name} " not in listed] == []


def test_the_sdk_is_the_last_release():
    assert distribution("azure-ai-inference").version == "1.0.0b9"


def test_ci_runs_the_readmes_test_command():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert readme.count("uv run pytest") == 1
    assert "grep -m 1 'uv run pytest' README.md" in (ROOT / ".ci" / "run").read_text(
        encoding="utf-8"
    )


def test_the_version_is_the_same_everywhere():
    from simulated_azure import __version__

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert __version__ == project["version"]
    assert f"## {__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("command", [["check"], ["format", "--check"]], ids=" ".join)
def test_code_and_notebooks_pass_ruff(command):
    done = subprocess.run(
        [sys.executable, "-m", "ruff", *command, "."], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout


def test_nothing_private_is_committed():
    for path in tracked_files():
        if path.suffix in (".tiktoken", ".png", ".lock") or path.name == "test_project.py":
            continue
        match = PRIVATE.search(path.read_text(encoding="utf-8"))
        assert not match, f"{path.name}: {match[0]}"


def test_paths_are_short_enough_for_windows():
    assert [path.name for path in tracked_files() if len(str(path.relative_to(ROOT))) > 100] == []
