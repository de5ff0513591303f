"""Test cost calculations with examples that were checked by hand, and with impossible arguments."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest

from helpers.cost import (
    FORGOTTEN_HOURS,
    Price,
    break_even_output_tokens_per_second,
    core_hours,
    cost_usd,
    forgotten_usd,
    instances_needed,
    list_price,
    sizes,
    usd_per_million_tokens,
    utilisation_needed,
)

A100, H100 = "Standard_NC24ads_A100_v4", "Standard_NC40ads_H100_v5"
EURO = Price(A100, "westeurope", 3.4, "EUR", "a test", "2026-11-09")
NOT_NUMBERS = [-1, math.nan, math.inf, True, "1", None]


@pytest.mark.parametrize(
    ("sku", "hours", "usd"),
    [(A100, 168, 617.06), (A100, 730, 2681.29), (H100, 168, 1172.64), (H100, 730, 5095.40)],
)
def test_cost_agrees_with_the_worked_examples(sku, hours, usd):
    assert round(cost_usd(list_price(sku), 1, hours), 2) == usd


def test_core_hours_are_cores_times_instances_times_hours():
    assert core_hours(A100, 1, 168) == 4032
    assert core_hours(H100, 3, 2) == 240


def test_cost_is_the_price_of_a_core_hour_times_core_hours():
    price = list_price(A100)
    assert cost_usd(price, 2, 31.5) == pytest.approx(
        core_hours(A100, 2, 31.5) * price.per_hour / sizes()[A100].vcpus
    )


@pytest.mark.parametrize(
    ("hours", "minutes"),
    [
        (0, 0),
        (1 / 60, 1),
        (0.1, 6),
        (0.7, 42),
        (1 / 3, 20),
        (2.05, 123),
        (25 / 3, 500),
        (61 / 3600, 2),
        (Fraction(5, 60), 5),
    ],
)
def test_only_a_minute_that_has_begun_counts_as_a_whole_one(hours, minutes):
    assert cost_usd(60, 1, hours) == pytest.approx(minutes)


def test_every_size_has_a_price_in_east_us_with_a_date():
    assert len(sizes()) == 8
    for sku in sizes():
        price = list_price(sku)
        assert price.currency == "USD" and 3 < price.per_hour < 100
        assert price.date in ("2026-11-09", "undated copy, about 2025")


def test_an_undated_price_says_that_it_is_undated():
    assert (
        list_price("Standard_ND96amsr_A100_v4").date
        == list_price(A100, "uksouth").date
        == "undated copy, about 2025"
    )


def test_the_error_for_an_unknown_region_lists_the_known_regions():
    with pytest.raises(
        ValueError, match="no price of .*'norwayeast', only in\ncentralindia, .*eastus, .*westus3$"
    ):
        list_price(A100, "norwayeast")


def test_the_error_for_an_unknown_region_has_no_line_too_long_for_a_page():
    with pytest.raises(ValueError) as error:
        list_price(A100, "norwayeast")
    assert max(map(len, f"ValueError: {error.value}".splitlines())) <= 96


@pytest.mark.parametrize("call", [lambda: list_price("NC24"), lambda: core_hours("NC24", 1, 1)])
def test_the_error_for_an_unknown_size_lists_the_sizes_for_phi4(call):
    with pytest.raises(
        ValueError, match="'NC24'.*Standard_NC24ads_A100_v4, .*Standard_ND96isr_H100_v5"
    ):
        call()


def test_a_forgotten_deployment_costs_what_its_hours_cost():
    assert forgotten_usd(list_price(A100), 2) == {
        span: pytest.approx(2 * 3.673 * hours) for span, hours in FORGOTTEN_HOURS.items()
    }


@pytest.mark.parametrize(
    ("rate", "usd"), [(309.0, 3.30), (1029.4, 0.99), (96.85, 10.53), (325.2, 3.14)]
)
def test_usd_per_million_tokens_agrees_with_the_benchmark(rate, usd):
    assert round(usd_per_million_tokens(list_price(A100), 1, rate), 2) == usd


def test_half_the_utilisation_doubles_the_price_of_a_token():
    assert usd_per_million_tokens(4, 2, 100, 0.5) == 2 * usd_per_million_tokens(4, 2, 100)


@pytest.mark.parametrize(("sku", "rate"), [(A100, 1319), (H100, 2506)])
def test_break_even_agrees_with_the_worked_examples(sku, rate):
    assert round(break_even_output_tokens_per_second(list_price(sku), 1, 0.125, 0.50, 2.19)) == rate


def test_at_break_even_machines_and_api_cost_the_same():
    rate = break_even_output_tokens_per_second(3.673, 2, 0.125, 0.50, 3)
    by_token = rate * 3600 * (3 * 0.125 + 0.50) / 1e6
    assert by_token == pytest.approx(cost_usd(3.673, 2, 1))


def test_utilisation_needed_can_be_above_one():
    assert utilisation_needed(1319, 325.2) == pytest.approx(4.056, abs=1e-3)


@pytest.mark.parametrize(
    ("rate", "latency", "concurrent", "instances"),
    [
        (0, 7, 1, 1),
        (0.1, 7, 1, 1),
        (0.5, 7, 1, 5),
        (0.5, 7.01, 1, 6),
        (1, 0.7, 1, 1),
        (11.2, 1, 16, 1),
        (11.3, 1, 16, 2),
    ],
)
def test_the_sizing_rule_rounds_up_and_leaves_headroom(rate, latency, concurrent, instances):
    assert instances_needed(rate, latency, concurrent) == instances


@pytest.mark.parametrize("wrong", NOT_NUMBERS)
@pytest.mark.parametrize(
    "call",
    [
        lambda wrong: cost_usd(wrong, 1, 1),
        lambda wrong: cost_usd(1, 1, wrong),
        lambda wrong: core_hours(A100, 1, wrong),
        lambda wrong: usd_per_million_tokens(1, 1, wrong),
        lambda wrong: usd_per_million_tokens(1, 1, 1, wrong),
        lambda wrong: break_even_output_tokens_per_second(1, 1, wrong, 1, 1),
        lambda wrong: break_even_output_tokens_per_second(1, 1, 1, wrong, 1),
        lambda wrong: break_even_output_tokens_per_second(1, 1, 1, 1, wrong),
        lambda wrong: utilisation_needed(wrong, 1),
        lambda wrong: utilisation_needed(1, wrong),
        lambda wrong: instances_needed(wrong, 1, 1),
        lambda wrong: instances_needed(1, wrong, 1),
    ],
)
def test_what_is_not_a_number_is_refused_and_shown(call, wrong):
    with pytest.raises(ValueError, match=f"^[a-z_]+ is {wrong!r}, expected "):
        call(wrong)


@pytest.mark.parametrize(
    "call",
    [
        lambda: cost_usd(0, 1, 1),
        lambda: usd_per_million_tokens(1, 1, 0),
        lambda: usd_per_million_tokens(1, 1, 1, 0),
        lambda: usd_per_million_tokens(1, 1, 1, 1.01),
        lambda: break_even_output_tokens_per_second(1, 1, 1, 0, 1),
        lambda: utilisation_needed(1, 0),
        lambda: instances_needed(1, 0, 1),
    ],
)
def test_zero_and_shares_above_one_are_refused(call):
    with pytest.raises(ValueError, match="expected a (number above 0|share above 0 and at most 1)"):
        call()


@pytest.mark.parametrize("wrong", [0, -1, 1.5, True, "2", None])
@pytest.mark.parametrize(
    "call",
    [
        lambda n: cost_usd(1, n, 1),
        lambda n: core_hours(A100, n, 1),
        lambda n: instances_needed(1, 1, n),
    ],
)
def test_instances_must_be_whole_and_at_least_one(call, wrong):
    with pytest.raises(ValueError, match=f"is {wrong!r}, expected a whole number of at least 1"):
        call(wrong)


@pytest.mark.parametrize(
    "call",
    [
        lambda: cost_usd(EURO, 1, 1),
        lambda: usd_per_million_tokens(EURO, 1, 100),
        lambda: break_even_output_tokens_per_second(EURO, 1, 0.125, 0.5, 2),
        lambda: forgotten_usd(EURO),
    ],
)
def test_currencies_are_not_mixed(call):
    with pytest.raises(ValueError, match="price is in EUR, expected USD"):
        call()
