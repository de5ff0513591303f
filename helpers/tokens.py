"""Phi-4's tokenizer and chat template, for counting before sending.

Messages are the SDK's message objects or plain dictionaries, with a role and a text as content.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from simulated_azure.inference import tokens
from simulated_azure.inference.tokens import CONTEXT_LENGTH, encode_prompt, encoding

__all__ = ["CONTEXT_LENGTH", "count_prompt", "encode_prompt", "encoding", "prompt_text"]


def prompt_text(messages: Iterable[Mapping]) -> str:
    """What the model reads: the messages in Phi-4's chat template, the assistant's turn opened at the end.

    >>> prompt_text([{"role": "user", "content": "Hi"}])
    '<|im_start|>user<|im_sep|>Hi<|im_end|><|im_start|>assistant<|im_sep|>'
    """
    return tokens.prompt_text(_pairs(messages))


def count_prompt(messages: Iterable[Mapping]) -> int:
    """The number of tokens in a prompt, as ``usage.prompt_tokens`` reports it.

    >>> count_prompt([{"role": "user", "content": "Hi"}])
    8
    """
    return tokens.count_prompt(_pairs(messages))


def _pairs(messages: Iterable[Mapping]) -> list[tuple[str, str]]:
    pairs = [(str(getattr(message["role"], "value", message["role"])), message["content"] or "") for message in messages]
    if not all(isinstance(content, str) for _, content in pairs):
        raise TypeError("found a message whose content is no text: give its text as one string")
    return pairs
