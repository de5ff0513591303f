"""Make a tiny model as a GGUF file, which llama.cpp runs like any other.

    python tiny_model.py VOCABULARY TEXTS MODEL

No weights can be downloaded for tests, so they are calculated. The model is a transformer of one
layer that adds nothing: what it says after a token depends on that token only, with the frequencies
of the texts (a bigram model). Its tokens are the first ones of cl100k_base, as in Phi-4, and so is
its chat template. VOCABULARY: the file cl100k_base.tiktoken. TEXTS: a file with one text a line.
"""

from __future__ import annotations

import base64
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import gguf
import numpy as np

ORDINARY = 2040  # tokens of cl100k_base that the model has; a prefix of it is closed under merging
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_sep|>", "<|im_end|>")
SIZE = 2048  # of an embedding: one number for each token, so that any table of bigrams fits
CONTEXT = 16384  # tokens, as many as Phi-4 has
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}<|im_sep|>"
    "{{ message['content'] }}<|im_end|>{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant<|im_sep|>{% endif %}"
)
SMOOTHING = 0.02  # count that each pair has that no text has
HEAD = 32  # size of the one attention head, whose weights are 0


def read_ranks(path: Path) -> list[bytes]:
    """Return the tokens of a .tiktoken file in the order of their ranks."""
    lines = path.read_text(encoding="ascii").splitlines()[:ORDINARY]
    return [base64.b64decode(line.partition(" ")[0]) for line in lines]


def parts(token: bytes, ranks: dict[bytes, int], limit: int) -> list[bytes]:
    """Return the parts into which byte pair encoding merges a token by ranks below a limit."""
    pieces = [bytes([byte]) for byte in token]
    while True:
        pairs = [(ranks.get(a + b, limit), place) for place, (a, b) in enumerate(pairwise(pieces))]
        rank, place = min(pairs, default=(limit, 0))
        if rank >= limit:
            return pieces
        pieces[place : place + 2] = [pieces[place] + pieces[place + 1]]


def printable() -> dict[int, str]:
    """Return the letter by which GPT-2's vocabularies write each byte."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in plain]
    letters = {byte: chr(byte) for byte in plain}
    return letters | {byte: chr(256 + number) for number, byte in enumerate(others)}


def bigram_logits(tokens: Sequence[bytes], texts: Sequence[str]) -> np.ndarray:
    """Return the logarithm of how often each token follows each other: [after, before]."""
    ranks = {token: rank for rank, token in enumerate(tokens)}
    separator, end = ORDINARY + 2, ORDINARY + 3
    counts = np.full((SIZE, SIZE), SMOOTHING / SIZE, dtype=np.float64)
    for text in texts:
        ids = [separator, *encode(text, ranks), end]
        for before, after in pairwise(ids):
            counts[after, before] += 1.0
    counts[ORDINARY : ORDINARY + 3] = 1e-9  # tokens of the template, which no answer has
    counts[ORDINARY + len(SPECIAL) :] = 1e-9
    return np.log(counts / counts.sum(axis=0)).astype(np.float32)


def encode(text: str, ranks: dict[bytes, int]) -> list[int]:
    """Return the tokens of a text, word by word as cl100k_base divides plain English."""
    words = text.replace(" ", "\0 ").split("\0")
    return [ranks[part] for word in words for part in parts(word.encode(), ranks, len(ranks))]


def write_model(path: Path, tokens: list[bytes], texts: list[str]) -> None:
    """Write the model into a file."""
    ranks = {token: rank for rank, token in enumerate(tokens)}
    letters = printable()
    spelled = ["".join(letters[byte] for byte in token) for token in tokens]
    merges = []
    for token in tokens[256:]:
        left, right = parts(token, ranks, ranks[token])
        merges.append(" ".join("".join(letters[byte] for byte in part) for part in (left, right)))
    unused = [f"<|unused_{number}|>" for number in range(SIZE - ORDINARY - len(SPECIAL))]
    kinds = [gguf.TokenType.NORMAL] * ORDINARY + [gguf.TokenType.CONTROL] * (SIZE - ORDINARY)

    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("tiny-phi")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(SIZE)
    writer.add_block_count(1)
    writer.add_feed_forward_length(HEAD)
    writer.add_head_count(1)
    writer.add_head_count_kv(1)
    writer.add_key_length(HEAD)
    writer.add_value_length(HEAD)
    writer.add_rope_dimension_count(HEAD)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_vocab_size(SIZE)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("dbrx")  # llama.cpp's name for the words of cl100k_base
    writer.add_token_list([*spelled, *SPECIAL, *unused])
    writer.add_token_types(kinds)
    writer.add_token_merges(merges)
    writer.add_bos_token_id(ORDINARY)
    writer.add_eos_token_id(ORDINARY + 3)
    writer.add_eot_token_id(ORDINARY + 3)
    writer.add_add_bos_token(False)
    writer.add_chat_template(TEMPLATE)

    ones = np.ones(SIZE, dtype=np.float32)
    # RMS norm makes the one 1 of an embedding sqrt(SIZE); the output's weight makes it 1 again.
    output_norm = ones / np.sqrt(SIZE)
    writer.add_tensor("token_embd.weight", np.eye(SIZE, dtype=np.float16))
    writer.add_tensor("output_norm.weight", output_norm.astype(np.float32))
    writer.add_tensor("output.weight", bigram_logits(tokens, texts).astype(np.float16))
    shapes = {
        "attn_q": (HEAD, SIZE),
        "attn_k": (HEAD, SIZE),
        "attn_v": (HEAD, SIZE),
        "attn_output": (SIZE, HEAD),
        "ffn_gate": (HEAD, SIZE),
        "ffn_up": (HEAD, SIZE),
        "ffn_down": (SIZE, HEAD),
    }
    writer.add_tensor("blk.0.attn_norm.weight", ones)
    writer.add_tensor("blk.0.ffn_norm.weight", ones)
    for name, shape in shapes.items():
        writer.add_tensor(f"blk.0.{name}.weight", np.zeros(shape, dtype=np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    vocabulary, texts, model = map(Path, sys.argv[1:])
    write_model(model, read_ranks(vocabulary), texts.read_text(encoding="utf-8").splitlines())
