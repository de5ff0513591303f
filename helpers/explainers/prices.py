"""What questions cost a day: paid per token, or on machines that are deployed for some hours."""

from __future__ import annotations

import math
from dataclasses import dataclass

from helpers.cost import cost_usd, list_price
from helpers.explainers.bars import Bar, bars, sheet, status
from helpers.playground.costs import SIZE, USD_PER_MILLION_INPUT, USD_PER_MILLION_OUTPUT

# Of one A100, in and out together: the faster of lesson 08's two measured loads.
TOKENS_PER_SECOND = 1029.4


@dataclass(frozen=True)
class Traffic:
    """The questions of a day.

    tokens_in, tokens_out: of each question and its answer. hours: for which machines are deployed.
    """

    questions: int = 2000
    tokens_in: int = 100
    tokens_out: int = 256
    hours: float = 3.0

    @property
    def tokens(self) -> int:
        """All tokens of a day."""
        return self.questions * (self.tokens_in + self.tokens_out)

    @property
    def usd_per_token(self) -> float:
        """US dollars a day, paid per token."""
        usd_in = self.questions * self.tokens_in * USD_PER_MILLION_INPUT
        return (usd_in + self.questions * self.tokens_out * USD_PER_MILLION_OUTPUT) / 1e6

    def machines(self, tokens_per_second: float = TOKENS_PER_SECOND) -> int:
        """Return how many machines can answer the questions in the hours, at least 1.

        Raises ValueError if the hours or the speed are not above 0.

        >>> Traffic(questions=100_000).machines()
        4
        """
        if not self.hours > 0 or not tokens_per_second > 0:
            raise ValueError("the hours and the tokens per second have to be above 0")
        return max(1, math.ceil(self.tokens / (self.hours * 3600 * tokens_per_second)))


def costs_picture(traffic: Traffic, tokens_per_second: float = TOKENS_PER_SECOND) -> str:
    """Return the costs of a day in both ways of paying, as bars in HTML.

    tokens_per_second: of one machine, in and out together, while it is busy.
    """
    text = costs_text(traffic, tokens_per_second)
    return sheet(bars(costs_bars(traffic, tokens_per_second), text, "12em", "13em"), status(text))


def costs_bars(traffic: Traffic, tokens_per_second: float = TOKENS_PER_SECOND) -> list[Bar]:
    """Return a bar for each way of paying. The more expensive one has the whole width.

    >>> [(bar.name, bar.text) for bar in costs_bars(Traffic())]
    [('per token', '0.28 USD a day'), ('managed compute', '11.02 USD a day')]
    """
    usd = {
        "per token": traffic.usd_per_token,
        "managed compute": _machine_usd(traffic, tokens_per_second),
    }
    highest = max(usd.values())
    return [Bar(name, amount / highest, f"{amount:,.2f} USD a day") for name, amount in usd.items()]


def costs_text(traffic: Traffic, tokens_per_second: float = TOKENS_PER_SECOND) -> str:
    """Return both costs, the number of machines and how busy they are, in words.

    >>> print(costs_text(Traffic()))
    Per token 0.28 USD a day; 1 machine for 3 hours 11.02 USD a day, busy for 6% of its time. \
The machine costs 39 times as much.
    """
    machines = traffic.machines(tokens_per_second)
    usd = _machine_usd(traffic, tokens_per_second)
    busy = traffic.tokens / (machines * traffic.hours * 3600 * tokens_per_second)
    noun, its = ("machine", "its") if machines == 1 else ("machines", "their")
    share = f"{busy:.0%}" if busy >= 0.01 or not busy else "less than 1%"
    hours = "hour" if traffic.hours == 1 else "hours"
    text = (
        f"Per token {traffic.usd_per_token:,.2f} USD a day; {machines:,} {noun} for "
        f"{traffic.hours:g} {hours} {usd:,.2f} USD a day, busy for {share} of {its} time."
    )
    if not traffic.usd_per_token:
        return f"{text} Nothing is asked, and the machine costs the same."
    verb = "costs" if machines == 1 else "cost"
    ratio = usd / traffic.usd_per_token
    if ratio < 1:
        return f"{text} The {noun} {verb} less."
    return f"{text} The {noun} {verb} {ratio:,.{0 if ratio >= 10 else 1}f} times as much."


def _machine_usd(traffic: Traffic, tokens_per_second: float) -> float:
    return cost_usd(list_price(SIZE), traffic.machines(tokens_per_second), traffic.hours)
