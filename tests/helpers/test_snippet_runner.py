"""Test helpers.snippets: how snippets run, and the messages if they cannot run or fail."""

from __future__ import annotations

import sys

import nbformat
import pytest
from nbconvert import HTMLExporter

from helpers import snippets
from helpers.snippets import (
    INSTALL_HINTS,
    SnippetFailedError,
    ToolMissingError,
    answer_in,
    code_block,
    command_for,
    kind_of,
    output_of,
    outputs_of,
    run,
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return an empty folder of snippets, on a PATH without programs."""
    monkeypatch.setattr(snippets, "SNIPPETS", tmp_path)
    monkeypatch.setenv("PATH", "")
    return tmp_path


def test_a_snippet_runs_in_its_own_process_with_our_variables(folder, monkeypatch):
    monkeypatch.setenv("AZURE_INFERENCE_ENDPOINT", "https://my-phi4.invalid")
    (folder / "here.py").write_text(
        "import os; print(os.environ['AZURE_INFERENCE_ENDPOINT'], 'größer')", encoding="utf-8"
    )
    assert output_of("here.py") == "https://my-phi4.invalid größer\n"


def test_a_snippet_prints_without_colours_and_in_utf8(folder, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("PYTHONUTF8", "0")
    assert (
        output_of(
            "here.py", code="import os, sys; print(os.environ['FORCE_COLOR'], sys.flags.utf8_mode)"
        )
        == "0 1\n"
    )


def test_code_runs_instead_of_the_file(folder):
    assert output_of("here.py", code="print(6 * 7)") == "42\n"


def test_several_snippets_run_in_one_process_and_each_has_its_own_output(folder):
    (folder / "first.py").write_text("import os; print(os.getpid()); x = 1", encoding="utf-8")
    (folder / "second.py").write_text("import os; print(os.getpid(), 'x' in dir())", "utf-8")
    first, second = outputs_of(["first.py", "second.py"])
    assert second == f"{first.strip()} False\n"


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("python.py", "print('good')", "print('bad'); {}['missing']"),
        ("node.mjs", "console.log('good')", "console.log('bad'); await import('missing')"),
        ("curl.sh", "echo good", "echo bad; echo Error: missing >&2; exit 7"),
    ],
)
def test_of_several_snippets_the_one_that_failed_is_named(tmp_path, monkeypatch, name, good, bad):
    monkeypatch.setattr(snippets, "SNIPPETS", tmp_path)
    program = snippets.shutil.which({"node.mjs": "node", "curl.sh": "sh"}.get(name, sys.executable))
    if program is None:
        pytest.skip(f"there is no program for {name}")
    monkeypatch.setattr(snippets, "command_for", lambda kind: [program])
    (tmp_path / f"1-{name}").write_text(good, encoding="utf-8")
    (tmp_path / f"2-{name}").write_text(bad, encoding="utf-8")
    with pytest.raises(SnippetFailedError, match=rf"2-{name} ended with status \d: .*missing"):
        outputs_of([f"1-{name}", f"2-{name}", f"1-{name}"])


def test_a_failure_names_the_file_and_the_error(folder):
    (folder / "broken.py").write_text("{}['missing']", encoding="utf-8")
    with pytest.raises(
        SnippetFailedError, match=r"broken\.py ended with status 1: KeyError: 'missing'"
    ):
        output_of("broken.py")
    with pytest.raises(SnippetFailedError, match=r"absent\.py"):
        run("absent.py")


def test_a_snippet_that_hangs_is_ended(folder, monkeypatch):
    monkeypatch.setattr(snippets, "TIMEOUT_SECONDS", 1)
    with pytest.raises(SnippetFailedError, match="did not end within 1 seconds"):
        output_of("here.py", code="import time; time.sleep(60)")


@pytest.mark.parametrize(
    ("file", "kind"),
    [("a/x.mjs", "node"), ("a/curl.sh", "curl"), ("a/langchain_x.py", "langchain")],
)
def test_without_its_program_a_snippet_says_how_to_install_it(folder, capsys, file, kind):
    assert kind_of(file) == kind
    with pytest.raises(ToolMissingError) as error:
        output_of(file)
    run(file)
    assert capsys.readouterr().out == f"{error.value}\n"
    assert INSTALL_HINTS[kind] in str(error.value)


def test_node_also_needs_its_packages(folder, monkeypatch):
    node = folder / "node"
    node.write_text("#!/bin/sh\n", encoding="utf-8")
    node.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    with pytest.raises(ToolMissingError, match="npm ci"):
        command_for("node")
    (folder / "node_modules").mkdir()
    assert command_for("node") == [str(node)]


@pytest.mark.parametrize(
    "output",
    [
        "Paris.\nFinish reason: stop\n",
        "Response: Paris.\nModel: Phi-4\n",
        '{"choices": [{"message": {"content": "Paris."}}]}',
        'data: {"choices":[{"delta":{"content":"Par"}}]}\n\n'
        'data: {"choices":[{"delta":{"content":"is."}}]}\n\n'
        "data: [DONE]\n",
    ],
)
def test_answer_in_reads_the_output_of_every_client(output):
    assert answer_in(output) == "Paris."


def test_code_below_a_cell_has_a_fixed_width_font_in_a_page():
    output = nbformat.v4.new_output(
        "execute_result", {"text/markdown": code_block("x = 1\n", "python").data}
    )
    cell = nbformat.v4.new_code_cell("", outputs=[output])
    page, _ = HTMLExporter().from_notebook_node(nbformat.v4.new_notebook(cells=[cell]))
    start = page.index('<div style="font-family: monospace">')
    assert '<span class="n">x</span>' in page[start : page.index("</pre>", start)]
