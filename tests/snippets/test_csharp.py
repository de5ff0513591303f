"""C# snippets: they parse, and hold the same questions and settings as the JavaScript ones.

They are not executed. ``dotnet build`` checks their types where .NET is installed; elsewhere this
file has no such tests, because neither the kit nor its tests install .NET.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import tree_sitter_c_sharp
from test_snippets import CORRECTION, ERRORS, expected_bodies
from tree_sitter import Language, Parser

from tools.snippets_table import snippet_files

FILES = snippet_files((".cs",))
SETTINGS = {  # property of ChatCompletionsOptions -> name of a number in the request
    "Temperature": "temperature",
    "MaxTokens": "max_tokens",
    "NucleusSamplingFactor": "top_p",
    "PresencePenalty": "presence_penalty",
    "FrequencyPenalty": "frequency_penalty",
}
MESSAGE = re.compile(r'ChatRequest(System|User)Message\(\$?"([^"]+)"\)')
SETTING = re.compile(rf"\b({'|'.join(SETTINGS)}) = ([\d.]+)f?")
PROJECT = """
<Project Sdk="Microsoft.NET.Sdk">
  <PropertyGroup>
    <OutputType>Exe</OutputType>
    <TargetFramework>net8.0</TargetFramework>
    <ImplicitUsings>enable</ImplicitUsings>
    <Nullable>enable</Nullable>
    <TreatWarningsAsErrors>true</TreatWarningsAsErrors>
  </PropertyGroup>
  <ItemGroup>
    <PackageReference Include="Azure.AI.Inference" Version="1.0.0-beta.5" />
    <PackageReference Include="Azure.Identity" Version="1.*" />
  </ItemGroup>
</Project>
"""
LONGEST_BUILD = 600  # seconds
PRINTED = {
    "client-with-key": ["response.Value.Content"],
    "client-with-entra-id": ["response.Value.Content"],
    "model-info": [
        '$"Model name: {info.Value.ModelName}"',
        '$"Model type: {info.Value.ModelType}"',
        '$"Model provider name: {info.Value.ModelProviderName}"',
    ],
    "completion": [
        '$"Response: {response.Value.Content}"',
        '$"Model: {response.Value.Model}"',
        '$"Prompt tokens: {response.Value.Usage.PromptTokens}"',
        '$"Completion tokens: {response.Value.Usage.CompletionTokens}"',
    ],
    "conversation": ["first.Value.Content", "second.Value.Content"],
    "stream": ["update.ContentUpdate", r'$"\n{update.Usage.CompletionTokens} tokens"'],
    "parameters": ["response.Value.Content", '$"Finish reason: {response.Value.FinishReason}"'],
    "extra-parameters": [
        "response.Value.Content",
        """$"{item!["logprob"]!.GetValue<double>(),8:F4}  {item["token"]}\"""",
    ],
    "json": ['document.RootElement.GetProperty("city")', '"No valid JSON in three attempts."'],
    ERRORS: [
        "client.Complete(options).Value.Content",
        '$"Status {error.Status} {error.GetRawResponse()?.Content}"',
        '$"No answer at all: {error.InnerException?.Message}"',
    ],
    "async": ["answer"],
}
ONCE = {  # what a C# snippet must hold besides, since nobody sees it run
    "json": [
        "attempt <= 3; attempt++",
        "return;",
        "ChatRequestAssistantMessage(answer)",
        CORRECTION["content"],
    ],
    "stream": ["is not null"],
    ERRORS: [
        "MaxRetries = 5, NetworkTimeout = TimeSpan.FromSeconds(60)",
        "retries);",
        "catch (RequestFailedException",
        "catch (AggregateException",
    ],
}
each_file = pytest.mark.parametrize("path", FILES, ids=lambda path: path.parent.name)


def has_syntax_error(code: str) -> bool:
    """Return True if code is not C#."""
    parser = Parser(Language(tree_sitter_c_sharp.language()))
    return parser.parse(code.encode()).root_node.has_error


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
def test_a_csharp_snippet_prints_what_the_others_print(path):
    task, code = path.parent.name, path.read_text(encoding="utf-8")
    assert re.findall(r"Console\.Write(?:Line)?\((.*)\);", code) == PRINTED[task]
    assert [part for part in ONCE.get(task, []) if code.count(part) != 1] == []


@each_file
def test_a_csharp_snippet_sends_the_messages_and_numbers_of_the_javascript_one(path):
    code = path.read_text(encoding="utf-8").replace("{country}", "France")
    code += path.read_text(encoding="utf-8").replace("{country}", "Japan")
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


if shutil.which("dotnet"):

    @each_file
    def test_a_csharp_snippet_builds(path: Path, tmp_path: Path):
        (tmp_path / "snippet.csproj").write_text(PROJECT, encoding="utf-8")
        shutil.copy(path, tmp_path / "Program.cs")
        build = ["dotnet", "build", "--nologo"]
        done = subprocess.run(
            build, cwd=tmp_path, capture_output=True, text=True, timeout=LONGEST_BUILD
        )
        assert done.returncode == 0, done.stdout
