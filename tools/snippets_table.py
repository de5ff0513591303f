"""Makes snippets/README.md of the snippets and snippets.toml: ``python -m uv run python -m tools.snippets_table``."""

from __future__ import annotations

import tomllib
from pathlib import Path

SNIPPETS = Path(__file__).parent.parent / "snippets"
DATA, PAGE = SNIPPETS / "snippets.toml", SNIPPETS / "README.md"
ABOVE = """\
# Snippets

Code to copy, a task a folder, a client a file. Each file is whole, runs as it stands, and prints something. Its first two
lines say what it was last run with, and which variables it needs. The tests run every file but the C# ones against the
simulated endpoint, each in a process of its own, and look at what it prints and at what the endpoint received: as it should
be, refused, without a server, with a certificate that nobody trusts. **C# is not executed**: there is no .NET in the tests.
Its files are parsed, the types of what they name looked up in the package's published API, and their requests, derived by
what the package's source does, compared with those of the JavaScript files.
"""
MORE = """\
Where other clients add something:
"""
BELOW = """\
## Running one

Every file reads `AZURE_INFERENCE_ENDPOINT` (the root, such as `https://my-phi4.eastus2.inference.ml.azure.com`, without
`/score`, `/v1` or a slash at the end) and `AZURE_INFERENCE_CREDENTIAL` (the key). No endpoint of your own? In the kit's folder,

```
python -m uv run python -m simulated_azure --export sh
```

prints commands that set the variables of a simulated one, and answers until you press Ctrl+C. Paste them all into a second
terminal. In PowerShell say `--export powershell`. Some of them make clients trust the simulation: Python reads
`REQUESTS_CA_BUNDLE` and `SSL_CERT_FILE`, Node.js `NODE_EXTRA_CA_CERTS`, curl `CURL_CA_BUNDLE` or `SSL_CERT_FILE`. So no file
changes between the simulated endpoint and your own. Then, also in the kit's folder:

| Files | Command |
|---|---|
| Python | `python -m uv run python snippets/completion/openai_sdk.py` |
| LangChain | `python -m uv run --project snippets/environments/langchain python snippets/completion/langchain_openai_client.py` |
| LiteLLM | `python -m uv run --project snippets/environments/litellm python snippets/completion/litellm_client.py` |
| JavaScript: Node.js 20 or newer | once `npm ci --prefix snippets`, then `node snippets/completion/openai.mjs` |
| curl 7.82 or newer, in any POSIX shell | `sh snippets/completion/curl.sh` |

LangChain and LiteLLM do not share the kit's environment: LiteLLM pins an old `openai`, LangChain brings some seventy packages.
For LiteLLM set `LITELLM_LOCAL_MODEL_COST_MAP=True` besides, or it fetches a price list from GitHub when it is imported, and
waits where it cannot.

In a project of your own:

```
pip install azure-ai-inference==1.0.0b9   # and aiohttp, for async
pip install openai
pip install requests
pip install httpx
pip install langchain-openai
pip install langchain-azure-ai
pip install litellm
pip install azure-ai-ml                   # to deploy and delete
pip install azure-identity                # besides, wherever Entra ID signs you in
npm install @azure-rest/ai-inference @azure/core-auth @azure/core-sse
npm install openai
npm install @azure/identity               # besides, for Entra ID
```

C#, with .NET 8 or newer; not executed here, neither these commands nor the files:

```
dotnet new console                        # then the file takes the place of Program.cs
dotnet add package Azure.AI.Inference --prerelease
dotnet add package Azure.Identity         # besides, for Entra ID
```

## If it does not work

* Status 404: the endpoint ends in `/score`, `/v1` or a slash. With a slash some clients fail and others work.
* Status 401: the key is another endpoint's, or an old one. The simulator makes up a new key each time it starts.
* "Connection error", "fetch failed", "certificate": no simulator runs at that port, or the variables that make clients trust
  it are missing or of an earlier start.

## What to know before you copy

* `azure-ai-inference`, `@azure-rest/ai-inference` and `Azure.AI.Inference` are retired since 26 August 2026. For new code take
  the `openai` files. They need `model`, and the route `/v1`, which older containers of managed compute may not have.
* Entra ID: a deployment on managed compute takes tokens for `https://ml.azure.com/.default`.
* `raise_for_status()` tells the status, not the reason. That is in the body: `reply.text`, as `errors-and-retries` prints it.
* `azure-ai-inference`: `retry_total=5` alone makes three retries after a status, since `retry_status` is 3. A POST is repeated
  after 500, 503 and 504, after 429 only where the server sends `Retry-After`, and never after a time-out.
* `@azure-rest/ai-inference` throws nothing for a status such as 422. Ask `isUnexpected`, and note that `status` is a string. A
  stream needs `stream: true` in the body besides `.asNodeStream()`. There is no time-out unless you give one: `timeout:` keeps
  Node.js running to its end after a connection that failed, `abortSignal: AbortSignal.timeout(60_000)` does not.
* `openai`: usage comes with a stream only if asked for (`stream_options`), in a last chunk whose `choices` is empty.
* `openai` for JavaScript keeps of an error's body only the entry `error`. A body without one, such as that of managed compute's
  401, is lost, and the message says `401 status code (no body)`. And where `apiKey` is undefined, it takes `OPENAI_API_KEY`
  and sends that to the endpoint: hence the check at the top of each file.
* LangChain sends `max_tokens` as `max_completion_tokens`. `AzureAIChatCompletionsModel`, which older snippets use, is deprecated:
  it needs the retired SDK.
* LiteLLM with `azure_ai/` leaves out what the endpoint does not know, such as `logprobs`, without a word: after a status of
  400 it asks again without it. With `openai/` and `/v1` it arrives. It keeps the usage of a stream to itself unless asked with
  `stream_options`, which is such an entry.
* `Azure.AI.Inference` (C#) sends the header `extra-parameters` by itself if there are `AdditionalProperties`, but by its source
  not with a stream.
* curl shows its arguments to other users of the same computer. On a shared one, put the header into a file: `--header @file`.
"""


