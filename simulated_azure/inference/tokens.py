"""Phi-4's tokens: the vocabulary, the special tokens and the chat template.

Phi-4's ordinary tokens are those of tiktoken's ``cl100k_base`` (100,256 of them, the same ids); the ids above them are
Phi-4's own special tokens. The vocabulary lies beside this file, byte for byte as tiktoken publishes it, so nothing is
downloaded; its SHA-256 is checked when it is loaded.

Sources: tiktoken ``tiktoken_ext/openai_public.py`` (pattern and SHA-256); the tokenizer configuration and chat template
of the ``microsoft/phi-4`` model repository (special tokens, template).
"""

from __future__ import annotations

import hashlib
import io
import re
from binascii import a2b_base64
from collections.abc import Generator, Iterator
from functools import cache
from pathlib import Path

import tiktoken

from ..http import run_to_end

VOCABULARY = Path(__file__).parent / "data" / "cl100k_base.tiktoken"
VOCABULARY_SHA256 = "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7"
VOCABULARY_SIZE = 100_352  # ids that the model has logits for: 0 ... 100,351
CONTEXT_LENGTH = 16_384  # tokens that prompt and answer share

ENDOFTEXT, IM_START, IM_END, IM_SEP = 100_257, 100_264, 100_265, 100_266
NAMED = {
    "<|endoftext|>": ENDOFTEXT,
    "<|fim_prefix|>": 100_258,
    "<|fim_middle|>": 100_259,
    "<|fim_suffix|>": 100_260,
    "<|im_start|>": IM_START,
    "<|im_end|>": IM_END,
    "<|im_sep|>": IM_SEP,
    "<|endofprompt|>": 100_276,
}
FIRST_SPECIAL_TOKEN = 100_256
RESERVED = [
    token for token in range(FIRST_SPECIAL_TOKEN, VOCABULARY_SIZE) if token not in NAMED.values()
]
SPECIAL_TOKENS = NAMED | {f"<|dummy_{number}|>": token for number, token in enumerate(RESERVED)}
# Phi-4's special tokens take the white space on both sides with them (lstrip and rstrip in its configuration).
SPECIAL = re.compile(r"\s*(<\|(?:endoftext|fim_\w+|im_\w+|endofprompt|dummy_\d+)\|>)\s*")
SLICE_LENGTH = 20_000  # characters that are turned into tokens at a time
BETWEEN_WORDS = re.compile(r"[A-Za-z](?= [A-Za-z])")
ROLES = ("system", "user", "assistant")  # the template has no branch for others and leaves them out
PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)


@cache
def encoding() -> tiktoken.Encoding:
    """Phi-4's tokenizer, as a tiktoken ``Encoding``. Takes about 0.2 s the first time.

    Raises ValueError if the vocabulary file is not the one that tiktoken publishes.

    >>> encoding().encode_ordinary("How many languages are in the world?")
    [4438, 1690, 15823, 527, 304, 279, 1917, 30]
    """
    content = VOCABULARY.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != VOCABULARY_SHA256:
        raise ValueError(
            f"{VOCABULARY.name} is damaged: its SHA-256 is {found}, expected {VOCABULARY_SHA256}. "
            f"Restore it with: git checkout -- simulated_azure/inference/data/{VOCABULARY.name}"
        )
    lines = (line.partition(b" ") for line in io.BytesIO(content))  # token in base64, a blank, rank
    ranks = {a2b_base64(token): int(rank) for token, _, rank in lines}
    return tiktoken.Encoding(
        "phi-4", pat_str=PATTERN, mergeable_ranks=ranks, special_tokens=SPECIAL_TOKENS
    )


def encode(text: str) -> list[int]:
    """Token ids of a text; special tokens written in it count as ordinary text."""
    return encoding().encode_ordinary(text)


def token_bytes(token: int) -> bytes:
    """The bytes that one token id stands for.

    >>> token_bytes(15823)
    b' languages'
    """
    return encoding().decode_single_token_bytes(token)


def prompt_text(messages: list[tuple[str, str]]) -> str:
    """The chat template: what the model really reads, for (role, content) pairs.

    It ends with the header of the assistant's turn, after which the model writes.

    >>> prompt_text([("user", "Hi")])
    '<|im_start|>user<|im_sep|>Hi<|im_end|><|im_start|>assistant<|im_sep|>'
    """
    turns = [
        f"<|im_start|>{role}<|im_sep|>{content}<|im_end|>"
        for role, content in messages
        if role in ROLES
    ]
    return "".join(turns) + "<|im_start|>assistant<|im_sep|>"


def encode_prompt(text: str) -> list[int]:
    """Token ids of a prompt, special tokens and all: also those that a user has typed into a message.

    >>> encode_prompt("<|im_start|>user<|im_sep|> Hi <|im_end|>")
    [100264, 882, 100266, 13347, 100265]
    """
    tokens: list[int] = []
    for number, part in enumerate(
        SPECIAL.split(text)
    ):  # ordinary text and special tokens take turns
        if number % 2:
            tokens.append(SPECIAL_TOKENS.get(part, ENDOFTEXT))
        elif part:
            tokens += encode(part)
    return tokens


def count_prompt(messages: list[tuple[str, str]]) -> int:
    """Return the number of tokens in a prompt, a list of (role, content).

    That is the content, plus 4 per message (start, role, separator, end), plus 3 that open the
    reply. Messages whose role the template does not know count nothing, since it leaves them out.

    >>> question = ("user", "How many languages are in the world?")
    >>> count_prompt([("system", "You are a helpful assistant."), question])
    25
    """
    return run_to_end(count_prompt_in_steps(messages))


def count_prompt_in_steps(messages: list[tuple[str, str]]) -> Generator[float, None, int]:
    """Return what ``count_prompt`` returns, giving way to other requests in a long prompt."""
    count = 0
    for slice_ in slices(prompt_text(messages)):
        count += len(encode_prompt(slice_))
        yield 0.0
    return count


def slices(text: str) -> Iterator[str]:
    """Yield a text in slices that have the same tokens as the whole.

    A slice has about SLICE_LENGTH characters. It ends between words, where PATTERN always splits
    and no special token takes white space along; a text without such a place is one slice.

    >>> SLICE_LENGTH, len(list(slices("one two " * 5000)))
    (20000, 2)
    """
    start = 0
    while len(text) - start > SLICE_LENGTH:
        boundary = BETWEEN_WORDS.search(text, start + SLICE_LENGTH)
        if not boundary:
            break
        yield text[start : boundary.start() + 1]
        start = boundary.start() + 1
    yield text[start:]
