"""Calculate what a deployment costs: core hours, US dollars, cost per token, break-even, instances.

Money is in US dollars, without taxes and discounts. Functions take a price either as a number (US
dollars per hour of one instance) or as a ``Price``. They raise ValueError for impossible arguments,
such as a negative time, half an instance or a price in another currency.

Sources: Microsoft Learn, "Deploy models with managed compute: pay-as-you-go" (20 January 2026) for
billing by the minute; "Troubleshoot online endpoints" (18 September 2024) for the number of
instances; ``simulated_azure/management/data/vm_sizes.toml`` for sizes and list prices.
"""

from __future__ import annotations

import math
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from numbers import Integral, Real

FORGOTTEN_HOURS = {
    "one night (17:00 to 08:00)": 15,
    "one weekend (Friday 17:00 to Monday 08:00)": 63,
    "one month (a twelfth of 8,760 h)": 730,
}
TARGET_UTILISATION = 0.7  # Microsoft's sizing rule leaves 30 % of each instance free


@dataclass(frozen=True)
class Size:
    """A size of virtual machine. ``gpus`` is a description, such as "1 x A100 80 GB"."""

    name: str
    vcpus: int
    gpus: str
    memory_gib: int


@dataclass(frozen=True)
class Price:
    """The price of one instance per hour, with its source and its date."""

    sku: str
    region: str
    per_hour: float
    currency: str
    source: str
    date: str

    def __str__(self) -> str:
        return (
            f"{self.per_hour} {self.currency} per hour, {self.sku} in {self.region} "
            f"({self.source}; {self.date})"
        )


@cache
def _size_table() -> dict:
    path = files("simulated_azure") / "management" / "data" / "vm_sizes.toml"
    return tomllib.loads(path.read_text(encoding="utf-8"))


def sizes() -> dict[str, Size]:
    """Return the sizes that Phi-4 can be deployed to, by name.

    >>> sizes()["Standard_NC24ads_A100_v4"].vcpus
    24
    """
    return {
        row["name"]: Size(row["name"], row["vcpus"], row["gpus"], row["memory_gib"])
        for row in _size_table()["size"]
    }


def list_price(sku: str, region: str = "eastus") -> Price:
    """Return the list price of a size in a region, from this kit's own table.

    ``date`` of the result is the date of that table. ``helpers.prices.retail_price`` asks Azure for
    prices that the table lacks. Raises ValueError for a size or region that is not in the table;
    the message lists those that are.

    >>> print(list_price("Standard_NC24ads_A100_v4"))
    3.673 USD per hour, Standard_NC24ads_A100_v4 in eastus (the table of this kit; 2026-11-09)
    >>> list_price("Standard_NC24ads_A100_v4", "westus").date
    'undated copy, about 2025'
    """
    _check_size(sku)
    table = _size_table()
    row = next(row for row in table["size"] if row["name"] == sku)
    dated, undated = row.get("usd_per_hour", {}), row.get("usd_per_hour_undated", {})
    if region in dated:
        per_hour, date = dated[region], table["dated"]
    elif region in undated:
        per_hour, date = undated[region], table["undated"]
    else:
        regions = ", ".join(sorted({*dated, *undated}))
        raise ValueError(f"this table has no price of {sku} in {region!r}, only in\n{regions}")
    return Price(sku, region, per_hour, table["currency"], "the table of this kit", date)


def core_hours(sku: str, instances: int, hours: float) -> float:
    """Return core hours: virtual CPU cores of the size * instances * hours.

    A minute that has begun counts as a whole minute.

    >>> core_hours("Standard_NC24ads_A100_v4", instances=1, hours=168)
    4032.0
    """
    _check_size(sku)
    return sizes()[sku].vcpus * _whole("instances", instances) * _billed_hours(hours)


def cost_usd(price: float | Price, instances: int, hours: float) -> float:
    """Return what instances cost, in US dollars, whether or not they answer any request.

    A minute that has begun counts as a whole minute. (Microsoft says only that billing is prorated
    by the minute.) Raises ValueError for a price in another currency than US dollars.

    >>> round(cost_usd(list_price("Standard_NC24ads_A100_v4"), instances=1, hours=168), 2)
    617.06
    >>> round(cost_usd(3.673, instances=1, hours=730), 2)
    2681.29
    """
    return _usd_per_hour(price) * _whole("instances", instances) * _billed_hours(hours)


def forgotten_usd(price: float | Price, instances: int = 1) -> dict[str, float]:
    """Return what a deployment costs that nobody deletes for a night, a weekend and a month.

    The keys describe the time; the values are US dollars.

    >>> [round(usd) for usd in forgotten_usd(3.673).values()]
    [55, 231, 2681]
    """
    return {span: cost_usd(price, instances, hours) for span, hours in FORGOTTEN_HOURS.items()}


