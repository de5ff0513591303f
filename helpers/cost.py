"""What a deployment costs: hours, cores and prices; dollars per million tokens; break-even; how many instances.

Money is in US dollars, without taxes and discounts. A price is a number (USD per hour of one instance) or a ``Price``.
All functions raise ValueError for what cannot be: a negative time, no instances, a number that is none.

Sources: Microsoft Learn, "Deploy models with managed compute: pay-as-you-go" (20 January 2026) for billing by the minute;
"Troubleshoot online endpoints" (18 September 2024) for the number of instances; prices from ``vm_sizes.toml``.
"""

from __future__ import annotations

import math
import operator
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from numbers import Real

SPANS = {  # hours of what people forget
    "one night (17:00 to 08:00)": 15,
    "one weekend (Friday 17:00 to Monday 08:00)": 63,
    "one month (a twelfth of 8,760 h)": 730,
}
HEADROOM = 0.7  # of an instance's requests at a time that Microsoft's sizing rule plans with


@dataclass(frozen=True)
class Size:
    """A size of virtual machine: its name, virtual CPU cores, GPUs in words, memory in GiB."""

    name: str
    vcpus: int
    gpus: str
    memory_gib: int


@dataclass(frozen=True)
class Price:
    """What one instance costs per hour, in which currency, who says so, and from which date."""

    sku: str
    region: str
    per_hour: float
    currency: str
    source: str
    date: str

    def __str__(self) -> str:
        return f"{self.per_hour} {self.currency} per hour, {self.sku} in {self.region} ({self.source}; {self.date})"


@cache
def _table() -> dict:
    return tomllib.loads((files("simulated_azure") / "management" / "data" / "vm_sizes.toml").read_text(encoding="utf-8"))


def sizes() -> dict[str, Size]:
    """The sizes that Phi-4 may be deployed to, by name.

    >>> sizes()["Standard_NC24ads_A100_v4"].vcpus
    24
    """
    return {row["name"]: Size(row["name"], row["vcpus"], row["gpus"], row["memory_gib"]) for row in _table()["size"]}


def list_price(sku: str, region: str = "eastus") -> Price:
    """The list price of a size in a region, from the table of this kit, with the date of that table.

    Raises ValueError for a size or a region that the table does not have, and names those that it has. For other regions
    helpers.prices.retail_price asks Azure.

    >>> print(list_price("Standard_NC24ads_A100_v4"))
    3.673 USD per hour, Standard_NC24ads_A100_v4 in eastus (the table of this kit; 2026-11-09)
    >>> list_price("Standard_NC24ads_A100_v4", "westus").date
    'undated copy, about 2025'
    """
    _size(sku)
    row = next(row for row in _table()["size"] if row["name"] == sku)
    known = {region: (price, _table()["undated"]) for region, price in row.get("usd_per_hour_undated", {}).items()}
    known |= {region: (price, _table()["dated"]) for region, price in row.get("usd_per_hour", {}).items()}
    if region not in known:
        raise ValueError(f"this table has no price of {sku} in {region!r}, only in\n{', '.join(sorted(known))}")
    return Price(sku, region, known[region][0], _table()["currency"], "the table of this kit", known[region][1])


def core_hours(sku: str, instances: int, hours: float) -> float:
    """Core hours: virtual CPU cores of the size times instances times hours (whole minutes).

    >>> core_hours("Standard_NC24ads_A100_v4", instances=1, hours=168)
    4032.0
    """
    return _size(sku).vcpus * _whole("instances", instances) * _billed_hours(hours)


def cost_usd(price: float | Price, instances: int, hours: float) -> float:
    """US dollars for so many instances over so many hours, whether or not they answer anything.

    A minute that has begun counts as a whole one. (Microsoft says only that the price is prorated by the minute.)
    Raises ValueError for a Price in another currency.

    >>> round(cost_usd(list_price("Standard_NC24ads_A100_v4"), instances=1, hours=168), 2)
    617.06
    >>> round(cost_usd(3.673, instances=1, hours=730), 2)
    2681.29
    """
    return _usd(price) * _whole("instances", instances) * _billed_hours(hours)


def forgotten_usd(price: float | Price, instances: int = 1) -> dict[str, float]:
    """What a deployment costs that nobody deleted: US dollars for a night, a weekend and a month.

    >>> [round(usd) for usd in forgotten_usd(3.673).values()]
    [55, 231, 2681]
    """
    return {span: cost_usd(price, instances, hours) for span, hours in SPANS.items()}


