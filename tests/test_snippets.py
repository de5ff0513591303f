"""Every snippet, run in a process of its own by its real client: what it prints, and what the endpoint received.

C# is read, not run (``csharp.py``). A few processes run at a time, each with a simulated Azure of its own, so that what one
of them received is what one snippet sent. Node packages and the LangChain and LiteLLM environments are installed from their
locks where they lie; where Node.js, curl or uv is absent these snippets are skipped, or fail if NOTHING_MAY_SKIP is set.
"""

from __future__ import annotations

import ast
import functools
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from queue import SimpleQueue
from urllib.parse import parse_qs

import csharp
import nbformat
import pytest
from snippets_table import PAGE, SNIPPETS, load, page, reasons, snippet_files

from helpers.simulator.endpoint import SimulatedAzure
from helpers.simulator.faults import HEADER as FAULT_HEADER
from helpers.simulator.server import Simulator

ROOT = SNIPPETS.parent
DATA = load()
MANAGING = "azure_ai_ml.py"  # deploys and deletes: run together, in its own test
EXECUTED = [path for path in snippet_files((".py", ".mjs", ".sh")) if path.name != MANAGING]
KEPT = ("PATH", "SYSTEMROOT", "TEMP", "TMP", "PATHEXT", "LANG", "COMSPEC")  # of this process's variables
LONGEST, SHORTEST = 25, 3  # lines of code
AT_A_TIME = 3  # processes: some wait before they try again

API = "api-version=2024-05-01-preview"
FRANCE = [{"role": "user", "content": "What is the capital of France?"}]
JAPAN = [{"role": "user", "content": "What is the capital of Japan?"}]
LANGUAGES = [
    {"role": "system", "content": "You are a helpful assistant."},
    {"role": "user", "content": "How many languages are in the world?"},
]
COLOUR = [{"role": "user", "content": "Name a colour."}]
PARIS = [{"role": "user", "content": "Give me JSON about Paris."}]
ALL = {"presence_penalty": 0.1, "frequency_penalty": 0.8, "max_tokens": 2048, "stop": ["<|endoftext|>"], "temperature": 0}
ALL |= {"top_p": 1, "response_format": {"type": "text"}}
STREAM = {"temperature": 0, "top_p": 1, "max_tokens": 2048, "stream": True}


@dataclass(frozen=True)
class Route:
    """How a client's requests look: where they go, the headers with the key, what its bodies carry besides."""

    prefix: str
    query: str
    headers: frozenset[str]
    more: dict


AZURE = Route("", API, frozenset({"authorization", "api-key"}), {})
PLAIN = Route("", API, frozenset({"authorization"}), {})
OPENAI = Route("/v1", "", frozenset({"authorization"}), {"model": "Phi-4"})
LANGCHAIN = replace(OPENAI, more={"model": "Phi-4", "stream": False})
LITELLM = replace(OPENAI, prefix="")
ROUTES = {
    "azure_ai_inference.py": AZURE,
    "javascript.mjs": AZURE,
    "curl.sh": PLAIN,
    "requests_http.py": PLAIN,
    "httpx_sse.py": PLAIN,
    "openai_sdk.py": OPENAI,
    "openai.mjs": OPENAI,
    "langchain_azure_client.py": LANGCHAIN,
    "langchain_openai_client.py": LANGCHAIN,
    "litellm_client.py": LITELLM,
}


@dataclass
class Run:
    """A process that has ended, and the requests of it that arrived, oldest first."""

    code: int
    printed: str
    complained: str
    requests: list[dict]

    def text(self) -> str:
        """What it printed; of a stream or a reply printed as it came, the answer."""
        if self.printed.startswith("data: "):
            events = [json.loads(line[6:]) for line in self.printed.splitlines() if line.startswith("data: {")]
            return "".join(choice["delta"]["content"] for event in events for choice in event["choices"])
        return self.printed

    def bodies(self) -> list[dict]:
        """What was sent to the model and not refused for the moment."""
        asked = [request for request in self.requests if request["path"].endswith("/completions") and request["status"] != 503]
        return [json.loads(request["body"]) for request in asked]


# Running them


