"""C# snippets: they parse, and hold the same questions and settings as the JavaScript ones.

Where .NET 10 is installed, all of them run. Elsewhere that one test is skipped, also where nothing
else may be: Debian has no package of .NET, and neither the kit nor its tests install one.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import tree_sitter_c_sharp
from snippet_runs import TRUST, Endpoint, kept_variables, variables_for
from test_snippets import (
    CORRECTION,
    ERRORS,
    Answer,
    Job,
    answers,
    expected_bodies,
    expected_print,
    manner_for,
)
from toolchain import variables_of_installers
from tree_sitter import Language, Parser

from tools.snippets_table import snippet_files

__all__ = ["answers"]  # a fixture

FILES = snippet_files((".cs",))
SETTINGS = {  # property of the options -> name of a number in the request
    "Temperature": "temperature",
    "MaxTokens": "max_tokens",
    "MaxOutputTokenCount": "max_tokens",  # sent as max_completion_tokens
    "NucleusSamplingFactor": "top_p",
    "TopP": "top_p",
    "PresencePenalty": "presence_penalty",
    "FrequencyPenalty": "frequency_penalty",
}
MESSAGE = re.compile(r'\b(?:ChatRequest)?(System|User)(?:Chat)?Message\(\$?"([^"]+)"\)')
SETTING = re.compile(rf"\b({'|'.join(SETTINGS)}) = ([\d.]+)f?")
DIRECTIVE = re.compile(r"^#:.*$", re.MULTILINE)  # of a program in one file
LONGEST_RUN = 600  # seconds
TEXT = "response.Content[0].Text"
VALUE = "response.Value.Content"
PRINTED = {  # task -> what a file writes: by Azure.AI.Inference, by OpenAI
    "client-with-key": ([VALUE], [TEXT]),
    "client-with-entra-id": ([VALUE], [TEXT]),
    "model-info": (
        [
            '$"Model name: {info.Value.ModelName}"',
            '$"Model type: {info.Value.ModelType}"',
            '$"Model provider name: {info.Value.ModelProviderName}"',
        ],
        [],
    ),
    "completion": (
        [
            '$"Response: {response.Value.Content}"',
            '$"Model: {response.Value.Model}"',
            '$"Prompt tokens: {response.Value.Usage.PromptTokens}"',
            '$"Completion tokens: {response.Value.Usage.CompletionTokens}"',
        ],
        [
            '$"Response: {response.Content[0].Text}"',
            '$"Model: {response.Model}"',
            '$"Prompt tokens: {response.Usage.InputTokenCount}"',
            '$"Completion tokens: {response.Usage.OutputTokenCount}"',
        ],
    ),
    "conversation": (
        ["first.Value.Content", "second.Value.Content"],
        ["first.Content[0].Text", "second.Content[0].Text"],
    ),
    "stream": (
        ["update.ContentUpdate", r'$"\n{update.Usage.CompletionTokens} tokens"'],
        ["part.Text", r'$"\n{update.Usage.OutputTokenCount} tokens"'],
    ),
    "parameters": (
        [VALUE, '$"Finish reason: {response.Value.FinishReason}"'],
        [TEXT, '$"Finish reason: {response.FinishReason}"'],
    ),
    "extra-parameters": (
        [VALUE, """$"{item!["logprob"]!.GetValue<double>(),8:F4}  {item["token"]}\""""],
        [TEXT, '$"{item.LogProbability,8:F4}  {item.Token}"'],
    ),
    "json": (
        ['document.RootElement.GetProperty("city")', '"No valid JSON in three attempts."'],
        ['document.RootElement.GetProperty("city")', '"No valid JSON in three attempts."'],
    ),
    ERRORS: (
        [
            "reply.Content",
            '$"Status {error.Status} {error.GetRawResponse()?.Content}"',
            '$"No answer at all: {error.InnerException?.Message}"',
        ],
        [
            "reply.Content[0].Text",
            '$"Status {error.Status} {error.GetRawResponse()?.Content}"',
            '$"No answer at all: {error.InnerException?.Message}"',
        ],
    ),
    "async": (["answer"], ["answer"]),
}
ONCE = {  # what a C# snippet must hold besides, since nobody sees it run
    "json": [
        "attempt <= 3; attempt++",
        "return;",
        "ChatMessage(answer)|ChatRequestAssistantMessage(answer)",
        CORRECTION["content"],
    ],
    "stream": ["is not null"],
    ERRORS: [
        "MaxRetries = 5|ClientRetryPolicy(5)",
        "catch (RequestFailedException|catch (ClientResultException",
        "AggregateException",
    ],
}
PACKAGES = {"csharp.cs": "Azure.AI.Inference@1.0.0-beta.5", "csharp_openai.cs": "OpenAI@2.15.0"}
IDENTITY = "Azure.Identity@1.21.0"
each_file = pytest.mark.parametrize(
    "path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}"
)


def has_syntax_error(code: str) -> bool:
    """Return True if code is not C#, apart from the directives of a program in one file."""
    parser = Parser(Language(tree_sitter_c_sharp.language()))
    return parser.parse(DIRECTIVE.sub("", code).encode()).root_node.has_error


def messages_in(code: str) -> set[tuple[str, str]]:
    """Return (role, text) of the messages that stand in the code."""
    return {(role.lower(), text) for role, text in MESSAGE.findall(code)}


def numbers_in(code: str) -> set[tuple[str, float]]:
    """Return (name in the request, value) of the settings that stand in the code."""
    return {(SETTINGS[name], float(value)) for name, value in SETTING.findall(code)}