def load() -> dict[str, list[dict]]:
    """Tasks, clients, absences and ties, in the order of ``snippets.toml``."""
    return tomllib.loads(DATA.read_text(encoding="utf-8"))


def snippet_files(suffixes: tuple[str, ...] = ("",)) -> list[Path]:
    """All snippets whose name ends in one of the suffixes."""
    data = load()
    paths = [SNIPPETS / task["folder"] / client["file"] for task in data["task"] for client in data["client"]]
    paths += [SNIPPETS / task["folder"] / "azure_ai_ml.py" for task in data["managing"]]
    return [path for path in paths if path.is_file() and path.name.endswith(suffixes)]


def reasons(data: dict[str, list[dict]]) -> dict[tuple[str, str], int]:
    """(folder, file) -> the number of the reason why there is no such snippet."""
    return {
        (task, client): number
        for number, absent in enumerate(data["absent"], 1)
        for task in absent["tasks"]
        for client in absent["clients"]
    }


def table(data: dict[str, list[dict]], number: int) -> list[str]:
    """The lines of the first table, or of the second."""
    why = reasons(data)
    clients = [client for client in data["client"] if client["table"] == number]
    lines = [f"| Task | {' | '.join(client['title'] for client in clients)} |", "|---" + "|:-:" * len(clients) + "|"]
    for task in data["task"]:
        cells = []
        for client in clients:
            folder, name = task["folder"], client["file"]
            there = (SNIPPETS / folder / name).is_file()
            cells.append(f"[file]({folder}/{name})" if there else f"no&nbsp;({why[folder, name]})")
        lines.append(f"| {task['title']} | {' | '.join(cells)} |")
    return lines


def page() -> str:
    """The whole page."""
    data = load()
    managing = [
        f"* {task['title']}: [{task['folder']}/azure_ai_ml.py]({task['folder']}/azure_ai_ml.py)" for task in data["managing"]
    ]
    why = ["Why a file is not there:", "", *(f"{number}. {absent['why']}" for number, absent in enumerate(data["absent"], 1))]
    return "\n".join([ABOVE, *table(data, 1), "", *managing, "", MORE, *table(data, 2), "", *why, "", BELOW])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8", newline="\n")