def usd_per_million_tokens(price: float | Price, instances: int, tokens_per_second: float, utilisation: float = 1.0) -> float:
    """US dollars for a million tokens on machines of one's own.

    tokens_per_second: what all instances together deliver when busy. utilisation: the share of the time that they are,
    above 0 and at most 1. Formula: price * instances / (tokens_per_second * 3600 * utilisation) * 1e6.

    >>> round(usd_per_million_tokens(3.673, 1, 309.0), 2), round(usd_per_million_tokens(3.673, 1, 96.85), 2)
    (3.3, 10.53)
    >>> round(usd_per_million_tokens(3.673, 1, 1029.4), 2), round(usd_per_million_tokens(3.673, 1, 325.2), 2)
    (0.99, 3.14)
    """
    per_hour = _positive("tokens_per_second", tokens_per_second) * 3600 * _share("utilisation", utilisation)
    return _usd(price) * _whole("instances", instances) / per_hour * 1e6


def break_even_output_tokens_per_second(
    price: float | Price, instances: int, usd_per_million_input: float, usd_per_million_output: float, input_per_output: float
) -> float:
    """The output tokens per second, around the clock, at which one's own machines cost what paying per token costs.

    input_per_output: how many prompt tokens there are for each token of an answer, 0 or more. Formula: price per second,
    divided by the price of one output token and its share of input tokens.

    >>> round(break_even_output_tokens_per_second(3.673, 1, 0.125, 0.50, 2.19))
    1319
    >>> round(break_even_output_tokens_per_second(6.98, 1, 0.125, 0.50, 2.19))
    2506
    """
    per_output = _positive("usd_per_million_output", usd_per_million_output)
    per_output += _number("input_per_output", input_per_output) * _number("usd_per_million_input", usd_per_million_input)
    return _usd(price) * _whole("instances", instances) / 3600 / per_output * 1e6


def utilisation_needed(break_even: float, peak: float) -> float:
    """The share of the time that one's own machines must be busy to pay off: break-even over peak, in the same unit.

    Above 1 they never do.

    >>> utilisation_needed(1300, 2600), utilisation_needed(1300, 325)
    (0.5, 4.0)
    """
    return _positive("break_even", break_even) / _positive("peak", peak)


def instances_needed(requests_per_second: float, latency_seconds: float, max_concurrent_requests_per_instance: int) -> int:
    """How many instances keep up: ceil(requests per second * seconds per answer / 0.7 / requests at a time), at least 1.

    >>> instances_needed(0.5, 6, 1), instances_needed(0.5, 6, 16)
    (5, 1)
    """
    at_a_time = _number("requests_per_second", requests_per_second) * _positive("latency_seconds", latency_seconds)
    room = HEADROOM * _whole("max_concurrent_requests_per_instance", max_concurrent_requests_per_instance)
    return max(1, math.ceil(round(at_a_time / room, 9)))  # rounded, or 0.7 / 0.7 might come out above 1


def _size(sku: str) -> Size:
    if sku not in sizes():
        raise ValueError(f"found size {sku!r}, expected one that Phi-4 may be deployed to: {', '.join(sizes())}")
    return sizes()[sku]


def _usd(price: float | Price) -> float:
    if isinstance(price, Price):
        if price.currency != "USD":
            raise ValueError(f"found a price in {price.currency}, expected USD: this kit has no exchange rates")
        price = price.per_hour
    return _positive("price", price)


def _billed_hours(hours: float) -> float:
    seconds = round(_number("hours", hours) * 3600, 3)  # rounded, or 0.1 h would be a little over 6 minutes
    return math.ceil(seconds / 60) / 60


def _number(name: str, value: float) -> float:
    if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value) or value < 0:
        raise ValueError(f"found {name}={value!r}, expected a finite number of at least 0")
    return value


def _positive(name: str, value: float) -> float:
    if _number(name, value) == 0:
        raise ValueError(f"found {name}={value!r}, expected a number above 0")
    return value


def _share(name: str, value: float) -> float:
    if _positive(name, value) > 1:
        raise ValueError(f"found {name}={value!r}, expected a share above 0 and at most 1")
    return value


def _whole(name: str, value: int) -> int:
    try:
        if not isinstance(value, bool) and operator.index(value) >= 1:
            return value
    except TypeError:
        pass
    raise ValueError(f"found {name}={value!r}, expected a whole number of at least 1")