@each_file
def test_a_csharp_snippet_parses(path):
    assert not has_syntax_error(path.read_text(encoding="utf-8"))


def test_csharp_that_does_not_parse_is_noticed():
    assert has_syntax_error("var client = new ChatCompletionsClient(;")


@each_file
def test_a_csharp_snippet_is_a_program_that_names_its_packages(path):
    code = path.read_text(encoding="utf-8")
    expected = [PACKAGES[path.name]]
    if "using Azure.Identity;" in code:
        expected.append(IDENTITY)
    assert re.findall(r"^#:package (\S+)$", code, re.MULTILINE) == expected
    lines = [line for line in code.splitlines() if not line.startswith("//")]
    assert all(line.startswith("#:package ") for line in lines[: len(expected)])  # or it fails


@each_file
def test_a_csharp_snippet_prints_what_the_others_print(path):
    task, code = path.parent.name, path.read_text(encoding="utf-8")
    expected = PRINTED[task][path.name == "csharp_openai.cs"]
    assert re.findall(r"Console\.Write(?:Line)?\((.*?)\);", code) == expected
    parts = [part.split("|") for part in ONCE.get(task, [])]
    assert [part for part in parts if max(map(code.count, part)) != 1] == []


@each_file
def test_a_csharp_snippet_has_a_time_out_and_looks_at_the_finish_reason(path):
    code = path.read_text(encoding="utf-8")
    assert code.count("NetworkTimeout = TimeSpan.FromSeconds(60)") == 1
    if path.parent.name == "model-info":
        return
    assert 'Environment.GetEnvironmentVariable("AZURE_INFERENCE_MODEL")' in code
    answers = len(re.findall(r"client\.Complete(?:Chat)?(?:Streaming)?(?:Async)?\(", code))
    assert len(re.findall(r"if \(\S*[rR]eason != |Finish reason: ", code)) == answers


@each_file
def test_a_csharp_snippet_sends_the_messages_and_numbers_of_the_javascript_one(path):
    text = path.read_text(encoding="utf-8")
    code = "".join(text.replace("{country}", country) for country in ("France", "Japan"))
    bodies = expected_bodies(path.with_name("javascript.mjs"))
    assert messages_in(code) == {
        (message["role"], message["content"]) for body in bodies for message in body["messages"]
    }
    assert numbers_in(code) == {
        (name, value)
        for body in bodies
        for name, value in body.items()
        if name in SETTINGS.values()
    }


def test_extra_parameters_of_the_openai_package_travel_with_the_header_for_them():
    extras = re.compile("MaxOutputTokenCount|IncludeLogProbabilities|CompleteChatStreaming")
    for path in FILES:
        code = path.read_text(encoding="utf-8")
        if path.name == "csharp_openai.cs":
            sets = code.count('Headers.Set("extra-parameters", "pass-through")')
            assert sets == (2 if extras.search(code) else 0), path  # with and without waiting
            assert ("limits.AddPolicy(new PassThrough()" in code) == bool(sets), path


# Where .NET 10 is installed


def dotnet() -> str:
    """Return the program of .NET. Skip the test if it is absent or cannot run a file."""
    program = shutil.which("dotnet")
    if not program:
        pytest.skip(".NET is not here, and Debian has no package of it")
    version = subprocess.run([program, "--version"], capture_output=True, text=True).stdout
    if int(version.partition(".")[0] or 0) < 10:
        pytest.skip(f"only .NET 10 runs a program that is one file, and this is {version.strip()}")
    return program


def expected_output(path: Path, answers: dict[str, Answer]) -> str:
    """Return what a C# snippet has to print."""
    if path.parent.name == "extra-parameters":
        france = next(answer for answer in answers.values() if answer.logprobs)
        rows = [f"{row['logprob']:8.4f}  {row['token']}" for row in france.logprobs]
        return "".join(f"{line}\n" for line in [france.text, *rows])
    text = expected_print(path, answers)
    if path.name == "csharp_openai.cs":
        text = text.replace("Finish reason: stop", "Finish reason: Stop")
    return text


def differs(
    path: Path, program: str, endpoint: Endpoint, home: Path, answers: dict[str, Answer]
) -> str:
    """Build and run a C# snippet. Return what is wrong with it, or nothing."""
    build = subprocess.run(
        [program, "build", str(path)],
        env=variables_of_installers(),
        capture_output=True,
        text=True,
        timeout=LONGEST_RUN,
    )
    if build.returncode:
        return build.stdout + build.stderr
    visit = endpoint.visit(manner_for(Job((path,))))
    own = {name: os.environ[name] for name in ("DOTNET_ROOT",) if name in os.environ}
    variables = kept_variables(home) | variables_for([path], endpoint, visit) | own
    assert set(TRUST) <= set(variables)
    variables |= {"DOTNET_CLI_HOME": str(Path.home()), "DOTNET_NOLOGO": "1"}
    visit.printed.set()
    done = subprocess.run(
        [program, "run", "--no-build", str(path)],
        env=variables,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=LONGEST_RUN,
    )
    expected = expected_output(path, answers)
    if (done.returncode, done.stdout) != (0, expected):
        return f"printed {done.stdout!r}, expected {expected!r}; {done.stderr}"
    return ""


def test_all_csharp_snippets_run(endpoint, home, answers):
    program = dotnet()
    problems = {path: differs(path, program, endpoint, home, answers) for path in FILES}
    assert {path: problem for path, problem in problems.items() if problem} == {}
