"""What the sampling parameters do to the probabilities of the next token, as formulas.

Three pure functions over dictionaries, token -> number. An engine such as vLLM, which serves Phi-4, applies them in this
order: ``penalised``, ``softmax`` (with the temperature), ``nucleus`` (top_p). Other engines have other orders.

An endpoint names 20 tokens at most (``top_logprobs``). The rest is taken as impossible, so results are nearly exact up to
temperature 1, and too high above it, where a hundred thousand unlikely tokens together weigh something.
"""

from __future__ import annotations

import math
from collections.abc import Mapping


def softmax(logprobs: Mapping[str, float], temperature: float = 1.0) -> dict[str, float]:
    """token -> probability at a temperature, summing to 1: exp(logprob / temperature), divided by the sum of all.

    Takes logits or log-probabilities (natural logarithms) alike, since a constant cancels out. At temperature 0 the
    likeliest token has it all; of equals the first. Raises ValueError for a negative temperature or no tokens.

    Source: Ackley, Hinton and Sejnowski, "A Learning Algorithm for Boltzmann Machines", Cognitive Science 9 (1985).

    >>> coin = {"heads": math.log(0.75), "tails": math.log(0.25)}
    >>> {token: round(p, 3) for token, p in softmax(coin, 0.5).items()}
    {'heads': 0.9, 'tails': 0.1}
    >>> softmax(coin, 0)
    {'heads': 1.0, 'tails': 0.0}
    """
    if temperature < 0 or not logprobs:
        raise ValueError(f"expected tokens and a temperature of at least 0, found {len(logprobs)} tokens and {temperature}")
    likeliest = max(logprobs, key=logprobs.__getitem__)
    if temperature == 0:
        return {token: float(token == likeliest) for token in logprobs}
    top = logprobs[likeliest]  # subtracted so that exp never overflows
    weights = {token: math.exp((logprob - top) / temperature) for token, logprob in logprobs.items()}
    total = sum(weights.values())
    return {token: weight / total for token, weight in weights.items()}


def nucleus(probabilities: Mapping[str, float], top_p: float) -> dict[str, float]:
    """The likeliest tokens whose probabilities together reach top_p, likeliest first, scaled so that they sum to 1.

    There is always at least one; equals keep the order in which they stand, and 1 keeps all. Raises ValueError for a
    top_p that is not above 0 and at most 1.

    Source: Holtzman, Buys, Du, Forbes and Choi, "The Curious Case of Neural Text Degeneration", ICLR 2020.

    >>> nucleus({"red": 0.25, "blue": 0.5, "green": 0.25}, 0.5)
    {'blue': 1.0}
    >>> {token: round(p, 3) for token, p in nucleus({"red": 0.25, "blue": 0.5, "green": 0.25}, 0.6).items()}
    {'blue': 0.667, 'red': 0.333}
    """
    if not 0 < top_p <= 1:
        raise ValueError(f"expected a top_p above 0 and at most 1, found {top_p}")
    wanted = top_p * sum(probabilities.values())
    kept: dict[str, float] = {}
    for token, probability in sorted(probabilities.items(), key=lambda item: -item[1]):
        if top_p < 1 and kept and sum(kept.values()) >= wanted:
            break
        kept[token] = probability
    total = sum(kept.values())
    return {token: probability / total for token, probability in kept.items()}


def penalised(
    logprobs: Mapping[str, float], given: Mapping[str, int], presence: float = 0.0, frequency: float = 0.0
) -> dict[str, float]:
    """token -> logit after the penalties. ``given``: token -> how often it stands in the answer so far.

    A token that was given n times loses n * frequency, and presence once, however often it was given. The results are
    logits, no log-probabilities any more: ``softmax`` turns them into probabilities.

    Source: OpenAI API documentation, "Frequency and presence penalties"; vLLM does the same over the generated tokens.

    >>> penalised({"sea": -0.5, "sky": -2.5}, {"sea": 3}, presence=0.25, frequency=0.5)
    {'sea': -2.25, 'sky': -2.5}
    """
    return {
        token: logprob - given.get(token, 0) * frequency - (given.get(token, 0) > 0) * presence
        for token, logprob in logprobs.items()
    }
