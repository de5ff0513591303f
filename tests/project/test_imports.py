"""Imports go one way: notebooks -> helpers -> simulated_azure.

Only transports/ uses sockets and processes.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[2]
NOT_IN_A_BROWSER = ("uvicorn", "ssl", "subprocess", "trustme")
OURS = ("helpers", "simulated_azure", "tools", "tests", "conftest")
# A program without those modules: it imports everything else, and azure.handle answers a question.
WITHOUT_THEM = f"""
import importlib, json, pkgutil, sys
for name in {NOT_IN_A_BROWSER}:
    sys.modules[name] = None
import simulated_azure
for module in pkgutil.walk_packages(simulated_azure.__path__, "simulated_azure."):
    if ".transports" not in module.name and not module.name.endswith("__main__"):
        importlib.import_module(module.name)
from simulated_azure.azure import SimulatedAzure
from simulated_azure.http import Request
azure = SimulatedAzure()
message = {{"role": "user", "content": "What is the capital of France?"}}
body = json.dumps({{"messages": [message], "temperature": 0}}).encode()
headers = {{"api-key": azure.key, "content-type": "application/json"}}
request = Request("POST", "/chat/completions", "", headers, body)
print(json.loads(azure.handle(request).body)["choices"][0]["message"]["content"])
"""


def imports(source: str, package: str = "") -> Iterator[str]:
    """Yield the dotted name of each module that a source imports, wherever the import stands."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = (
                package.split(".")[: len(package.split(".")) + 1 - node.level] if node.level else []
            )
            base = ".".join([*parents, *([node.module] if node.module else [])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def imports_of(path: Path) -> set[str]:
    package = ".".join(path.relative_to(ROOT).parts[:-1])
    return set(imports(path.read_text(encoding="utf-8"), package))


def roots(names: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in names}


def modules(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def in_transports(path: Path) -> bool:
    folder = ROOT / "simulated_azure"
    return folder / "transports" in path.parents or path == folder / "__main__.py"


def test_relative_imports_are_read_as_python_reads_them():
    source = "from . import a\nfrom ..errors import HTTPError\nimport b.c"
    expected = {"p.q", "p.q.a", "p.errors", "p.errors.HTTPError", "b.c"}
    assert set(imports(source, "p.q")) == expected


@pytest.mark.parametrize(
    "path", modules("simulated_azure"), ids=lambda path: str(path.relative_to(ROOT))
)
def test_the_simulated_azure_imports_nothing_else_of_the_kit(path):
    assert roots(imports_of(path)) & {*OURS} <= {"simulated_azure"}


@pytest.mark.parametrize("path", modules("helpers"), ids=lambda path: str(path.relative_to(ROOT)))
def test_helpers_import_the_simulated_azure_and_nothing_else_of_the_kit(path):
    assert roots(imports_of(path)) & {*OURS} <= {"helpers", "simulated_azure"}


@pytest.mark.parametrize(
    "path", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem
)
def test_notebooks_import_helpers_and_nothing_else_of_the_kit(path):
    cells = [cell.source for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"]
    names = {name for source in cells for name in imports(source)}
    assert roots(names) & {*OURS} <= {"helpers"}


@pytest.mark.parametrize(
    "path", modules("simulated_azure"), ids=lambda path: str(path.relative_to(ROOT))
)
def test_only_transports_import_what_a_browser_lacks(path):
    names = roots(imports_of(path))
    assert in_transports(path) or not names & {*NOT_IN_A_BROWSER, "asyncio", "socket", "threading"}


@pytest.mark.parametrize(
    "path", modules("simulated_azure"), ids=lambda path: str(path.relative_to(ROOT))
)
def test_nothing_imports_a_transport_but_transports_and_the_command(path):
    names = imports_of(path)
    assert in_transports(path) or not any(
        name.startswith("simulated_azure.transports") for name in names
    )


def test_nothing_imports_aiohttp_which_reads_the_trusted_certificates_at_once():
    # connect() names them only later, so asynchronous clients would not trust the simulated Azure.
    paths = [*modules("simulated_azure"), *modules("helpers")]
    assert [path.name for path in paths if "aiohttp" in roots(imports_of(path))] == []


def test_the_core_answers_on_a_python_without_sockets_and_processes():
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_THEM], cwd=ROOT, capture_output=True, text=True
    )
    assert (done.stdout, done.stderr) == ("The capital of France is Paris.\n", "")
