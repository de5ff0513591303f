"""snippets/migrate: what the inventory finds, what compare.py tells, and that both files agree.

The programs run in processes of their own, over a real socket, on both simulated servers.
"""

from __future__ import annotations

import importlib.util
import itertools
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
from snippet_runs import (
    TRUST,
    Endpoint,
    Runner,
    Visit,
    as_usual,
    kept_variables,
    refusing,
    with_fault,
)

from simulated_azure.http import Request, Response
from tools.snippets_table import SNIPPETS

FOLDER = SNIPPETS / "migrate"
SERVER_HEADER = "x-simulated-server"
KEY = "0123456789abcdef0123456789abcdef"


@pytest.fixture(scope="module")
def inventory() -> ModuleType:
    """Return the inventory program as a module."""
    spec = importlib.util.spec_from_file_location("migrate_inventory", FOLDER / "inventory.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look there
    spec.loader.exec_module(module)
    return module


def run_inventory(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the program with nothing but the standard library."""
    command = [sys.executable, "-I", "-S", "-X", "utf8", FOLDER / "inventory.py", *arguments]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8")


def write(folder: Path, files: dict[str, str | bytes]) -> Path:
    """Write files into a folder, with the folders that they need."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


# The inventory. Each line that is a use names its kinds in a comment: "#! kind, kind".

APP = '''\
import logging
import azure.ai.inference as inference  #! import
from azure.ai.inference import ChatCompletionsClient, EmbeddingsClient, load_client  #! import
from azure.ai.inference import ImageEmbeddingsClient  #! import
from azure.ai.inference.aio import ChatCompletionsClient as AsyncClient  #! import
from azure.ai.inference.models import *  #! import
from azure.ai.inference.models import CompletionsFinishReason, ImageContentItem, ImageUrl  #! import
from azure.ai.inference.models import JsonSchemaFormat, ToolMessage, UserMessage  #! import
from azure.ai.inference.prompts import PromptTemplate  #! prompt template
from azure.ai.inference.tracing import AIInferenceInstrumentor  #! tracing
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import HttpResponseError, ServiceRequestError
from azure.core.settings import settings  #! tracing
from langchain_azure_ai.chat_models import AzureAIChatCompletionsModel  #! other package

client = ChatCompletionsClient(  #! client
    "https://ada.services.ai.azure.com/models",  #! address
    AzureKeyCredential("secret"),  #! key
    api_version="2024-05-01-preview",  #! api_version
    credential_scopes=["https://cognitiveservices.azure.com/.default"],  #! credential_scopes
    logging_enable=True,  #! logging_enable
    read_timeout=5,  #! option
    temperature=0,  #! option
)
AIInferenceInstrumentor().instrument()  #! tracing
settings.tracing_implementation = "opentelemetry"
logging.getLogger("azure")  #! logger
prompt = PromptTemplate.from_string("Hi {{name}}")  #! prompt template
image = ImageContentItem(image_url=ImageUrl.load("a.png", "png"))  #! images
schema = JsonSchemaFormat(name="a", schema={})  #! response format
vectors = EmbeddingsClient("e", None).embed(input=["a"])  #! embeddings
pictures = ImageEmbeddingsClient("e", None)  #! image embeddings
other = load_client("e", None)  #! load_client
print(client.get_model_info().model_name)  #! get_model_info
try:
    reply = client.complete(  #! call
        messages=[UserMessage("Hi"), ToolMessage("1")],  #! message, tools
        tools=[],  #! tools
        response_format="text",  #! response format
        model_extras={"logprobs": True},  #! extras
    )
    print(reply.choices[0]["logprobs"], reply.usage["total_tokens"])  #! reading
    print(reply.choices[0].finish_reason == CompletionsFinishReason.STOPPED)  #! reply
    for chunk in client.complete(messages=[], stream=True):  #! call, stream
        print(chunk.choices[0].delta.content)  #! stream loop
except HttpResponseError:  #! exception
    raise
except (ValueError, ServiceRequestError) as error:  #! exception
    raise


async def ask():
    async with AsyncClient("e", None) as client:  #! client
        await client.complete(messages=[])  #! call


def again(asker: inference.ChatCompletionsClient):  #! client
    """A docstring about azure-ai-inference."""  #! mention
    with patch("azure.ai.inference.ChatCompletionsClient.complete"):  #! name in a string
        return asker.complete(messages=[])  #! call
'''
TREE = {
    "app.py": APP,
    "passed_on.py": "def ask(client):\n    return client.complete(messages=[])  #! call perhaps\n",
    "unrelated.py": "future.complete()\ntask.embed(1)\nraise HttpResponseError\n",
    "requirements.txt": "azure-ai-inference==1.0.0b9  #! dependency\nrequests\n",
    "pyproject.toml": 'dependencies = ["azure_ai_inference[opentelemetry]"]  #! dependency\n',
    "uv.lock": 'name = "azure-ai-inference"  #! dependency\nurl = "https://a/azure_ai_inference-1"\n',
    "web/package.json": '{"@azure-rest/ai-inference": "1"}  #! other language\n',
    "README.md": "We use azure-ai-inference.  #! mention\n",
    ".env.example": "URL=https://models.inference.ai.azure.com  #! address\n",
    "other.py": 'URL = "https://ada.services.ai.azure.com/models"  #! address perhaps\n',
    ".venv/lib/site.py": "import azure.ai.inference\n",
    "node_modules/a.py": "import azure.ai.inference\n",
}


def expected(tree: dict[str, str]) -> set[tuple[str, int, str]]:
    """Return (path, line, kind) of each use that the comments of the files name."""
    uses = set()
    for path, text in tree.items():
        for number, line in enumerate(text.splitlines(), 1):
            kinds = line.partition("#! ")[2]
            uses |= {(path, number, kind) for kind in kinds.split(", ") if kind}
    return uses


def named(use) -> tuple[str, int, str]:
    return use.path, use.line, use.kind if use.certain else f"{use.kind} perhaps"


def test_the_inventory_finds_each_use_at_its_line_and_nothing_else(inventory, tmp_path):
    result = inventory.take_inventory(write(tmp_path, TREE))
    assert {named(use) for use in result.uses} == expected(TREE)
    assert result.unread == {}


def test_the_tree_holds_every_kind_of_use(inventory):
    assert {kind.removesuffix(" perhaps") for _, _, kind in expected(TREE)} == set(inventory.ADVICE)


def test_each_exception_and_option_names_its_successor(inventory, tmp_path):
    uses = inventory.take_inventory(write(tmp_path, TREE)).uses
    advice = {(use.kind, use.line): use.advice for use in uses if use.path == "app.py"}
    lines = APP.splitlines()
    handler = lines.index("except HttpResponseError:  #! exception") + 1
    assert "openai.APIStatusError" in advice["exception", handler]
    assert "timeout=" in advice["option", lines.index("    read_timeout=5,  #! option") + 1]


@pytest.mark.parametrize(
    "loop",
    [
        "for u in s:\n    if u.choices:\n        print(u.choices[0])",
        "for u in s:\n    if not u.choices:\n        continue\n    print(u.choices[0])",
        "for u in s:\n    print(u.choices[0] if u.choices else '')",
        "for u in s:\n    if len(u.choices) > 0 and u.choices[0].delta:\n        print(1)",
        "x = [u.choices[0] for u in s if u.choices]",
        "for u in s:\n    for choice in u.choices:\n        print(choice)",
        "for choice in reply.choices:\n    print(choice)",
    ],
)
def test_a_loop_that_looks_for_choices_first_is_no_finding(loop, inventory, tmp_path):
    code = f"from azure.ai.inference import ChatCompletionsClient\n{loop}\n"
    uses = inventory.take_inventory(write(tmp_path, {"a.py": code})).uses
    assert [use.kind for use in uses] == ["import"]


@pytest.mark.parametrize(
    "loop",
    [
        "for u in s:\n    print(u.choices[0])",
        "async def f():\n    async for u in s:\n        print(u.choices[0].delta)",
        "x = [u.choices[0] for u in s]",
        "for u in s:\n    if u.choices[0].delta:\n        print(u.choices[0].delta)",
        "for u in s:\n    if u.usage:\n        print(u.choices[0].delta)",
    ],
)
def test_a_loop_that_takes_the_first_choice_unseen_is_a_finding(loop, inventory, tmp_path):
    code = f"from azure.ai.inference import ChatCompletionsClient\n{loop}\n"
    uses = inventory.take_inventory(write(tmp_path, {"a.py": code})).uses
    assert [use.kind for use in uses] == ["import", "stream loop"]


def test_a_key_beside_another_azure_client_may_be_that_clients(inventory, tmp_path):
    code = (
        "from azure.ai.inference import ChatCompletionsClient\n"
        "from azure.core.credentials import AzureKeyCredential\n"
        "from azure.search.documents import SearchClient\n"
        "SearchClient(AzureKeyCredential(key))\n"
    )
    uses = inventory.take_inventory(write(tmp_path, {"a.py": code})).uses
    assert [(use.kind, use.certain) for use in uses] == [("import", True), ("key", False)]


def notebook(*cells: str) -> str:
    return json.dumps(
        {"cells": [{"cell_type": "code", "source": cell.splitlines(True)} for cell in cells]}
    )


def test_in_a_notebook_uses_have_cell_and_line_also_across_cells(inventory, tmp_path):
    text = notebook(
        "%pip install azure-ai-inference\nimport os",
        "from azure.ai.inference import ChatCompletionsClient",
        "!ls\nclient = ChatCompletionsClient(a, b)",
        "await client.complete(messages=[])",
    )
    uses = inventory.take_inventory(write(tmp_path, {"a.ipynb": text})).uses
    assert [(use.cell, use.line, use.kind) for use in uses] == [
        (1, 1, "dependency"),
        (2, 1, "import"),
        (3, 2, "client"),
        (4, 1, "call"),
    ]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("python2.py", "from azure.ai.inference import X\nprint 'Hi'\n"),
        ("nul.py", "import azure.ai.inference\n\0\n"),
        ("latin.py", b"import azure.ai.inference\nx = '\xe4'\n"),
        ("codec.py", b"# coding: no-such-codec\nimport azure.ai.inference\n"),
        ("deep.py", "import azure.ai.inference\nx = " + "(" * 5000 + ")" * 5000),
        ("sum.py", "import azure.ai.inference\nx = " + "+".join("1" * 9000)),
        ("list.ipynb", '["azure-ai-inference"]'),
        ("half.ipynb", '{"cells": [{"azure-ai-inference": '),
        ("cell.ipynb", notebook("from azure.ai.inference import (\n", "import os")),
        (
            "numbers.ipynb",
            '{"cells": [{"cell_type": "code", "source": 5}, 7], "azure-ai-inference": 1}',
        ),
    ],
)
def test_a_file_that_cannot_be_parsed_is_named_and_ends_nothing(name, content, tmp_path):
    write(tmp_path, {name: content, "z.py": "import azure.ai.inference\n"})
    run = run_inventory(tmp_path)
    assert (run.returncode, run.stderr) == (1, "")
    assert f"Could not be read: {name} (" in run.stdout
    assert "z.py\n     1  import" in run.stdout


