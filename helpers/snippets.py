"""Runs the files of the folder ``snippets`` as a person does: each in a process of its own, with the program for it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from IPython.display import Markdown

SNIPPETS = Path(__file__).parent.parent / "snippets"
LONGEST = 120  # seconds that a snippet may take
LANGUAGES = {".py": "python", ".mjs": "js", ".sh": "sh", ".cs": "csharp"}
INSTALL = {  # kind -> what to do in the kit's folder
    "node": "install Node.js 20 or newer; then: cd snippets, npm ci",
    "curl": "install curl 7.82 or newer; on Windows Git for Windows brings the shell sh",
    "langchain": "cd snippets/environments/langchain, python -m uv sync --frozen",
    "litellm": "cd snippets/environments/litellm, python -m uv sync --frozen",
}


class ToolMissingError(RuntimeError):
    """A program or its packages are not on this computer. The message says how to get them."""


class SnippetFailedError(RuntimeError):
    """A snippet ended with an error. The message holds what it complained of."""


def kind_of(file: str) -> str:
    """What runs a snippet: "node", "curl", "langchain", "litellm", or "python", which is this Python itself.

    >>> [kind_of(f"stream/{name}") for name in ("openai.mjs", "curl.sh", "litellm_client.py", "openai_sdk.py")]
    ['node', 'curl', 'litellm', 'python']
    """
    path = Path(file)
    first = path.name.partition("_")[0]
    return {".mjs": "node", ".sh": "curl"}.get(path.suffix, first if first in INSTALL else "python")


def command_for(kind: str) -> list[str]:
    """The command that runs a kind of snippet. Raises ToolMissingError where its program or its packages are absent."""
    if kind == "python":
        return [sys.executable]
    if kind in ("langchain", "litellm"):
        environment = SNIPPETS / "environments" / kind / ".venv"
        program = shutil.which(environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))
        is_there = program is not None
    elif kind == "node":
        program, is_there = shutil.which("node"), (SNIPPETS / "node_modules").is_dir()
    else:
        program, is_there = shutil.which("sh"), shutil.which("curl") is not None
    if not (program and is_there):
        raise ToolMissingError(f"Not here: {kind}. To get it: {INSTALL[kind]}. Then run this cell again.")
    return [program]


def output_of(file: str, code: str | None = None) -> str:
    """What a snippet prints, such as ``output_of("stream/openai.mjs")``.

    code: Python to run in the file's place, by the same program. Raises ToolMissingError; SnippetFailedError if it ends
    with an error, or not within two minutes.
    """
    target = [str(SNIPPETS / file)] if code is None else ["-c", code]
    plain = os.environ | {"FORCE_COLOR": "0", "PYTHONUTF8": "1"}  # Jupyter asks for coloured numbers
    command = [*command_for(kind_of(file)), *target]
    try:
        done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", env=plain, timeout=LONGEST)
    except subprocess.TimeoutExpired:
        raise SnippetFailedError(f"{file} did not end within {LONGEST} seconds.") from None
    if done.returncode:
        complaints = [line.strip() for line in done.stderr.splitlines() if "Error" in line] or [done.stderr.strip()]
        raise SnippetFailedError(f"{file} ended with status {done.returncode}: {' / '.join(complaints)[:1000]}")
    return done.stdout


def run(file: str, code: str | None = None) -> None:
    """Prints what a snippet prints, or what has to be installed first. Raises SnippetFailedError as ``output_of`` does."""
    try:
        print(output_of(file, code).rstrip())
    except ToolMissingError as missing:
        print(missing)


def answer_in(printed: str) -> str:
    """The answer in what a snippet prints: curl prints a reply or its events as they came, the others the text.

    >>> answer_in("Response: Paris.\\nModel: Phi-4"), answer_in('{"choices": [{"message": {"content": "Paris."}}]}')
    ('Paris.', 'Paris.')
    """
    if printed.startswith("{"):
        return json.loads(printed)["choices"][0]["message"]["content"]
    if printed.startswith("data: "):
        events = [json.loads(line.removeprefix("data: ")) for line in printed.splitlines() if line.startswith("data: {")]
        return "".join(choice["delta"].get("content") or "" for event in events for choice in event["choices"])
    return printed.splitlines()[0].removeprefix("Response: ")


def source(file: str) -> Markdown:
    """A snippet, to be shown below a cell."""
    path = SNIPPETS / file
    return Markdown(f"```{LANGUAGES[path.suffix]}\n{path.read_text(encoding='utf-8')}```")
