"""The files of snippets/ fit their lessons, their tables, their page and the locks."""

from __future__ import annotations

import ast
import functools
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import nbformat
import pytest
from snippet_runs import kind, needs

from tools.snippets_table import PAGE, SNIPPETS, load, page, reasons, snippet_files

ROOT = SNIPPETS.parent
DATA = load()
TEXT = PAGE.read_text(encoding="utf-8")  # as page() returns it: a test below
MANAGING = "azure_ai_ml.py"  # deploys and deletes
LONGEST, SHORTEST = 25, 3  # lines of code
LONGER_CSHARP = 15  # lines that C# needs more
TASKS = [*DATA["task"], *DATA["managing"]]
OPTIONAL = {
    "AZURE_INFERENCE_MODEL",
    "AZURE_RETAIL_PRICES_URL",
    "AZURE_FOUNDRY_KEY",
}  # variables that may be missing

# The lessons


def sdk_calls(code: str, names: list[str]) -> list[str]:
    """Return the calls of functions with these names, in order, each as text.

    Names in a call are replaced by the values last assigned to them. A function is recognised by
    the last part of its name or, if it is imported as something else, by its original name. A
    client's ``endpoint=`` and ``credential=`` are written as positional arguments, so that both
    ways to pass them are equal. The header that requests a fault is left out, and so are
    time-outs.
    """
    values: dict[str, ast.expr] = {}
    imported: dict[str, str] = {}
    found: list[str] = []

    class Resolve(ast.NodeTransformer):
        def visit_Name(self, node: ast.Name) -> ast.expr:
            return values.get(node.id, node)

        def visit_Call(self, node: ast.Call) -> ast.expr:
            self.generic_visit(node)
            first = [
                keyword
                for name in ("endpoint", "credential")
                for keyword in node.keywords
                if keyword.arg == name
            ]
            node.args += [keyword.value for keyword in first]
            first += [keyword for keyword in node.keywords if keyword.arg == "read_timeout"]
            node.keywords = [keyword for keyword in node.keywords if keyword not in first]
            return node

    def resolved(node: ast.expr) -> ast.expr:
        return Resolve().visit(ast.parse(ast.unparse(node), mode="eval").body)

    def visit(node: ast.AST) -> None:
        for child in ast.iter_child_nodes(node):
            visit(child)
        if isinstance(node, ast.ImportFrom):
            imported.update(
                {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
            )
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            values[node.targets[0].id] = resolved(node.value)
        elif isinstance(node, ast.Call):
            called = (
                node.func.attr if isinstance(node.func, ast.Attribute) else ast.unparse(node.func)
            )
            called = imported.get(called, called)
            if called.split(".")[-1] in names:
                whole = resolved(node)
                keywords = {keyword.arg: ast.unparse(keyword.value) for keyword in whole.keywords}
                if "x-simulated-fault" in keywords.get("headers", ""):
                    del keywords["headers"]
                positions = [ast.unparse(argument) for argument in whole.args]
                arguments = [*positions, *(f"{name}={keywords[name]}" for name in sorted(keywords))]
                found.append(f"{called}({', '.join(arguments)})")

    visit(ast.parse(code))
    return found


def lesson_calls(tie: dict) -> list[str]:
    """Return the calls of the cells that a tie names. Its "given" cells only assign values.

    So does the cell "imports", which most lessons have.
    """
    cells = {
        cell.id: cell.source
        for cell in nbformat.read(ROOT / "notebooks" / f"{tie['lesson']}.ipynb", 4).cells
    }
    wanted = {*tie.get("given", []), *tie["cells"]}
    assert wanted <= set(cells), f"{tie['lesson']} has no such cell"
    wanted |= {"imports"} & set(cells)
    code, found = "", []
    for cell in sorted(wanted, key=[*cells].index):
        before, code = sdk_calls(code, tie["calls"]), f"{code}\n{cells[cell]}"
        if cell in tie["cells"]:
            found += sdk_calls(code, tie["calls"])[len(before) :]
    return [call for call in found if call not in tie.get("besides", [])]


@pytest.mark.parametrize("task", [task["folder"] for task in DATA["task"] if "tests" not in task])
def test_the_sdk_snippet_makes_the_same_calls_as_its_lesson(task):
    ties = [tie for tie in DATA["tie"] if tie["task"] == task]
    assert ties, "snippets.toml says nothing of the lesson it comes from"
    code = (SNIPPETS / task / "azure_ai_inference.py").read_text(encoding="utf-8")
    found = sdk_calls(code, ties[0]["calls"])
    assert found
    assert found == [call for tie in ties for call in lesson_calls(tie)]


@pytest.mark.parametrize(
    "drifted",
    [
        "messages = [UserMessage('Hello')]\nclient.complete(messages=messages)",
        "client.complete(messages=[UserMessage('Hi')], temperature=0)",
        "client.complete(messages=[UserMessage('Hi')], max_tokens=1)",
        "client.complete([UserMessage('Hi')])",
        "client.complete(messages=[UserMessage('Hi')])\nclient.complete(messages=[UserMessage('Hi')])",
        "client.ask(messages=[UserMessage('Hi')])",
    ],
)
def test_calls_that_drift_apart_are_noticed(drifted):
    assert sdk_calls(drifted, ["complete"]) != ["complete(messages=[UserMessage('Hi')])"]
    assert sdk_calls("hi = [UserMessage('Hi')]\nclient.complete(messages=hi)", ["complete"]) == [
        "complete(messages=[UserMessage('Hi')])"
    ]


# The folder


def test_every_task_has_a_file_or_a_reason_for_every_client():
    cells = {(task["folder"], client["file"]) for task in DATA["task"] for client in DATA["client"]}
    there = {(path.parent.name, path.name) for path in snippet_files() if path.name != MANAGING}
    assert there | set(reasons(DATA)) == cells
    assert there & set(reasons(DATA)) == set()


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task["folder"])
def test_the_tests_that_a_task_names_run_its_files(task):
    name = task.get("tests", "test_snippets.py")
    text = (ROOT / "tests" / "snippets" / name).read_text(encoding="utf-8")
    assert f'"{task["folder"]}' in text


