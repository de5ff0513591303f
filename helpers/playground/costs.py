"""Say in a line what answers cost per token, and on managed compute, where one pays for time."""

from __future__ import annotations

from dataclasses import dataclass

from helpers.cost import list_price

SIZE = "Standard_NC24ads_A100_v4"  # the smallest that can run Phi-4
# Per million tokens, and seconds on one A100: the figures of lesson 08, which names their sources.
USD_PER_MILLION_INPUT, USD_PER_MILLION_OUTPUT = 0.125, 0.50
SECONDS_TO_FIRST_TOKEN, SECONDS_PER_TOKEN = 0.067, 0.0225


@dataclass(frozen=True)
class Usage:
    """The tokens of all requests so far. Sums of two are possible."""

    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.requests + other.requests,
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
        )

    @property
    def usd_per_token(self) -> float:
        """US dollars for a provider that charges per token."""
        return (
            self.prompt_tokens * USD_PER_MILLION_INPUT
            + self.completion_tokens * USD_PER_MILLION_OUTPUT
        ) / 1e6

    @property
    def gpu_seconds(self) -> float:
        """Seconds that one A100 would take, one request after another."""
        return self.requests * SECONDS_TO_FIRST_TOKEN + self.completion_tokens * SECONDS_PER_TOKEN


def meter(usage: Usage) -> str:
    """Return what a chat has used, and what that costs in both ways of paying.

    >>> print(meter(Usage(2, 50, 16)))
    2 requests, 50 tokens in, 16 tokens out.
    Paying per token (0.125 US dollars per million in, 0.50 out): 0.000014 US dollars.
    On managed compute: 3.673 US dollars an hour, with or without questions.
    One A100 would have worked 0.5 s, which is 0.000504 of these dollars.
    """
    price = list_price(SIZE).per_hour
    noun = "request" if usage.requests == 1 else "requests"
    share = price * usage.gpu_seconds / 3600
    return (
        f"{usage.requests} {noun}, {usage.prompt_tokens:,} tokens in, "
        f"{usage.completion_tokens:,} tokens out.\n"
        f"Paying per token ({USD_PER_MILLION_INPUT} US dollars per million in, "
        f"{USD_PER_MILLION_OUTPUT:.2f} out): {usage.usd_per_token:.6f} US dollars.\n"
        f"On managed compute: {price} US dollars an hour, with or without questions.\n"
        f"One A100 would have worked {usage.gpu_seconds:.1f} s, "
        f"which is {share:.6f} of these dollars."
    )