def absent(what: str) -> None:
    """Skips, or fails where nothing may skip."""
    if os.environ.get("NOTHING_MAY_SKIP"):
        pytest.fail(f"{what} is not here, and NOTHING_MAY_SKIP is set")
    pytest.skip(f"{what} is not here")


def install_node_packages() -> list[str]:
    """The command that runs a file with Node.js, once the packages of the lock are there."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node or not npm:
        absent("Node.js with npm")
    lock = (SNIPPETS / "package-lock.json").read_text(encoding="utf-8")
    marker = SNIPPETS / "node_modules" / ".installed-from"
    if not marker.is_file() or marker.read_text(encoding="utf-8") != lock:
        call([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], SNIPPETS)
        marker.write_text(lock, encoding="utf-8")
    return [node]


def sync_environment(name: str) -> list[str]:
    """The Python of ``environments/<name>``, once it holds what its lock says."""
    uv = os.environ.get("UV") or shutil.which("uv")
    if not uv:
        absent("uv")
    folder = SNIPPETS / "environments" / name
    call([uv, "sync", "--frozen", "--quiet", "--no-python-downloads", "--python", sys.executable], folder)
    return [str(folder / ".venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))]


def call(command: list[str], folder: Path) -> None:
    """Runs an installer. It is not told of this process's own environment."""
    mine = ("VIRTUAL_ENV", "UV_PROJECT_ENVIRONMENT", "PYTHONPATH")
    variables = {name: value for name, value in os.environ.items() if name not in mine}
    done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr


def shell() -> list[str]:
    """The command that runs a POSIX shell script with curl."""
    if os.name == "nt":
        pytest.skip("a POSIX shell script; Windows has none")
    if not shutil.which("curl"):
        absent("curl")
    return [shutil.which("sh") or "sh"]


def kind(path: Path) -> str:
    """What runs a snippet: "node", "shell", "litellm", "langchain" or "python", this Python itself."""
    first = path.name.split("_")[0]
    return {".mjs": "node", ".sh": "shell"}.get(path.suffix, first if first in ("litellm", "langchain") else "python")


COMMANDS: dict[str, Callable[[], list[str]]] = {
    "litellm": lambda: sync_environment("litellm"),
    "langchain": lambda: sync_environment("langchain"),
    "node": install_node_packages,
    "shell": shell,
    "python": lambda: [sys.executable],
}  # the slow ones first


@contextmanager
def unavailable_at_first(azure: SimulatedAzure, number: int) -> Iterator[None]:
    """Lets the endpoint answer 503 once to each request, as a real one might: to clients that name their requests and count
    their attempts, once each; to others once. ``number`` keeps apart those that do not."""
    fault = f"503; times=1; after={number}"
    handle = azure.handle
    azure.handle = lambda request: handle(replace(request, headers={**request.headers, FAULT_HEADER: fault}))
    try:
        yield
    finally:
        del azure.handle