def test_no_file_lies_here_that_no_table_names():
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "snippets"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    files = {ROOT / line for line in listed.stdout.splitlines() if (ROOT / line).is_file()}
    rest = {
        str(path.relative_to(SNIPPETS)).replace("\\", "/") for path in files - set(snippet_files())
    }
    locks = {
        f"environments/{name}/{file}"
        for name in ("langchain", "litellm")
        for file in ("pyproject.toml", "uv.lock")
    }
    migrate = {  # programs of their own, with tests in test_migrate.py
        f"migrate/{file}"
        for file in ("inventory.py", "before.py", "after.py", "compare.py", "prompts.jsonl")
    }
    assert rest == migrate | {
        "README.md",
        "ruff.toml",
        "snippets.toml",
        "package.json",
        "package-lock.json",
        *locks,
    }


def test_the_page_is_what_the_folder_holds():
    assert PAGE.read_text(encoding="utf-8") == page(), (
        "run: python -m uv run python -m tools.snippets_table"
    )


TIME_OUTS = {  # how a client is told how long it may wait
    "azure_ai_inference.py": r"read_timeout(=|\": )\d+",
    "openai_sdk.py": r"\btimeout=",
    "requests_http.py": r"\btimeout=\d+",
    "httpx_client.py": r"\btimeout=\d+",
    "langchain_azure_client.py": r"\btimeout=\d+",
    "langchain_openai_client.py": r"\btimeout=\d+",
    "litellm_client.py": r"\btimeout=\d+",
    "javascript.mjs": r"AbortSignal\.timeout\(\d+_000\)",
    "openai.mjs": r"\btimeout: \d+_000",
    "curl.sh": r"\bcurl [^\n]*--max-time \d+|--retry \d+ --max-time \d+",
}


