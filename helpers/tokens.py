"""Count tokens before sending, with Phi-4's own tokenizer and chat template.

Messages are the SDK's message objects or plain dictionaries. Each has a role and, as its content, a
text or None. Other content raises TypeError.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from simulated_azure.inference import tokens
from simulated_azure.inference.tokens import encode_prompt, encoding

__all__ = ["count_prompt", "encode_prompt", "encoding", "prompt_text"]


def prompt_text(messages: Iterable[Mapping]) -> str:
    """Return what the model reads: the messages in Phi-4's chat template.

    The text ends with the beginning of the assistant's turn, which the model continues.

    >>> prompt_text([{"role": "user", "content": "Hi"}])
    '<|im_start|>user<|im_sep|>Hi<|im_end|><|im_start|>assistant<|im_sep|>'
    """
    return tokens.prompt_text(_roles_and_texts(messages))


def count_prompt(messages: Iterable[Mapping]) -> int:
    """Return how many tokens a prompt has. Endpoints report it as ``usage.prompt_tokens``.

    >>> count_prompt([{"role": "user", "content": "Hi"}])
    8
    """
    return tokens.count_prompt(_roles_and_texts(messages))


def _roles_and_texts(messages: Iterable[Mapping]) -> list[tuple[str, str]]:
    pairs = []
    for message in messages:
        role, content = message["role"], message["content"] or ""
        if not isinstance(content, str):
            raise TypeError(
                f"the content of a message is of type {type(content).__name__}, expected str: "
                "pass its text as one string"
            )
        pairs.append((str(getattr(role, "value", role)), content))  # the SDK's roles are enums
    return pairs