def test_the_exit_status_is_0_only_if_nothing_is_left(tmp_path):
    assert run_inventory(FOLDER / "before.py").returncode == 1
    assert run_inventory(FOLDER / "after.py").returncode == 0
    text = "We left azure-ai-inference.\n"
    assert run_inventory(write(tmp_path, {"CHANGELOG.md": text})).returncode == 0
    write(tmp_path, {"bad.py": "x = project.get_chat_completions_client(\n"})
    assert run_inventory(tmp_path).returncode == 1
    missing = run_inventory(tmp_path / "nowhere")
    assert missing.returncode == 2
    assert "Name a folder or a file." in missing.stderr


def test_json_holds_what_the_list_shows(inventory, tmp_path):
    write(tmp_path, TREE)
    run = run_inventory(tmp_path, "--json")
    data = json.loads(run.stdout)
    result = inventory.take_inventory(tmp_path)
    assert [use["line"] for use in data["uses"]] == [use.line for use in result.uses]
    assert data["left"] == len(result.left()) == sum(data["counts"].values()) - 5  # do not count
    assert run.returncode == 1
    shown = " ".join(run_inventory(tmp_path).stdout.split())  # the list breaks long lines
    for use in data["uses"]:
        assert " ".join(use["code"].split()) in shown and use["advice"] in shown