@pytest.mark.parametrize(
    "path",
    [path for path in snippet_files() if path.name in TIME_OUTS],
    ids=lambda path: f"{path.parent.name}/{path.name}",
)
def test_a_snippet_does_not_wait_for_ever(path):
    assert re.search(TIME_OUTS[path.name], path.read_text(encoding="utf-8"))


def longest_of(path: Path) -> int:
    """Return how many lines of code a snippet may have: its task may allow more than usual."""
    allowed = {task["folder"]: task.get("lines", LONGEST) for task in TASKS}
    return allowed.get(path.parent.name, LONGEST) + (LONGER_CSHARP if path.suffix == ".cs" else 0)


def test_every_link_of_the_page_leads_to_a_file():
    targets = set(re.findall(r"\]\(([^)]+)\)", TEXT))
    assert {target for target in targets if not (SNIPPETS / target).exists()} == set()
    files = {path.relative_to(SNIPPETS).as_posix() for path in snippet_files()}
    assert files <= targets


def test_a_search_for_client_and_task_finds_the_link():
    names = {client["file"]: client["name"] for client in DATA["client"]} | {
        MANAGING: "azure-ai-ml"
    }
    for path in snippet_files():
        task = path.parent.name.replace("-", " ")
        link = f"[{names[path.name]} {task}]({path.parent.name}/{path.name})"
        assert link in TEXT


@pytest.mark.parametrize(
    ("symptom", "task"),
    [
        ('401, "audience is incorrect"', "client-with-entra-id"),
        ("404, the model", "completion"),
        ("424", "robust-call"),
        ("429", "many-prompts"),
        ("400, tools", "tools"),
        ("The stream arrives at once", "robust-call"),
        ("`usage` of a stream is `None`", "stream"),
    ],
)
def test_a_symptom_leads_to_the_snippet_that_fixes_it(symptom, task):
    (row,) = re.findall(rf"^\| {re.escape(symptom)}.*$", TEXT, re.MULTILINE)
    assert f"({task}/openai_sdk.py)" in row


MODULES = {  # what is imported -> the package, and what else it needs
    "azure.ai.inference": ["azure-ai-inference"],
    "azure.ai.inference.aio": ["azure-ai-inference", "aiohttp"],
    "azure.ai.inference.models": ["azure-ai-inference"],
    "azure.core.credentials": ["azure-ai-inference"],
    "azure.core.exceptions": ["azure-ai-inference"],
    "azure.core.rest": ["azure-ai-inference"],
    "azure.ai.ml": ["azure-ai-ml"],
    "azure.ai.ml.entities": ["azure-ai-ml"],
    "azure.identity": ["azure-identity"],
    "langchain_azure_ai.chat_models": ["langchain-azure-ai"],
    "langchain_openai": ["langchain-openai"],
    "openai.types": ["openai"],
    "requests.adapters": ["requests"],
    "urllib3.util": ["requests"],
}
READS = {  # how a variable of the environment is read
    ".py": r'"((?:AZURE|IDENTITY)_[A-Z_]+)"',
    ".cs": r'GetEnvironmentVariable\("(\w+)"\)',
    ".mjs": r"[{,] ([A-Z_]+): \w+(?=.*\} = process\.env;)",
    ".sh": r"\$([A-Z_]+)\b",
}


def packages_of(path: Path) -> set[str]:
    """The packages that a snippet imports."""
    code = path.read_text(encoding="utf-8")
    if path.suffix == ".mjs":
        return {
            name
            for name in re.findall(r'^import .* from "(.*)";$', code, re.MULTILINE)
            if not name.startswith("node:")
        }
    found = re.findall(r"^(?:import|from) ([\w.]+)", code, re.MULTILINE)
    if "azure.ai.ml" in found:  # it brings azure-core, which others get with azure-ai-inference
        found = [name for name in found if not name.startswith("azure.core.")]
    return {
        package
        for name in found
        if name not in sys.stdlib_module_names
        for package in MODULES.get(name, [name])
    }


