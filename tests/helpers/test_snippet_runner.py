"""helpers.snippets: what runs a snippet, what is said where it cannot run, and how a failure reads."""

from __future__ import annotations

import pytest

from helpers import snippets
from helpers.snippets import INSTALL, SnippetFailedError, ToolMissingError, answer_in, command_for, kind_of, output_of, run


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of snippets of our own, and no programs but this Python."""
    monkeypatch.setattr(snippets, "SNIPPETS", tmp_path)
    monkeypatch.setenv("PATH", "")
    return tmp_path


def test_a_snippet_prints_what_it_prints_in_a_process_of_its_own(folder, monkeypatch):
    monkeypatch.setenv("AZURE_INFERENCE_ENDPOINT", "https://my-phi4.invalid")
    (folder / "here.py").write_text("import os; print(os.environ['AZURE_INFERENCE_ENDPOINT'], 'größer')", encoding="utf-8")
    assert output_of("here.py") == "https://my-phi4.invalid größer\n"


def test_jupyters_wish_for_colours_is_not_handed_on(folder, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("PYTHONUTF8", "0")
    assert output_of("here.py", code="import os, sys; print(os.environ['FORCE_COLOR'], sys.flags.utf8_mode)") == "0 1\n"


def test_code_takes_the_place_of_a_file(folder):
    assert output_of("here.py", code="print(6 * 7)") == "42\n"


def test_a_failure_says_which_file_and_what_it_complained_of(folder):
    (folder / "broken.py").write_text("{}['missing']", encoding="utf-8")
    with pytest.raises(SnippetFailedError, match=r"broken\.py ended with status 1: KeyError: 'missing'"):
        output_of("broken.py")
    with pytest.raises(SnippetFailedError, match=r"absent\.py"):
        run("absent.py")


def test_a_snippet_that_hangs_is_ended(folder, monkeypatch):
    monkeypatch.setattr(snippets, "LONGEST", 1)
    with pytest.raises(SnippetFailedError, match="did not end within 1 seconds"):
        output_of("here.py", code="import time; time.sleep(60)")


@pytest.mark.parametrize(("file", "kind"), [("a/x.mjs", "node"), ("a/curl.sh", "curl"), ("a/langchain_x.py", "langchain")])
def test_without_its_program_a_snippet_says_how_to_get_it(folder, capsys, file, kind):
    assert kind_of(file) == kind
    with pytest.raises(ToolMissingError) as raised:
        output_of(file)
    run(file)
    assert capsys.readouterr().out == f"{raised.value}\n"
    assert INSTALL[kind] in str(raised.value)


def test_programs_alone_are_not_enough_for_node_which_needs_its_packages(folder, monkeypatch):
    node = folder / "node"
    node.write_text("#!/bin/sh\n", encoding="utf-8")
    node.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    with pytest.raises(ToolMissingError, match="npm ci"):
        command_for("node")
    (folder / "node_modules").mkdir()
    assert command_for("node") == [str(node)]


@pytest.mark.parametrize(
    "printed",
    [
        "Paris.\nFinish reason: stop\n",
        "Response: Paris.\nModel: Phi-4\n",
        '{"choices": [{"message": {"content": "Paris."}}]}',
        'data: {"choices":[{"delta":{"content":"Par"}}]}\n\ndata: {"choices":[{"delta":{"content":"is."}}]}\n\ndata: [DONE]\n',
    ],
)
def test_the_answer_is_found_in_whatever_a_client_prints(printed):
    assert answer_in(printed) == "Paris."