@pytest.mark.parametrize(
    "line",
    [
        f'client = ChatCompletionsClient(e, AzureKeyCredential("{KEY}"))',
        "client = ChatCompletionsClient(e, AzureKeyCredential('hunter2'))",
        'client = ChatCompletionsClient(e, AzureKeyCredential(key="hunter2 with spaces"))',
        f"client = ChatCompletionsClient(e, c, headers={{'api-key': '{KEY}'}})",
        "client = ChatCompletionsClient(e, c, headers={'Authorization': 'Bearer hunter2-hunter2'})",
        f"client = ChatCompletionsClient('https://h/?code={KEY}', c)",
        "client = ChatCompletionsClient('https://ada:hunter2@h/', c)",
        'client = ChatCompletionsClient(e, credential="ghp_x0123456789abcde.fghij0123456789")',
        f"client = ChatCompletionsClient(e, c)  # {KEY}",
    ],
)
def test_nothing_that_may_be_a_key_is_printed(line, inventory, tmp_path):
    code = (
        "from azure.ai.inference import ChatCompletionsClient\n"
        "from azure.core.credentials import AzureKeyCredential\n" + line
    )
    write(tmp_path, {"a.py": code})
    result = inventory.take_inventory(tmp_path)
    for text in (inventory.report(result), inventory.as_json(result)):
        assert "ChatCompletionsClient(" in text
        assert not [secret for secret in (KEY, "hunter2", "ghp_0") if secret in text]


