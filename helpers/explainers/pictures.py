"""What temperature, top_p and a bias do to the probabilities of the next token, as bars."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from helpers.explainers.bars import (
    FILLED,
    OUTLINED,
    STRIPED,
    Bar,
    bars,
    legend,
    sheet,
    status,
)
from helpers.playground.answer import percent
from helpers.sampling import nucleus, softmax

MAX_BARS = 10  # all other tokens share one more
MAX_NAMED = 4  # tokens in a sentence
HOT = 1.0  # above this temperature the tokens that the endpoint does not report matter


def sampling_picture(chances: Mapping[str, float], temperature: float, top_p: float) -> str:
    """Return the bars of the next token at a temperature and top_p, as HTML.

    chances: token -> its probability at temperature 1, of the likeliest tokens.
    """
    text = sampling_text(chances, temperature, top_p)
    key = legend(
        (FILLED, "can be drawn"), (STRIPED, "cut by top_p"), (OUTLINED, "the model's own share")
    )
    return sheet(key, bars(sampling_bars(chances, temperature, top_p), text), status(text))


def sampling_bars(chances: Mapping[str, float], temperature: float, top_p: float) -> list[Bar]:
    """Return a bar for each token, those that top_p cuts marked; the last ones share a bar.

    >>> [bar.text for bar in sampling_bars({"a": 0.5, "b": 0.3, "c": 0.2}, 1, 0.7)]
    ['62.5 %', '37.5 %', 'cut (20.0 %)']
    """
    own, shares, kept = _sampled(chances, temperature, top_p)
    likeliest = sorted(own, key=lambda token: -own[token])
    rows = [
        _sampled_bar(repr(token), own[token], shares[token], kept.get(token, 0.0))
        for token in likeliest[:MAX_BARS]
    ]
    if others := likeliest[MAX_BARS:]:
        sums = (sum(values.get(token, 0.0) for token in others) for values in (own, shares, kept))
        rows.append(_sampled_bar(f"{len(others)} others", *sums))
    return rows


def sampling_text(chances: Mapping[str, float], temperature: float, top_p: float) -> str:
    """Return which tokens can be drawn and how many are cut, as a sentence.

    >>> sampling_text({"a": 0.5, "b": 0.3, "c": 0.2}, 1, 0.7)
    "Temperature 1, top_p 0.7: 2 of 3 tokens can be drawn: 'a' 62.5 %, 'b' 37.5 %. 1 is cut."
    """
    _, shares, kept = _sampled(chances, temperature, top_p)
    cut = sum(share > 0 for share in shares.values()) - len(kept)
    text = (
        f"Temperature {temperature:g}, top_p {top_p:g}: {len(kept)} of {len(chances)} tokens can "
        f"be drawn: {_named(kept)}."
    )
    if cut:
        text += f" {cut} {'is' if cut == 1 else 'are'} cut."
    if temperature > HOT:
        text += (
            " The real shares are smaller: above temperature 1, tokens count that are not in this "
            "list."
        )
    return text


def _sampled(
    chances: Mapping[str, float], temperature: float, top_p: float
) -> tuple[dict[str, float], dict[str, float], dict[str, float]]:
    """Return the probabilities of the model, at the temperature, and after the cut."""
    logprobs = _logarithms(chances)
    shares = softmax(logprobs, temperature)
    kept = nucleus(shares, top_p)
    return dict(chances), shares, {token: share for token, share in kept.items() if share > 0}


def _logarithms(chances: Mapping[str, float]) -> dict[str, float]:
    if not chances:
        raise ValueError("there is no token to show: pass a dictionary of tokens and probabilities")
    for token, chance in chances.items():
        if not 0 <= chance <= 1:
            raise ValueError(f"the probability of {token!r} is {chance}, expected 0 to 1")
    return {token: math.log(max(chance, 1e-300)) for token, chance in chances.items()}


def _sampled_bar(name: str, own: float, share: float, kept: float) -> Bar:
    if kept > 0:
        return Bar(name, kept, percent(kept), own)
    if not share:  # at temperature 0
        return Bar(name, 0.0, "no chance", own)
    return Bar(name, share, f"cut ({percent(share)})", own, is_cut=True)


def _named(shares: Mapping[str, float]) -> str:
    likeliest = sorted(shares, key=lambda token: -shares[token])
    texts = [f"{repr(token)} {percent(shares[token])}" for token in likeliest[:MAX_NAMED]]
    if others := len(likeliest) - MAX_NAMED:
        texts += [f"{others} more"] if others > 0 else []
    return ", ".join(texts)


# A bias


def bias_picture(chances: Mapping[str, float], biases: Mapping[str, float]) -> str:
    """Return the bars of the next token before and after a bias, as HTML.

    chances: token -> its probability without a bias. biases: token -> what is added to its score.
    """
    text = bias_text(chances, biases)
    key = legend((FILLED, "with the bias"), (OUTLINED, "without"))
    return sheet(key, bars(bias_bars(chances, biases), text, texts="12em"), status(text))


def biased(chances: Mapping[str, float], biases: Mapping[str, float]) -> dict[str, float]:
    """Return the probability of each token with a bias, at temperature 1.

    Formula: the probability times exp(bias), divided by the sum over all tokens. Tokens that are
    not in chances have the rest of the probability, and no bias. Raises ValueError for a token
    without a known probability.

    >>> {token: round(share, 2) for token, share in biased({"a": 0.5, "b": 0.5}, {"a": 1}).items()}
    {'a': 0.73, 'b': 0.27}
    """
    _logarithms(chances)
    if unknown := [token for token in biases if token not in chances]:
        raise ValueError(f"{unknown[0]!r} is not among the tokens: {', '.join(map(repr, chances))}")
    weights = {token: chances[token] * math.exp(biases.get(token, 0.0)) for token in chances}
    total = sum(weights.values()) + max(0.0, 1 - sum(chances.values()))
    return {token: weight / total for token, weight in weights.items()}


def bias_bars(chances: Mapping[str, float], biases: Mapping[str, float]) -> list[Bar]:
    """Return bars with the probability after a bias; the outline is the one before it.

    The tokens with a bias stand first. All tokens that are not shown share the last bar.

    >>> [bar.text for bar in bias_bars({"a": 0.5, "b": 0.5}, {"a": 1})]
    ['50.0 % → 73.1 %', '50.0 % → 26.9 %', '<0.1 % → <0.1 %']
    """
    after = biased(chances, biases)
    shown = [*biases, *_unbiased(chances, biases, MAX_BARS // 2 - len(biases))]
    rows = [_bias_bar(repr(token), chances[token], after[token]) for token in shown]
    rest = [max(0.0, 1 - sum(values[token] for token in shown)) for values in (chances, after)]
    return [*rows, _bias_bar("all others", *rest)]


def bias_text(chances: Mapping[str, float], biases: Mapping[str, float]) -> str:
    """Return the biases and what becomes likely, as a sentence.

    >>> bias_text({"a": 0.5, "b": 0.5}, {"a": 1})
    "Bias 'a' +1: 'a' 73.1 %, 'b' 26.9 %."
    """
    pushed = [f"{repr(token)} {bias:+g}" for token, bias in biases.items() if bias]
    head = f"Bias {', '.join(pushed)}" if pushed else "No bias"
    return f"{head}: {_named(biased(chances, biases))}."


def _bias_bar(name: str, before: float, after: float) -> Bar:
    return Bar(name, after, f"{percent(before)} → {percent(after)}", before)


def _unbiased(chances: Mapping[str, float], biases: Iterable[str], count: int) -> Sequence[str]:
    others = sorted(set(chances) - set(biases), key=lambda token: (-chances[token], token))
    return others[: max(0, count)]