def usd_per_million_tokens(
    price: float | Price, instances: int, tokens_per_second: float, utilisation: float = 1.0
) -> float:
    """Return what a million tokens cost, in US dollars, on machines of your own.

    tokens_per_second: the output of all instances together while they are busy.
    utilisation: the share of the time that they are busy, above 0 and at most 1.

    Formula: price * instances / (tokens_per_second * 3600 * utilisation) * 1e6.

    >>> round(usd_per_million_tokens(3.673, 1, 309.0), 2)
    3.3
    >>> round(usd_per_million_tokens(3.673, 1, 1029.4), 2)
    0.99
    """
    tokens_per_busy_hour = _positive("tokens_per_second", tokens_per_second) * 3600
    tokens_per_hour = tokens_per_busy_hour * _share("utilisation", utilisation)
    return _usd_per_hour(price) * _whole("instances", instances) / tokens_per_hour * 1e6


def break_even_output_tokens_per_second(
    price: float | Price,
    instances: int,
    usd_per_million_input: float,
    usd_per_million_output: float,
    input_per_output: float,
) -> float:
    """Return the output tokens per second at which your own machines cost as much as an API.

    The rate is an average around the clock. The API charges per token.

    usd_per_million_input, usd_per_million_output: the API's prices in US dollars.
    input_per_output: prompt tokens for each output token, 0 or more.

    Formula: price * instances / 3600 / (usd_per_million_output
    + input_per_output * usd_per_million_input) * 1e6.

    >>> round(break_even_output_tokens_per_second(3.673, 1, 0.125, 0.50, 2.19))
    1319
    >>> round(break_even_output_tokens_per_second(6.98, 1, 0.125, 0.50, 2.19))
    2506
    """
    input_usd = _number("usd_per_million_input", usd_per_million_input)
    output_usd = _positive("usd_per_million_output", usd_per_million_output)
    api_usd = output_usd + _number("input_per_output", input_per_output) * input_usd
    return _usd_per_hour(price) * _whole("instances", instances) / 3600 / api_usd * 1e6


def utilisation_needed(break_even: float, peak: float) -> float:
    """Return the share of the time that your own machines must be busy to cost less than an API.

    break_even, peak: tokens per second at break-even, and of the machines while they are busy.
    A result above 1 means that they never cost less. Formula: break_even / peak.

    >>> utilisation_needed(1300, 2600), utilisation_needed(1300, 325)
    (0.5, 4.0)
    """
    return _positive("break_even", break_even) / _positive("peak", peak)


def instances_needed(
    requests_per_second: float, latency_seconds: float, max_concurrent_requests_per_instance: int
) -> int:
    """Return how many instances can answer a load, at least 1.

    latency_seconds: how long one answer takes.

    Formula (Microsoft's sizing rule): requests_per_second * latency_seconds / 0.7
    / max_concurrent_requests_per_instance, rounded up.

    >>> instances_needed(0.5, 6, 1), instances_needed(0.5, 6, 16)
    (5, 1)
    """
    arrivals = _number("requests_per_second", requests_per_second)
    concurrent_requests = arrivals * _positive("latency_seconds", latency_seconds)
    maximum = _whole("max_concurrent_requests_per_instance", max_concurrent_requests_per_instance)
    # Without rounding, 0.7 / 0.7 could come out a little above 1 and need a second instance.
    return max(1, math.ceil(round(concurrent_requests / TARGET_UTILISATION / maximum, 9)))


def _check_size(sku: str) -> None:
    if sku not in sizes():
        raise ValueError(
            f"sku is {sku!r}, but Phi-4 can be deployed only to these sizes: {', '.join(sizes())}"
        )


def _usd_per_hour(price: float | Price) -> float:
    if not isinstance(price, Price):
        return _positive("price", price)
    if price.currency != "USD":
        raise ValueError(
            f"the price is in {price.currency}, expected USD: this kit does not convert currencies"
        )
    return _positive("price", price.per_hour)


def _billed_hours(hours: float) -> float:
    # Without rounding, 0.1 h would be a little over 6 minutes and be billed as 7.
    seconds = round(_number("hours", hours) * 3600, 3)
    return math.ceil(seconds / 60) / 60


def _number(name: str, value: float) -> float:
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or value < 0:
        raise ValueError(f"{name} is {value!r}, expected a finite number of at least 0")
    return value


def _positive(name: str, value: float) -> float:
    if _number(name, value) == 0:
        raise ValueError(f"{name} is {value!r}, expected a number above 0")
    return value


def _share(name: str, value: float) -> float:
    if _positive(name, value) > 1:
        raise ValueError(f"{name} is {value!r}, expected a share above 0 and at most 1")
    return value


def _whole(name: str, value: int) -> int:
    if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
        raise ValueError(f"{name} is {value!r}, expected a whole number of at least 1")
    return value