@pytest.mark.parametrize(
    "path", snippet_files(), ids=lambda path: f"{path.parent.name}/{path.name}"
)
def test_a_snippet_opens_with_what_it_was_run_with_and_what_it_needs_and_is_short(path):
    code = path.read_text(encoding="utf-8")
    first, second, *rest = code.splitlines()
    mark = "//" if path.suffix in (".mjs", ".cs") else "#"
    assert not rest[0].startswith(mark)
    lines = [line for line in rest if line.strip() and not line.startswith(mark)]
    assert SHORTEST <= len(lines) <= longest_of(path)
    assert second.startswith(f"{mark} Needs AZURE_")
    assert "getenv" not in code
    assert set(re.findall(r"environ\.get\(([^,)]+)", code)) <= {f'"{name}"' for name in OPTIONAL}, (
        "without a variable a client may take one of its own"
    )
    reads = set(re.findall(READS[path.suffix], "\n".join(rest)))
    assert {name for name in needs(path) if "LITELLM" not in name} - OPTIONAL == reads - OPTIONAL
    if path.suffix == ".cs":
        packages = re.findall(r"^#:package (\S+)@(\S+)$", code, re.MULTILINE)
        names = " and ".join(f"{name} {version}" for name, version in packages)
        versions = re.escape(f".NET 10 with {names}")
        assert re.fullmatch(
            rf"// Not executed, only parsed: for {versions}, \d+ \w+ \d{{4}}\.", first
        )
        return
    names, date = re.fullmatch(rf"{mark} Last run with (.+) on (\d+ \w+ \d{{4}})\.", first).groups()
    if path.suffix == ".sh":
        assert re.fullmatch(r"curl \d+\.\d+\.\d+", names)
        return
    assert set(re.split(", | and ", names)) == {
        f"{name} {locked_version(name, kind(path))}" for name in packages_of(path)
    }


def test_the_page_says_how_to_install_all_that_the_snippets_import():
    imported = {package for path in snippet_files((".py", ".mjs")) for package in packages_of(path)}
    told = {
        name
        for line in re.findall("^(?:pip|npm) install ([^#\n]+)", TEXT, re.MULTILINE)
        for name in line.split()
    }
    with_another = {"aiohttp", "httpx2"}  # named on azure-ai-inference's line; comes with openai
    assert {name.partition("==")[0] for name in told} == imported - with_another
    assert f"azure-ai-inference=={locked_version('azure-ai-inference', 'python')}" in told


@functools.cache
def locked_version(package: str, kind: str) -> str:
    """The version that runs in the tests, by the lock."""
    if kind == "node":
        lock = json.loads((SNIPPETS / "package-lock.json").read_text(encoding="utf-8"))
        return lock["packages"][f"node_modules/{package}"]["version"]
    path = ROOT / "uv.lock" if kind == "python" else SNIPPETS / "environments" / kind / "uv.lock"
    packages = tomllib.loads(path.read_text(encoding="utf-8"))["package"]
    return next(entry["version"] for entry in packages if entry["name"] == package)


@pytest.mark.parametrize(
    ("lock", "hosts"),
    [
        ("package-lock.json", {"registry.npmjs.org"}),
        ("environments/langchain/uv.lock", {"pypi.org", "files.pythonhosted.org"}),
        ("environments/litellm/uv.lock", {"pypi.org", "files.pythonhosted.org"}),
    ],
)
def test_the_locks_name_no_private_registry(lock, hosts):
    text = (SNIPPETS / lock).read_text(encoding="utf-8")
    found = re.findall(
        r'"resolved": "https?://([^/"]+)|(?:url|registry) = "https?://([^/"]+)', text
    )
    assert {npm or pypi for npm, pypi in found} == hosts
