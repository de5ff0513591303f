"""Phi-4's tokenizer, for counting before sending: ``encoding()`` is tiktoken's, ``count_prompt`` applies the template."""

from helpers.simulator.tokens import CONTEXT_LENGTH, count_prompt, encoding, prompt_text

__all__ = ["CONTEXT_LENGTH", "count_prompt", "encoding", "prompt_text"]