def run(path: Path, command: list[str], simulator: Simulator, home: Path) -> Run:
    """Runs one snippet to its end, in an empty home folder and with no other variables than it needs."""
    environment = {name: value for name, value in os.environ.items() if name.upper() in KEPT} | simulator.variables()
    environment |= {"HOME": str(home), "USERPROFILE": str(home), "PYTHONUTF8": "1", "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    simulator.azure.journal.clear()
    arguments = {"cwd": home, "env": environment, "capture_output": True, "text": True, "encoding": "utf-8", "timeout": 120}
    if path.parent.name == "errors-and-retries":
        with unavailable_at_first(simulator.azure, EXECUTED.index(path)):
            done = subprocess.run([*command, str(path)], **arguments)
    else:
        done = subprocess.run([*command, str(path)], **arguments)
    return Run(done.returncode, done.stdout, done.stderr, list(simulator.azure.journal))


@pytest.fixture(scope="session")
def commands(request) -> dict[str, list[str] | BaseException]:
    """What runs each kind of snippet that was asked for, or the reason why nothing does."""
    found: dict[str, list[str] | BaseException] = {}
    for name in {kind(path) for path in asked_for(request.session)}:
        try:
            found[name] = COMMANDS[name]()
        except (pytest.skip.Exception, pytest.fail.Exception) as reason:
            found[name] = reason
    return found


def asked_for(session: pytest.Session) -> list[Path]:
    """The snippets whose tests this session runs, the slow ones first."""
    mine = {item.callspec.params["path"] for item in session.items if "done" in getattr(item, "fixturenames", ())}
    return sorted((path for path in EXECUTED if path in mine), key=lambda path: [*COMMANDS].index(kind(path)))


@pytest.fixture(scope="session")
def runs(request, simulator, commands, tmp_path_factory) -> Iterator[dict[Path, Run]]:
    """All the snippets that this session tests, run."""
    paths = [path for path in asked_for(request.session) if isinstance(commands[kind(path)], list)]
    others = [Simulator() for _ in range(AT_A_TIME - 1)]
    free: SimpleQueue[Simulator] = SimpleQueue()
    for idle in (simulator, *others):
        free.put(idle)
    home = tmp_path_factory.mktemp("home")

    def run_one(path: Path) -> Run:
        idle = free.get()
        try:
            return run(path, commands[kind(path)], idle, home)
        finally:
            free.put(idle)

    with ThreadPoolExecutor(AT_A_TIME) as pool:
        yield dict(zip(paths, pool.map(run_one, paths), strict=True))
    for other in others:
        other.stop()
        assert not other.errors, "\n".join(other.errors)


@pytest.fixture(params=EXECUTED, ids=lambda path: f"{path.parent.name}/{path.name}")
def path(request) -> Path:
    return request.param


@pytest.fixture
def done(path, commands, runs) -> Run:
    """The run of one snippet. Skips where its tools are absent."""
    if not isinstance(commands[kind(path)], list):
        raise commands[kind(path)]
    return runs[path]


@pytest.fixture(scope="session")
def answers(simulator, certificates) -> dict[str, tuple[str, int]]:
    """Question -> (answer at temperature 0, completion tokens), asked by another client than the snippets'."""
    import requests

    found = {}
    for messages in (FRANCE, LANGUAGES, LANGUAGES[1:]):
        reply = requests.post(
            f"{simulator.url}/chat/completions",
            json={"messages": messages, "temperature": 0},
            headers={"api-key": simulator.azure.key},
            verify=certificates,
        ).json()
        found[str(messages)] = reply["choices"][0]["message"]["content"], reply["usage"]["completion_tokens"]
    return found


# What they print, and what they send


def expected_bodies(path: Path) -> list[dict]:
    """What must arrive of a snippet, but for what its client adds to every body."""
    task = path.parent.name
    refused = 5 if ROUTES[path.name].prefix == "/v1" else 1.5  # a temperature
    second = COLOUR if path.name == "azure_ai_inference.py" else FRANCE
    return {
        "client-with-key": [{"messages": FRANCE, "temperature": 0}],
        "client-with-entra-id": [{"messages": FRANCE, "temperature": 0}],
        "model-info": [],
        "completion": [{"messages": LANGUAGES, "temperature": 0}],
        "conversation": [{"messages": LANGUAGES, "temperature": 0}] * 2,
        "stream": [{"messages": LANGUAGES, **STREAM}],
        "parameters": [{"messages": LANGUAGES[1:], **ALL}],
        "extra-parameters": [{"messages": FRANCE, "temperature": 0, "logprobs": True}],
        "json": [{"messages": PARIS, "temperature": 0}] * 2,
        "errors-and-retries": [{"messages": FRANCE, "temperature": 0}, {"messages": second, "temperature": refused}],
        "async": [{"messages": FRANCE, "temperature": 0}, {"messages": JAPAN, "temperature": 0}],
    }[task]


def expected_prints(path: Path, answers: dict[str, tuple[str, int]]) -> list[str]:
    """What must be found in what a snippet prints."""
    answer, tokens = answers[str(LANGUAGES)]
    counts = ["25", str(tokens)] if path.name != "curl.sh" else ['"prompt_tokens":25', f'"completion_tokens":{tokens}']
    tells_tokens = path.name in ("azure_ai_inference.py", "openai_sdk.py", "javascript.mjs", "openai.mjs")
    return {
        "client-with-key": ["The capital of France is Paris."],
        "client-with-entra-id": ["The capital of France is Paris."],
        "model-info": ["Phi-4", "chat-completion", "Microsoft"],
        "completion": [answer, "Phi-4", *counts],
        "conversation": [answer, "In France the only official language is French."],
        "stream": [answer, f"{tokens} tokens"] if tells_tokens else [answer],
        "parameters": [answers[str(LANGUAGES[1:])][0], "stop"],
        "extra-parameters": ["The capital of France is Paris.", " Paris", "-0.2277"],
        "json": ["Paris"],
        "errors-and-retries": ["The capital of France is Paris.", "422", "Input should be less than or equal to"],
        "async": ["The capital of France is Paris.", "The capital of Japan is Tokyo."],
    }[path.parent.name]


def test_a_snippet_runs_and_prints_its_result(path, done, answers):
    assert done.code == 0, done.complained
    assert [part for part in expected_prints(path, answers) if part not in done.text()] == [], done.printed
    assert not done.complained or path == SNIPPETS / "errors-and-retries" / "curl.sh"


def test_a_snippet_sends_what_its_task_says(path, done):
    sent, more = done.bodies(), dict(ROUTES[path.name].more)
    if path == SNIPPETS / "stream" / path.name and path.name in ("openai_sdk.py", "openai.mjs", "litellm_client.py"):
        more |= {"stream_options": {"include_usage": True}} if path.name != "litellm_client.py" else {}
    expected = [more | body for body in expected_bodies(path)]
    for body in sent:
        if "max_completion_tokens" in body and kind(path) == "langchain":
            body["max_tokens"] = body.pop("max_completion_tokens")
    if path.parent.name == "async":  # in any order
        sent.sort(key=lambda body: expected.index(body) if body in expected else -1)
    if path.parent.name in ("conversation", "json"):  # the answer comes back, and a question follows
        first, answer, last = sent[1]["messages"][:-2], sent[1]["messages"][-2], sent[1]["messages"][-1]
        sent[1]["messages"] = first
        assert answer["role"] == "assistant"
        assert answer["content"] in done.printed or path.parent.name == "json"
        assert last["role"] == "user"
        assert (
            last["content"]
            == {
                "conversation": "And in France?",
                "json": "That was not valid JSON. Reply with the JSON object only.",
            }[path.parent.name]
        )
    assert sent == expected


def test_a_snippet_asks_the_right_route_with_the_right_headers(path, done):
    route, task = ROUTES[path.name], path.parent.name
    if path == SNIPPETS / "extra-parameters" / "litellm_client.py":
        route = replace(route, prefix="/v1")
    signing_in = [request for request in done.requests if request["path"] == "/msi/token"]
    others = [request for request in done.requests if request not in signing_in]
    assert {(request["path"], request["query"]) for request in others} == {
        (route.prefix + ("/info" if task == "model-info" else "/chat/completions"), route.query)
    }
    secrets = route.headers if task != "client-with-entra-id" else {"authorization"}
    for request in others:
        assert {"authorization", "api-key"} & set(request["headers"]) == secrets
        assert request["headers"]["authorization"] == "Bearer ***"
    if task == "client-with-entra-id":
        assert [parse_qs(request["query"])["resource"] for request in signing_in] == [["https://ml.azure.com"]]
    else:
        assert not signing_in
    passes = task == "extra-parameters" and route.query == API
    assert [request["headers"].get("extra-parameters") for request in others] == ["pass-through" if passes else None] * len(
        others
    )


def test_what_the_deploy_snippet_makes_answers_until_the_delete_snippet_has_run(tmp_path):
    import requests

    simulator = Simulator()
    try:
        subscription = simulator.azure.control_plane.subscription
        deployed = run(SNIPPETS / "deploy" / MANAGING, [sys.executable], simulator, tmp_path)
        assert deployed.code == 0, deployed.complained
        root = re.search(r"^AZURE_INFERENCE_ENDPOINT=(\S+)$", deployed.printed, re.MULTILINE)[1]
        endpoint = subscription.endpoint(simulator.azure.workspace, "my-phi4")
        made = endpoint.deployments["blue"]
        assert (made.request_timeout.total_seconds(), made.max_concurrent, made.instances) == (180, 16, 1)

        def ask() -> int:
            return requests.post(
                f"{root}/chat/completions",
                json={"messages": FRANCE},
                headers={"api-key": endpoint.keys["primaryKey"]},
                verify=simulator.variables()["REQUESTS_CA_BUNDLE"],
            ).status_code

        assert ask() == 200
        deleted = run(SNIPPETS / "delete" / MANAGING, [sys.executable], simulator, tmp_path)
        assert (deleted.code, deleted.printed.splitlines()[-1]) == (0, "left: []"), deleted.complained
        assert ask() == 404
        assert not re.search(r"simulated-(?:key|token)-", deployed.printed + deployed.complained + deleted.printed)
    finally:
        simulator.stop()


def test_the_deploy_snippet_makes_nothing_for_somebody_who_has_not_agreed(tmp_path):
    simulator = Simulator()
    try:
        variables = simulator.variables() | {"AZURE_MAX_USD_PER_HOUR": "3"}
        simulator.variables = lambda: variables
        done = run(SNIPPETS / "deploy" / MANAGING, [sys.executable], simulator, tmp_path)
        assert done.code != 0 and "not agreed" in done.complained
        assert {request["path"] for request in done.requests} <= {"/metadata/endpoints"}  # asked when it is imported
    finally:
        simulator.stop()


def test_a_snippet_prints_no_secret(done):
    assert not re.search(r"simulated-(?:key|token)-", done.printed + done.complained)


@pytest.mark.parametrize(
    "path", [path for path in EXECUTED if path.parent.name == "errors-and-retries"], indirect=True, ids=lambda path: path.name
)
def test_a_snippet_tries_again_when_the_endpoint_is_unavailable(path, done):
    statuses = [request["status"] for request in done.requests]
    assert statuses[:2] == [503, 200]
    assert statuses[-1] == 422


# C#: read, not run


@pytest.mark.parametrize("path", snippet_files((".cs",)), ids=lambda path: path.parent.name)
def test_a_csharp_snippet_parses_and_describes_the_same_requests(path):
    tree = csharp.parse(path.read_text(encoding="utf-8"))
    assert not tree.has_error
    assert csharp.unknown_names(tree) == []
    expected = expected_bodies(path.with_name("javascript.mjs")) if path.parent.name != "model-info" else [{}]
    described = csharp.requests_of(tree)
    if path.parent.name == "async":  # one function, called twice
        described = [json.loads(json.dumps(described[0]).replace("{country}", country)) for country in ("France", "Japan")]
    if path.parent.name == "conversation":
        *described[1]["messages"], answer, question = described[1]["messages"]
        assert [answer, question["content"]] == [{"role": "assistant", "content": "{first.Value.Content}"}, "And in France?"]
    assert described == expected[: 1 if path.parent.name == "json" else None]  # the loop's second turn is not read


@pytest.mark.parametrize(
    ("code", "complaint"),
    [
        ("var client = new ChatCompletionClient(uri);", "ChatCompletionClient"),
        ("Console.WriteLine(response.Value.Choices);", "Choices"),
        ("var options = new ChatCompletionsOptions { TopP = 1 };", "TopP"),
        ("Response<Completions> response = x;", "Completions"),
    ],
)
def test_csharp_names_that_the_package_lacks_are_noticed(code, complaint):
    assert csharp.unknown_names(csharp.parse(code)) == [complaint]


def test_csharp_that_does_not_parse_is_noticed():
    assert csharp.parse("var client = new ChatCompletionsClient(;").has_error


# The lessons


def sdk_calls(code: str, names: list[str]) -> list[str]:
    """The calls of the named functions, in order: each as text, with names replaced by what was last assigned to them.

    A function is told by its last name or, if imported under another, by the name it was imported by. So that both ways
    of passing the first two arguments of a client read alike, ``endpoint=`` and ``credential=`` are written as positions.
    The header by which a lesson asks for a fault is left out.
    """
    values: dict[str, ast.expr] = {}
    imported: dict[str, str] = {}
    found: list[str] = []

    class Resolve(ast.NodeTransformer):
        def visit_Name(self, node: ast.Name) -> ast.expr:
            return values.get(node.id, node)

    def resolved(node: ast.expr) -> ast.expr:
        return Resolve().visit(ast.parse(ast.unparse(node), mode="eval").body)

    def visit(node: ast.AST) -> None:
        for child in ast.iter_child_nodes(node):
            visit(child)
        if isinstance(node, ast.ImportFrom):
            imported.update({alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names})
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            values[node.targets[0].id] = resolved(node.value)
        elif isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else ast.unparse(node.func)
            called = imported.get(called, called)
            if called.split(".")[-1] in names:
                whole = resolved(node)
                keywords = {keyword.arg: ast.unparse(keyword.value) for keyword in whole.keywords}
                if "x-simulated-fault" in keywords.get("headers", ""):
                    del keywords["headers"]
                positions = [ast.unparse(argument) for argument in whole.args]
                positions += [keywords.pop(name) for name in ("endpoint", "credential") if name in keywords]
                arguments = [*positions, *(f"{name}={keywords[name]}" for name in sorted(keywords))]
                found.append(f"{called}({', '.join(arguments)})")

    visit(ast.parse(code))
    return found


def lesson_calls(tie: dict) -> list[str]:
    """The calls of the cells that a tie names; "given" cells before them only give names their values."""
    cells = {cell.id: cell.source for cell in nbformat.read(ROOT / "notebooks" / f"{tie['lesson']}.ipynb", 4).cells}
    wanted = [*tie.get("given", []), *tie["cells"]]
    assert set(wanted) <= set(cells), f"{tie['lesson']} has no such cell"
    code, found = "", []
    for cell in sorted(wanted, key=[*cells].index):
        before, code = sdk_calls(code, tie["calls"]), f"{code}\n{cells[cell]}"
        if cell in tie["cells"]:
            found += sdk_calls(code, tie["calls"])[len(before) :]
    return [call for call in found if call not in tie.get("besides", [])]


@pytest.mark.parametrize("task", [task["folder"] for task in DATA["task"] if task["folder"] not in ("deploy", "delete")])
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
    there = {(path.parent.name, path.name) for path in snippet_files()}
    assert there | set(reasons(DATA)) == cells
    assert there & set(reasons(DATA)) == set()


def test_no_file_lies_here_that_no_table_names():
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "snippets"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    files = {ROOT / line for line in listed.stdout.splitlines() if (ROOT / line).is_file()}
    rest = {str(path.relative_to(SNIPPETS)).replace("\\", "/") for path in files - set(snippet_files())}
    locks = {f"environments/{name}/{file}" for name in ("langchain", "litellm") for file in ("pyproject.toml", "uv.lock")}
    assert rest == {"README.md", "snippets.toml", "package.json", "package-lock.json", *locks}


def test_the_page_is_what_the_folder_holds():
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python -m uv run python tests/snippets_table.py"


@pytest.mark.parametrize("path", snippet_files(), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_snippet_opens_with_its_two_lines_and_is_short(path):
    code = path.read_text(encoding="utf-8")
    first, second, *rest = code.splitlines()
    mark = "//" if path.suffix in (".mjs", ".cs") else "#"
    assert second.startswith(f"{mark} Needs AZURE_" + ("SUBSCRIPTION_ID" if path.name == MANAGING else "INFERENCE_ENDPOINT"))
    assert not rest[0].startswith(mark)
    lines = [line for line in rest if line.strip() and not line.startswith(mark)]
    assert SHORTEST <= len(lines) <= LONGEST
    if path.suffix == ".cs":
        assert first.startswith("// Not executed, only parsed: for Azure.AI.Inference 1.0.0-beta.5")
        return
    package = next(client.get("package") for client in DATA["client"] if client["file"] == path.name)
    known = f"{package} {locked_version(package, kind(path))}" if package else r"curl \d+\.\d+\.\d+"
    assert re.match(rf"{mark} Last run with {known if not package else re.escape(known)}\b.* on \d+ \w+ \d{{4}}\.$", first), known


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
    found = re.findall(r'"resolved": "https?://([^/"]+)|(?:url|registry) = "https?://([^/"]+)', text)
    assert {npm or pypi for npm, pypi in found} == hosts
