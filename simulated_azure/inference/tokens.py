"""Phi-4's tokens: the vocabulary, the special tokens and the chat template.

Phi-4's 100,256 ordinary tokens are those of tiktoken's ``cl100k_base``, with the same ids. The ids
above them are Phi-4's own special tokens. The vocabulary is a file in this package, byte for byte
as tiktoken publishes it, so that nothing is downloaded. Its SHA-256 is checked when it is loaded.

Sources: tiktoken's ``tiktoken_ext/openai_public.py`` (pattern and SHA-256); the tokenizer
configuration and chat template in the model repository ``microsoft/phi-4`` (special tokens,
template).
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
VOCABULARY_SIZE = 100_352  # the model has logits for the ids 0 to 100,351
CONTEXT_LENGTH = 16_384  # tokens, of prompt and answer together

ENDOFTEXT, IM_START, IM_END, IM_SEP = 100_257, 100_264, 100_265, 100_266
NAMED_SPECIAL_TOKENS = {
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
DUMMY_TOKENS = [
    token
    for token in range(FIRST_SPECIAL_TOKEN, VOCABULARY_SIZE)
    if token not in NAMED_SPECIAL_TOKENS.values()
]
SPECIAL_TOKENS = NAMED_SPECIAL_TOKENS | {
    f"<|dummy_{number}|>": token for number, token in enumerate(DUMMY_TOKENS)
}
# Phi-4's configuration sets lstrip and rstrip for special tokens, so each includes the white space
# on both sides. A match begins where white space begins, or else a long run of it would be searched
# again from each of its characters.
SPECIAL_TOKEN_TEXT = re.compile(
    r"(?:(?<!\s)\s+)?(<\|(?:endoftext|fim_\w+|im_\w+|endofprompt|dummy_\d+)\|>)\s*"
)
SLICE_LENGTH = 20_000  # characters, after which a long prompt gives way to other requests
WORD_END = re.compile(r"[A-Za-z](?= [A-Za-z])")
ROLES = ("system", "user", "assistant")  # the template has no branch for other roles
PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)


@cache
def encoding() -> tiktoken.Encoding:
    """Return Phi-4's tokenizer. Loading it takes about 0.2 s; later calls return the same object.

    Raises ValueError if the vocabulary file is not the one that tiktoken publishes.

    >>> encoding().encode_ordinary("How many languages are in the world?")
    [4438, 1690, 15823, 527, 304, 279, 1917, 30]
    """
    content = VOCABULARY.read_bytes()
    checksum = hashlib.sha256(content).hexdigest()
    if checksum != VOCABULARY_SHA256:
        raise ValueError(
            f"{VOCABULARY.name} is damaged: its SHA-256 is {checksum}, "
            f"expected {VOCABULARY_SHA256}. "
            f"Restore it with: git checkout -- simulated_azure/inference/data/{VOCABULARY.name}"
        )
    # Each line has a token in base64, a space, and the token's rank.
    lines = (line.partition(b" ") for line in io.BytesIO(content))
    ranks = {a2b_base64(token): int(rank) for token, _, rank in lines}
    return tiktoken.Encoding(
        "phi-4", pat_str=PATTERN, mergeable_ranks=ranks, special_tokens=SPECIAL_TOKENS
    )


def encode(text: str) -> list[int]:
    """Return the token ids of a text, in which special tokens count as ordinary text."""
    return encoding().encode_ordinary(text)


def token_bytes(token: int) -> bytes:
    """Return the bytes that a token id stands for. They may be a part of a character.

    Raises KeyError for an id that is not in the vocabulary.

    >>> token_bytes(15823)
    b' languages'
    """
    return encoding().decode_single_token_bytes(token)


def prompt_text(messages: list[tuple[str, str]], is_open: bool = False) -> str:
    """Return what the model reads: a conversation in Phi-4's chat template.

    messages: (role, content) of each, oldest first. The text ends with the header of the
    assistant's turn, which the model continues; if is_open is True, it ends with the content of the
    last message instead. Messages whose role is not in ROLES are left out.

    >>> prompt_text([("user", "Hi")])
    '<|im_start|>user<|im_sep|>Hi<|im_end|><|im_start|>assistant<|im_sep|>'
    >>> prompt_text([("assistant", "It is")], is_open=True)
    '<|im_start|>assistant<|im_sep|>It is'
    """
    turns = [
        f"<|im_start|>{role}<|im_sep|>{content}<|im_end|>"
        for role, content in messages
        if role in ROLES
    ]
    if is_open:
        return "".join(turns).removesuffix("<|im_end|>")
    return "".join(turns) + "<|im_start|>assistant<|im_sep|>"


def encode_prompt(text: str) -> list[int]:
    """Return the token ids of a prompt, with its special tokens.

    A special token that a user has typed into a message counts as one, as it does for the model.

    >>> encode_prompt("<|im_start|>user<|im_sep|> Hi <|im_end|>")
    [100264, 882, 100266, 13347, 100265]
    """
    tokens: list[int] = []
    for part, is_special in split_special_tokens(text):
        tokens += [SPECIAL_TOKENS.get(part, ENDOFTEXT)] if is_special else encode(part)
    return tokens


def split_special_tokens(text: str) -> Iterator[tuple[str, bool]]:
    """Yield the parts of a text: (a special token, True) or (the ordinary text between two, False).

    >>> list(split_special_tokens("Hi <|im_end|>"))
    [('Hi', False), ('<|im_end|>', True), ('', False)]
    """
    for number, part in enumerate(SPECIAL_TOKEN_TEXT.split(text)):
        yield part, bool(number % 2)  # re.split puts the special tokens between the other texts


def count_prompt(messages: list[tuple[str, str]]) -> int:
    """Return the number of tokens in the prompt for messages, a list of (role, content).

    It is the content, plus 4 tokens for each message (start, role, separator, end), plus 3 that
    open the reply. Messages whose role is not in ROLES count as 0, since the template omits them.

    >>> question = ("user", "How many languages are in the world?")
    >>> count_prompt([("system", "You are a helpful assistant."), question])
    25
    """
    return run_to_end(count_prompt_in_steps(messages))


def count_prompt_in_steps(
    messages: list[tuple[str, str]], is_open: bool = False
) -> Generator[float, None, int]:
    """Return what ``count_prompt`` returns. Yield 0.0 after each slice of a long prompt.

    is_open: as for ``prompt_text``.
    """
    count = 0
    for part, is_special in split_special_tokens(prompt_text(messages, is_open)):
        if is_special:
            count += 1
            continue
        for text in slices(part):
            count += len(encode(text))
            yield 0.0
    return count


def slices(text: str) -> Iterator[str]:
    """Yield the slices of an ordinary text, which together have the same tokens as the whole text.

    A slice has about SLICE_LENGTH characters and ends between two words, where PATTERN always
    splits. Where SLICE_LENGTH more characters have no such place, the slice ends anyway, and may
    then have a token more or less: tiktoken needs long for such a text, and fails for a million
    spaces.

    >>> SLICE_LENGTH, len(list(slices("one two " * 5000))), len(list(slices("a" * 40_001)))
    (20000, 2, 3)
    """
    start = 0
    while len(text) - start > SLICE_LENGTH:
        end = start + SLICE_LENGTH
        if boundary := WORD_END.search(text, end, end + SLICE_LENGTH):
            end = boundary.start() + 1
        yield text[start:end]
        start = end
    yield text[start:]
