"""Makes snippets/README.md of the snippets and snippets.toml: ``python -m uv run python tests/snippets_table.py``."""

from __future__ import annotations

import tomllib
from pathlib import Path

SNIPPETS = Path(__file__).parent.parent / "snippets"
DATA, PAGE = SNIPPETS / "snippets.toml", SNIPPETS / "README.md"
ABOVE = """\
# Snippets

Code to copy, a task a folder, a client a file. Each file is whole, runs as it stands, and prints something. The tests run
every file but the C# ones against the simulated endpoint, each in a process of its own, and look at what it prints and at
what the endpoint received. **C# is not executed**: there is no .NET in the tests. Its files are parsed, their names looked up
in the package's published API, and the requests they describe compared with those of the other clients.
"""
BELOW = """\
## Running one

Every file reads `AZURE_INFERENCE_ENDPOINT` (the root, such as `https://my-phi4.eastus2.inference.ml.azure.com`, without
`/score`, `/v1` or a slash at the end) and `AZURE_INFERENCE_CREDENTIAL` (the key). No endpoint of your own? In the kit's folder,

```
python -m uv run python -m helpers.simulator
```

prints the variables of a simulated one and answers until you press Ctrl+C. Set all of them in a second terminal: `export
NAME=value`, in PowerShell `$env:NAME = "value"`. Some of them make clients trust the simulation: Python reads
`REQUESTS_CA_BUNDLE` and `SSL_CERT_FILE`, Node.js `NODE_EXTRA_CA_CERTS`, curl `SSL_CERT_FILE` (unless `CURL_CA_BUNDLE` is set:
then remove that). So no file changes between the simulated endpoint and your own.

| Files | In the kit's folder |
|---|---|
| Python: azure-ai-inference, openai, requests, httpx | `python -m uv run python snippets/completion/openai_sdk.py` |
| LangChain and LiteLLM, each in its own environment | `cd snippets/environments/litellm`, then the line below |
| JavaScript: Node.js 20 or newer | once `npm ci` in `snippets`, then `node snippets/completion/javascript.mjs` |
| curl 7.82 or newer, in any POSIX shell | `sh snippets/completion/curl.sh` |
| C#: .NET 8 or newer, not executed here | as `Program.cs` of a console project with `Azure.AI.Inference --prerelease` |

```
python -m uv run python ../../completion/litellm_client.py
```

LangChain and LiteLLM do not share the kit's environment: LiteLLM pins an old `openai`, LangChain brings some seventy packages.

## What to know before you copy

* `azure-ai-inference`, `@azure-rest/ai-inference` and `Azure.AI.Inference` are retired since 26 August 2026. For new code take
  the `openai` files. They need `model`, and the route `/v1`, which older containers of managed compute may not have.
* Entra ID: a deployment on managed compute takes tokens for `https://ml.azure.com/.default`.
* JavaScript: `@azure-rest/ai-inference` throws nothing for a status such as 422. Ask `isUnexpected`, and note that `status` is a
  string. A stream needs `stream: true` in the body besides `.asNodeStream()`.
* `openai`: usage comes with a stream only if asked for (`stream_options`), in a last chunk whose `choices` is empty.
* LangChain sends `max_tokens` as `max_completion_tokens`. `AzureAIChatCompletionsModel`, which older snippets use, is deprecated:
  it needs the retired SDK.
* LiteLLM with `azure_ai/` leaves out what the endpoint does not know, such as `logprobs`, without a word: after a status of
  400 it asks again without it. With `openai/` and `/v1` it arrives. When imported, LiteLLM fetches a price list from GitHub,
  and waits where it cannot; `LITELLM_LOCAL_MODEL_COST_MAP=True` makes it use the one it brings.
* curl shows its arguments to other users of the same computer. On a shared one, put the header into a file: `--header @file`.
"""


def load() -> dict[str, list[dict]]:
    """Tasks, clients, absences and ties, in the order of ``snippets.toml``."""
    return tomllib.loads(DATA.read_text(encoding="utf-8"))


def snippet_files(suffixes: tuple[str, ...] = ("",)) -> list[Path]:
    """All snippets whose name ends in one of the suffixes."""
    data = load()
    paths = [SNIPPETS / task["folder"] / client["file"] for task in data["task"] for client in data["client"]]
    return [path for path in paths if path.is_file() and path.name.endswith(suffixes)]


def reasons(data: dict[str, list[dict]]) -> dict[tuple[str, str], int]:
    """(folder, file) -> the number of the reason why there is no such snippet."""
    return {
        (task, client): number
        for number, absent in enumerate(data["absent"], 1)
        for task in absent["tasks"]
        for client in absent["clients"]
    }


def page() -> str:
    """The whole page."""
    data = load()
    why = reasons(data)
    lines = [
        ABOVE,
        f"| Task | {' | '.join(client['title'] for client in data['client'])} |",
        "|---" * (len(data["client"]) + 1) + "|",
    ]
    for task in data["task"]:
        cells = []
        for client in data["client"]:
            path, name = f"{task['folder']}/{client['file']}", client["file"]
            there = (SNIPPETS / path).is_file()
            cells.append(f"[{Path(name).suffix}]({path})" if there else f"- ({why[task['folder'], name]})")
        lines.append(f"| {task['title']} | {' | '.join(cells)} |")
    lines += ["", *(f"{number}. {absent['why']}" for number, absent in enumerate(data["absent"], 1)), "", BELOW]
    return "\n".join(lines)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8", newline="\n")