# Both files, and compare.py


@pytest.fixture(scope="module")
def endpoint(assistant) -> Iterator[Endpoint]:
    """Yield an endpoint that all programs of this file visit."""
    endpoint = Endpoint(assistant)
    yield endpoint
    endpoint.stop()


@pytest.fixture(scope="module")
def execute(endpoint, tmp_path_factory) -> Iterator[Callable]:
    """Yield a function that runs a program of the folder: (exit status, stdout, stderr)."""
    home = tmp_path_factory.mktemp("home")
    runner = Runner("python", [sys.executable], home)

    def run(manner: Callable, *arguments: str, **changes: str | None) -> tuple[int, str, str]:
        values = endpoint.variables(endpoint.visit(manner))
        names = (*TRUST, "AZURE_INFERENCE_ENDPOINT", "AZURE_INFERENCE_CREDENTIAL")
        kept = {name: values[name] for name in names if name in values} | changes
        variables = kept_variables(home) | {k: v for k, v in kept.items() if v is not None}
        program, *rest = arguments
        path = FOLDER / program if program.endswith(".py") else FOLDER / "compare.py"
        with tempfile.TemporaryFile() as stdin, tempfile.TemporaryFile() as stderr:
            words = [program if program == "-c" else str(path), *rest]
            with runner.start([path], words, home, variables, stdin, stderr) as process:
                stdout = process.stdout.read()
                code = process.wait()
            stderr.seek(0)
            return code, stdout.decode(), stderr.read().decode()

    yield run
    runner.close()


@pytest.mark.parametrize("name", ["inventory", "compare"])
def test_the_examples_of_a_program_are_true(name, execute):
    code = f"""
import doctest, sys
sys.path.insert(0, {str(FOLDER)!r})
import {name}
print(doctest.testmod({name}))
"""
    _, stdout, stderr = execute(as_usual, "-c", code)
    results = re.search(r"failed=(\d+), attempted=(\d+)", stdout)
    assert results, stderr
    assert results[1] == "0"
    assert int(results[2]) > 0


def on_server(server: str) -> Callable:
    """Return a manner in which this server answers."""

    def manner(visit: Visit, request: Request, handle: Callable) -> Response:
        return handle(replace(request, headers={**request.headers, SERVER_HEADER: server}))

    return manner


def model_on(endpoint: Endpoint, server: str) -> str | None:
    """Return the model's name that a server lists, None if it lists none."""
    import requests

    simulator = endpoint.simulator
    reply = requests.get(
        f"{endpoint.variables(endpoint.visit(on_server(server)))['AZURE_INFERENCE_ENDPOINT']}/v1/models",
        headers={"authorization": f"Bearer {simulator.azure.key}"},
        verify=simulator.variables()["REQUESTS_CA_BUNDLE"],
        timeout=60,
    )
    return reply.json()["data"][0]["id"] if reply.ok else None


@pytest.mark.parametrize("server", ["inference", "serve"])
def test_the_file_prints_the_same_before_and_after_the_move(server, endpoint, execute):
    model = model_on(endpoint, server)
    before, after = [
        execute(on_server(server), name, AZURE_INFERENCE_MODEL=model)
        for name in ("before.py", "after.py")
    ]
    assert before == after
    assert (before[0], before[2]) == (0, "")
    lines = before[1].splitlines()
    assert lines[2:4] == ["The capital of France is Paris.", "22 tokens"]
    assert lines[-2:] == [
        "{'city': 'Paris', 'country': 'France', 'population_millions': 2.1}",
        "status 400",
    ]


