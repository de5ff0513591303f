"""Calculate what the sampling parameters do to the probabilities of the next token.

Three pure functions on dictionaries from tokens to numbers. An engine such as vLLM, which serves
Phi-4, applies them in this order: ``penalised``, ``softmax`` (with the temperature), ``nucleus``
(top_p). Other engines use other orders.

An endpoint returns at most 20 tokens (``top_logprobs``), and these functions treat all others as
impossible. So the probabilities are nearly exact up to temperature 1. Above it they are too high,
because the hundred thousand unlikely tokens together become likely.
"""

from __future__ import annotations

import math
from collections.abc import Mapping


def softmax(logprobs: Mapping[str, float], temperature: float = 1.0) -> dict[str, float]:
    """Return the probability of each token at a temperature. They sum to 1.

    logprobs: log-probabilities (natural logarithms) or logits; both give the same result.

    Formula: exp(logprob / temperature), divided by the sum over all tokens. At temperature 0 the
    likeliest token has probability 1; if several are equally likely, the first of them. Raises
    ValueError for a negative temperature or no tokens.

    Source: Ackley, Hinton and Sejnowski, "A Learning Algorithm for Boltzmann Machines", Cognitive
    Science 9 (1985).

    >>> coin = {"heads": math.log(0.75), "tails": math.log(0.25)}
    >>> {token: round(p, 3) for token, p in softmax(coin, 0.5).items()}
    {'heads': 0.9, 'tails': 0.1}
    >>> softmax(coin, 0)
    {'heads': 1.0, 'tails': 0.0}
    """
    if not logprobs:
        raise ValueError("logprobs is empty, expected at least one token")
    if temperature < 0:
        raise ValueError(f"temperature is {temperature}, expected at least 0")
    likeliest = max(logprobs, key=logprobs.__getitem__)
    if temperature == 0:
        return {token: float(token == likeliest) for token in logprobs}
    highest = logprobs[likeliest]  # subtracted so that exp never overflows
    weights = {
        token: math.exp((logprob - highest) / temperature) for token, logprob in logprobs.items()
    }
    total = sum(weights.values())
    return {token: weight / total for token, weight in weights.items()}


def nucleus(probabilities: Mapping[str, float], top_p: float) -> dict[str, float]:
    """Return the fewest likeliest tokens whose probabilities together reach top_p.

    The result begins with the likeliest token, and its probabilities are scaled so that they sum to
    1. It has at least one token; equally likely tokens keep their order; top_p=1 keeps all tokens.
    Raises ValueError unless top_p is above 0 and at most 1.

    Source: Holtzman, Buys, Du, Forbes and Choi, "The Curious Case of Neural Text Degeneration",
    ICLR 2020.

    >>> nucleus({"red": 0.25, "blue": 0.5, "green": 0.25}, 0.5)
    {'blue': 1.0}
    >>> kept = nucleus({"red": 0.25, "blue": 0.5, "green": 0.25}, 0.6)
    >>> {token: round(p, 3) for token, p in kept.items()}
    {'blue': 0.667, 'red': 0.333}
    """
    if not 0 < top_p <= 1:
        raise ValueError(f"top_p is {top_p}, expected a number above 0 and at most 1")
    threshold = top_p * sum(probabilities.values())
    kept: dict[str, float] = {}
    for token, probability in sorted(probabilities.items(), key=lambda item: -item[1]):
        if top_p < 1 and kept and sum(kept.values()) >= threshold:
            break
        kept[token] = probability
    total = sum(kept.values())
    return {token: probability / total for token, probability in kept.items()}


def penalised(
    logprobs: Mapping[str, float],
    counts: Mapping[str, int],
    presence: float = 0.0,
    frequency: float = 0.0,
) -> dict[str, float]:
    """Return the logit of each token after the presence and frequency penalties.

    counts: how often each token occurs in the answer so far; a missing token counts as 0.

    A token that occurs n times loses n * frequency, and presence once if n > 0. The results are
    logits, not log-probabilities: ``softmax`` turns them into probabilities.

    Source: OpenAI API documentation, "Frequency and presence penalties". vLLM applies the same
    formula to the generated tokens.

    >>> penalised({"sea": -0.5, "sky": -2.5}, {"sea": 3}, presence=0.25, frequency=0.5)
    {'sea': -2.25, 'sky': -2.5}
    """
    logits = {}
    for token, logprob in logprobs.items():
        count = counts.get(token, 0)
        logits[token] = logprob - count * frequency - (presence if count > 0 else 0.0)
    return logits
