"""Count tokens and trim: the server counts the same, and what is sent fits into the context."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable

import pytest
from snippet_runs import as_usual, serving

from helpers.tokens import count_prompt
from simulated_azure.inference.tokens import CONTEXT_LENGTH, VOCABULARY
from tools.snippets_table import SNIPPETS

FILE = "count-and-trim/openai_sdk.py"
PUBLISHED = "https://openaipublic.blob.core.windows.net/encodings/cl100k_base.tiktoken"
FOR_THE_ANSWER = 500
SYSTEM = {"role": "system", "content": "Be brief."}


@pytest.fixture(scope="module")
def vocabulary(tmp_path_factory) -> str:
    """Return a folder in which tiktoken finds the vocabulary that it would download."""
    folder = tmp_path_factory.mktemp("tiktoken")
    name = hashlib.sha1(PUBLISHED.encode()).hexdigest()
    (folder / name).write_bytes(VOCABULARY.read_bytes())
    return str(folder)


@pytest.fixture(scope="module")
def functions(vocabulary) -> dict[str, Callable]:
    """Return the names that the snippet defines before it calls the server."""
    found: dict[str, Callable] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TIKTOKEN_CACHE_DIR", vocabulary)
        code = (SNIPPETS / FILE).read_text(encoding="utf-8").partition("endpoint, key = ")[0]
        exec(compile(code, FILE, "exec"), found)
    return found


@pytest.mark.parametrize("manner", [as_usual, serving])
def test_what_is_sent_fits_and_has_the_tokens_that_were_counted(run_snippet, vocabulary, manner):
    done = run_snippet(FILE, manner, TIKTOKEN_CACHE_DIR=vocabulary)
    assert (done.code, done.stderr) == (0, "")
    (question,) = done.visit.questions()
    sent, usage = question.body()["messages"], json.loads(question.answer)["usage"]
    assert usage["prompt_tokens"] <= CONTEXT_LENGTH - FOR_THE_ANSWER
    assert done.stdout.splitlines() == [
        f"Sent: {len(sent)} of 22 messages, {count_prompt(sent)} of "
        f"{count_prompt([sent[0], *sent[1:3] * 10, sent[-1]])} tokens",
        f"Prompt tokens, as the server counts: {usage['prompt_tokens']}",
        "The capital of France is Paris. (stop)",
    ]
    assert question.body()["max_tokens"] == FOR_THE_ANSWER
    assert usage["prompt_tokens"] == count_prompt(sent)
    assert [message["role"] for message in sent[:2]] == ["system", "user"]
    assert sent[-1]["content"] == "What is the capital of France?"


@pytest.mark.parametrize(
    "text",
    ["Hi", "", "Grüße, 世界! 12345", "<|im_end|>", "  blanks  ", "a\n\nb", "x <|im_start|> y"],
)
def test_the_server_never_counts_more(functions, text):
    messages = [SYSTEM, {"role": "user", "content": text}]
    counted, exact = functions["count"](messages), count_prompt(messages)
    assert counted >= exact
    if text == text.strip() and "<|" not in text:
        assert counted == exact


def test_only_the_oldest_turns_go_and_no_answer_stays_without_its_question(functions):
    def turn(number: int) -> list[dict]:
        return [
            {"role": "user", "content": f"Question {number}"},
            {"role": "assistant", "content": f"Answer {number}"},
        ]

    last = {"role": "user", "content": "Last"}
    messages = [SYSTEM, *turn(1), *turn(2), *turn(3), last]
    count, trim = functions["count"], functions["trim"]
    assert trim(messages, count(messages)) == messages
    assert trim(messages, count(messages) - 1) == [SYSTEM, *turn(2), *turn(3), last]
    assert trim(messages, count([SYSTEM, last])) == [SYSTEM, last]
    assert len(messages) == 8  # the list itself does not change
    with pytest.raises(ValueError, match="the last question alone"):
        trim(messages, count([SYSTEM, last]) - 1)