@pytest.mark.parametrize(("manner", "said"), [(refusing, "status 401"), (None, "no answer: ")])
def test_the_file_explains_failures_before_and_after_the_move(manner, said, endpoint, execute):
    changes = {} if manner else {"AZURE_INFERENCE_ENDPOINT": endpoint.nowhere}
    for name in ("before.py", "after.py"):
        code, stdout, stderr = execute(manner or as_usual, name, **changes)
        assert (code, stderr) == (0, "")
        assert stdout.startswith(said)


@pytest.mark.parametrize("server", ["inference", "serve"])
def test_compare_finds_the_recorded_prompts_the_same(server, execute):
    code, stdout, stderr = execute(on_server(server), "compare.py", str(FOLDER / "prompts.jsonl"))
    lines = stdout.splitlines()
    assert lines[:4] == [f"{number}: same (stop)" for number in range(1, 5)]
    if lines[4] == "5: same (status 422)":
        assert (code, lines[5]) == (0, "5 same, 0 different, 0 unstable")
    else:  # the engine of "serve" refuses with another status than its server
        assert server == "serve"
        assert lines[5:] == [
            "   error: old 'status 422', new 'status 400'",
            "4 same, 1 different, 0 unstable",
        ]
        assert code == 1
    assert stderr == ""


def changing_text(route: str, texts: Iterator[str]) -> Callable:
    """Return a manner in which answers of a route have these texts."""

    def manner(visit: Visit, request: Request, handle: Callable) -> Response:
        response = handle(request)
        if request.path != route or response.status != 200:
            return response
        content = json.loads(response.body)
        content["choices"][0]["message"]["content"] = next(texts)
        return replace(response, body=json.dumps(content).encode())

    return manner


@pytest.fixture
def one_prompt(tmp_path) -> str:
    """Return the path of a file with one prompt."""
    path = tmp_path / "one.jsonl"
    path.write_text('{"messages": [{"role": "user", "content": "Hello"}]}\n', encoding="utf-8")
    return str(path)


def test_compare_shows_a_difference_and_ends_with_1(execute, one_prompt):
    manner = changing_text("/v1/chat/completions", itertools.repeat("Changed."))
    code, stdout, _ = execute(manner, "compare.py", one_prompt)
    assert code == 1
    assert stdout.splitlines()[0] == "1: different"
    assert "new 'Changed.'" in stdout.splitlines()[1]
    assert stdout.splitlines()[-1] == "0 same, 1 different, 0 unstable"


def test_compare_calls_a_prompt_unstable_whose_old_answers_differ_themselves(execute, one_prompt):
    manner = changing_text("/chat/completions", map(str, itertools.count()))
    code, stdout, _ = execute(manner, "compare.py", one_prompt)
    assert code == 0
    assert stdout.splitlines()[-1] == "0 same, 0 different, 1 unstable"


def test_compare_reports_a_failure_of_one_client_only(execute, one_prompt):
    def manner(visit: Visit, request: Request, handle: Callable) -> Response:
        broken = request.path == "/v1/chat/completions"
        return handle(with_fault("404", request) if broken else request)

    code, stdout, _ = execute(manner, "compare.py", one_prompt)
    assert code == 1
    assert "error: old '', new 'status 404'" in stdout


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        ("", "holds no prompts"),
        ('{"messages": []}\nHello\n', "line 2: no JSON"),
        ('["Hello"]\n', 'line 1: expected an object such as {"messages": [...]}'),
        (None, "cannot be read"),
    ],
)
def test_compare_says_what_is_wrong_with_its_file(lines, complaint, execute, tmp_path):
    path = tmp_path / "prompts.jsonl"
    if lines is not None:
        path.write_text(lines, encoding="utf-8")
    code, stdout, stderr = execute(as_usual, "compare.py", str(path))
    assert (code, stdout) == (2, "")
    assert complaint in stderr


def test_compare_without_a_key_says_which_variable_is_missing(execute, one_prompt):
    code, _, stderr = execute(as_usual, "compare.py", one_prompt, AZURE_INFERENCE_CREDENTIAL=None)
    assert code == 2
    assert "the variable AZURE_INFERENCE_CREDENTIAL is not set" in stderr


def test_compare_prints_no_key(execute, one_prompt):
    for manner in (refusing, as_usual):
        _, stdout, stderr = execute(
            manner, "compare.py", one_prompt, AZURE_INFERENCE_CREDENTIAL=KEY
        )
        assert KEY not in stdout + stderr
