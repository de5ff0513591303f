"""Run the files of the folder ``snippets`` in processes of their own, with their own programs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from IPython.display import Markdown

SNIPPETS = Path(__file__).parent.parent / "snippets"
TIMEOUT_SECONDS = 120
MARKDOWN_LANGUAGES = {".py": "python", ".mjs": "js", ".sh": "sh", ".cs": "csharp"}
SEPARATOR = "\x1e"  # printed after each of several files; no snippet prints it
SEVERAL = {  # program -> the arguments before the files that it is to run one after the other
    "python": [
        "-c",
        "import runpy, sys\n"
        "for file in sys.argv[1:]:\n"
        "    runpy.run_path(file, run_name='__main__')\n"
        r"    print('\x1e', end='', flush=True)",
    ],
    "node": [
        "--input-type=module",
        "-e",
        "import { pathToFileURL } from 'node:url';"
        "for (const file of process.argv.slice(1)) {"
        r"await import(pathToFileURL(file)); process.stdout.write('\x1e'); }",
    ],
    "curl": ["-c", r"""for file; do sh "$file" || exit; printf '\036'; done""", "sh"],
}
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
    return _printed(file, [str(SNIPPETS / file)] if code is None else ["-c", code])


def outputs_of(files: Sequence[str]) -> list[str]:
    """Run snippets of one client, one after the other in one process. Return what each prints.

    That takes less time than a process for each, because the client's packages are imported once.
    Raises what ``output_of`` raises; the message of an error names the snippet that failed.
    """
    kind = kind_of(files[0])
    paths = [str(SNIPPETS / file) for file in files]
    printed = _printed(files, [*SEVERAL.get(kind, SEVERAL["python"]), *paths])
    return printed.split(SEPARATOR)[:-1]


def _printed(files: str | Sequence[str], arguments: list[str]) -> str:
    """Run the program of a snippet, or of several, with these arguments. Return what it prints."""
    files = [files] if isinstance(files, str) else files
    environment = os.environ | {
        "FORCE_COLOR": "0",  # Jupyter sets it to 1, and Node.js would colour its output
        "PYTHONUTF8": "1",
    }
    try:
        process = subprocess.run(
            [*command_for(kind_of(files[0])), *arguments],
            capture_output=True,
            text=True,
            encoding="utf-8",
            env=environment,
            timeout=TIMEOUT_SECONDS,
        )
    except subprocess.TimeoutExpired:
        names = ", ".join(files)
        raise SnippetFailedError(f"{names} did not end within {TIMEOUT_SECONDS} seconds.") from None
    if process.returncode:
        file = files[process.stdout.count(SEPARATOR)]
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


def code_block(code: str, language: str) -> Markdown:
    """Return code as Markdown, which Jupyter shows in colours below a cell."""
    # In a page that nbconvert exports, code in an output would have the font of the text.
    fenced = f"```{language}\n{code.rstrip()}\n```"
    return Markdown(f'<div style="font-family: monospace">\n\n{fenced}\n\n</div>')


def source(file: str) -> Markdown:
    """Return the code of a snippet, which Jupyter shows below a cell."""
    path = SNIPPETS / file
    return code_block(path.read_text(encoding="utf-8"), MARKDOWN_LANGUAGES[path.suffix])
