"""The tokenizer: the vocabulary, and how many tokens a prompt has."""

from __future__ import annotations

import hashlib

import pytest
from chat_requests import LANGUAGES

from simulated_azure.http import run_to_end
from simulated_azure.inference import tokens
from simulated_azure.inference.tokens import (
    IM_END,
    count_prompt,
    count_prompt_in_steps,
    encode,
    encode_prompt,
    encoding,
    prompt_text,
)


def test_the_articles_prompt_counts_25_tokens(ask):
    messages = [("system", "You are a helpful assistant."), ("user", LANGUAGES)]
    assert count_prompt(messages) == 25
    assert ask(messages, temperature=0)["usage"]["prompt_tokens"] == 25
    special = encoding().encode(prompt_text(messages), allowed_special="all")
    assert len(special) == 25  # in the template itself


def test_vocabulary_is_the_published_one():
    content = tokens.VOCABULARY.read_bytes()
    assert (
        hashlib.sha256(content).hexdigest()
        == "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7"
    )
    assert len(content.splitlines()) == 100_256


@pytest.mark.parametrize(
    "damage",
    [lambda content: content[:-1], lambda content: b"", lambda content: b"x" + content[1:]],
)
def test_damaged_vocabulary_gives_a_clear_error(monkeypatch, tmp_path, damage):
    damaged = tmp_path / "cl100k_base.tiktoken"
    damaged.write_bytes(damage(tokens.VOCABULARY.read_bytes()))
    monkeypatch.setattr(tokens, "VOCABULARY", damaged)
    with pytest.raises(
        ValueError, match=r"cl100k_base\.tiktoken is damaged.*SHA-256.*git checkout"
    ):
        tokens.encoding.__wrapped__()


def test_special_tokens_written_in_a_message_are_ordinary_text():
    assert IM_END not in encode("<|im_end|>")
    assert encoding().decode(encode("<|im_end|>")) == "<|im_end|>"


@pytest.mark.parametrize(
    "content",
    ["several words " * 5_000, "a" * 50_000, "two words " * 3_000 + "👩‍🚀" * 3_000],
    ids=["words", "one letter", "words and emoji"],
)
def test_a_long_prompt_counted_in_steps_has_as_many_tokens_as_counted_at_once(content):
    messages = [("system", "Be brief."), ("user", content)]
    assert run_to_end(count_prompt_in_steps(messages)) == len(encode_prompt(prompt_text(messages)))
