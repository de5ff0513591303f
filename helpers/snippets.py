"""Run the files of the folder ``snippets``, each in a process of its own, with its own program."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from IPython.display import Markdown

SNIPPETS = Path(__file__).parent.parent / "snippets"
TIMEOUT_SECONDS = 120
MARKDOWN_LANGUAGES = {".py": "python", ".mjs": "js", ".sh": "sh", ".cs": "csharp"}
INSTALL_HINTS = {  # commands are for the kit's folder
    "node": "install Node.js 20 or newer; then: cd snippets, npm ci",
    "curl": "install curl 7.82 or newer; on Windows Git for Windows brings the shell sh",
    "langchain": "cd snippets/environments/langchain, python -m uv sync --frozen",
    "litellm": "cd snippets/environments/litellm, python -m uv sync --frozen",
}


class ToolMissingError(RuntimeError):
    """A program or its packages are not installed. The message says how to install them."""


class SnippetFailedError(RuntimeError):
    """A snippet ended with an error or took too long. The message has the snippet's own errors."""


def kind_of(file: str) -> str:
    """Return what runs a snippet: "node", "curl", "langchain", "litellm" or "python".

    LangChain and LiteLLM have environments of their own; "python" is the Python of this process.

    >>> kind_of("stream/openai.mjs"), kind_of("stream/curl.sh")
    ('node', 'curl')
    >>> kind_of("stream/litellm_client.py"), kind_of("stream/openai_sdk.py")
    ('litellm', 'python')
    """
    path = Path(file)
    if path.suffix == ".mjs":
        return "node"
    if path.suffix == ".sh":
        return "curl"
    client = path.name.partition("_")[0]
    return client if client in ("langchain", "litellm") else "python"


def command_for(kind: str) -> list[str]:
    """Return the command that runs a kind of snippet, without the snippet's path.

    Raises ToolMissingError if the program or its packages are not installed.
    """
    if kind == "python":
        return [sys.executable]
    if kind in ("langchain", "litellm"):
        environment = SNIPPETS / "environments" / kind / ".venv"
        python = environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        program = shutil.which(python)
    elif kind == "node":
        program = shutil.which("node") if (SNIPPETS / "node_modules").is_dir() else None
    else:
        program = shutil.which("sh") if shutil.which("curl") else None
    if program is None:
        raise ToolMissingError(
            f"Not installed: {kind}. To install it: {INSTALL_HINTS[kind]}. "
            "Then run this cell again."
        )
    return [program]


def output_of(file: str, code: str | None = None) -> str:
    """Run a snippet and return what it prints.

    file: its path in the folder ``snippets``, such as "stream/openai.mjs".
    code: Python code to run instead of the file, with the program of the file.

    Raises ToolMissingError if something is not installed. Raises SnippetFailedError if the snippet
    ends with an error, or does not end within two minutes.
    """
    arguments = [str(SNIPPETS / file)] if code is None else ["-c", code]
    environment = os.environ | {
        "FORCE_COLOR": "0",  # Jupyter sets it to 1, and Node.js would colour its output
        "PYTHONUTF8": "1",
    }
    try:
        process = subprocess.run(
            [*command_for(kind_of(file)), *arguments],
            capture_output=True,
            text=True,
            encoding="utf-8",
            env=environment,
            timeout=TIMEOUT_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise SnippetFailedError(f"{file} did not end within {TIMEOUT_SECONDS} seconds.") from None
    if process.returncode:
        lines = [line.strip() for line in process.stderr.splitlines() if "Error" in line]
        errors = " / ".join(lines or [process.stderr.strip()])[:1000]
        raise SnippetFailedError(f"{file} ended with status {process.returncode}: {errors}")
    return process.stdout


def run(file: str, code: str | None = None) -> None:
    """Run a snippet and print what it prints, or what has to be installed first.

    The arguments are those of ``output_of``. Raises SnippetFailedError.
    """
    try:
        print(output_of(file, code).rstrip())
    except ToolMissingError as error:
        print(error)


def answer_in(output: str) -> str:
    """Return the model's answer from the output of a snippet.

    curl prints the body of a response, or its events; other clients print the text of the answer.

    >>> answer_in("Response: Paris.\\nModel: Phi-4")
    'Paris.'
    >>> answer_in('{"choices": [{"message": {"content": "Paris."}}]}')
    'Paris.'
    """
    if output.startswith("{"):
        return json.loads(output)["choices"][0]["message"]["content"]
    if output.startswith("data: "):
        events = [
            json.loads(line.removeprefix("data: "))
            for line in output.splitlines()
            if line.startswith("data: {")
        ]
        return "".join(
            choice["delta"].get("content") or "" for event in events for choice in event["choices"]
        )
    return output.splitlines()[0].removeprefix("Response: ")


def source(file: str) -> Markdown:
    """Return the code of a snippet as Markdown, which Jupyter shows below a cell."""
    path = SNIPPETS / file
    language = MARKDOWN_LANGUAGES[path.suffix]
    return Markdown(f"```{language}\n{path.read_text(encoding='utf-8')}```")
