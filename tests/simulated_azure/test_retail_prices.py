"""The simulated price list over a real socket.

The shape of pages and rows is Microsoft's documented one. The text of a refused filter is from
published recordings of the real service.
"""

from __future__ import annotations

import pytest
import requests

from helpers.cost import list_price
from simulated_azure.azure import SimulatedAzure
from simulated_azure.http import Request
from simulated_azure.management.retail_prices import MADE_UP, PAGE_SIZE, all_rows, select

A100 = "Standard_NC24ads_A100_v4"
ONE_SIZE = (
    f"serviceName eq 'Virtual Machines' and armRegionName eq 'eastus' and armSkuName eq '{A100}'"
)
TIMEOUT = 60  # seconds: a guard, never waited for


@pytest.fixture
def list_url(simulator, monkeypatch) -> str:
    """The address of the simulated list, trusted as ``connect()`` makes requests trust it."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", simulator.variables()["REQUESTS_CA_BUNDLE"])
    return simulator.variables()["AZURE_RETAIL_PRICES_URL"]


def read_all_pages(url: str, text: str, **parameters: str) -> list[dict]:
    """Return the rows of a filter on all pages."""
    rows = []
    page = requests.get(url, params={"$filter": text, **parameters}, timeout=TIMEOUT).json()
    while page["NextPageLink"]:
        rows += page["Items"]
        page = requests.get(page["NextPageLink"], timeout=TIMEOUT).json()
    return rows + page["Items"]


def test_the_list_needs_no_key_and_says_that_it_is_simulated(list_url):
    answer = requests.get(list_url, params={"$filter": ONE_SIZE}, timeout=TIMEOUT)
    assert answer.status_code == 200
    page = answer.json()
    assert page["BillingCurrency"] == "USD"
    assert page["Count"] == len(page["Items"]) == PAGE_SIZE
    assert page["Simulated"].startswith("Not Azure")


def test_one_machine_has_eight_rows_of_which_a_deployment_pays_one(list_url):
    rows = read_all_pages(list_url, ONE_SIZE)
    assert len(rows) == 8
    assert {row["unitOfMeasure"] for row in rows} == {"1 Hour"}
    assert [row["retailPrice"] for row in rows if row["priceFrom"] == "2026-11-09"] == [3.673]
    assert {row.get("reservationTerm") for row in rows} == {None, "1 Year", "3 Years"}


def test_every_size_and_region_of_the_table_is_in_the_list(list_url):
    rows = read_all_pages(list_url, "priceType eq 'Consumption'")
    prices = {
        (row["armSkuName"], row["armRegionName"]): row["retailPrice"]
        for row in rows
        if row["priceFrom"] != MADE_UP and "Spot" not in row["meterName"]
    }
    places = {(row["armSkuName"], row["armRegionName"]) for row in all_rows()}
    assert prices == {place: list_price(*place).per_hour for place in places}


def test_pages_follow_one_another_without_gap_or_overlap_over_http_too(simulator):
    url = f"{simulator.http_url}/api/retail/prices"
    assert read_all_pages(url, "serviceName eq 'Virtual Machines'") == all_rows()


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("priceType eq 'Reservation'", 2),
        ("priceType eq 'Consumption'", 6),
        ("reservationTerm eq '1 Year'", 1),
        ("skuName eq 'nc24ads a100 v4'", 4),
        ("skuName eq 'NC24ads A100 v4' and priceType eq 'Consumption'", 2),
        ("productName eq 'a and b'", 0),
    ],
)
def test_filters_select(list_url, text, count):
    assert len(read_all_pages(list_url, f"{ONE_SIZE} and {text}")) == count


def test_two_quotes_in_the_text_of_a_filter_stand_for_one():
    rows = [{"meterName": "it's"}, {"meterName": "its"}]
    assert select(rows, "meterName eq 'it''s'") == rows[:1]


def test_from_the_preview_version_on_values_are_case_sensitive(list_url):
    text = "armSkuName eq 'standard_nc24ads_a100_v4' and armRegionName eq 'eastus'"
    assert len(read_all_pages(list_url, text)) == 8
    assert read_all_pages(list_url, text, **{"api-version": "2023-01-01-preview"}) == []


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({"$filter": "skuName = 'x'"}, "cannot be read from here on: \"skuName = 'x'\""),
        ({"$filter": "skuName eq x"}, "cannot be read"),
        ({"$filter": "skuName ne 'x'"}, "knows field eq 'text', joined by and"),
        ({"$filter": "contains(productName,'Windows')"}, "knows field eq 'text', joined by and"),
        ({"$filter": "not contains(productName,'Windows')"}, "cannot be read"),
        ({"$filter": "skuName eq 'a' or skuName eq 'b'"}, "cannot be read"),
        ({"$filter": "skuName eq 'a' and "}, "cannot be read"),
        ({"$filter": "skuName eq 'a"}, "cannot be read"),
        ({"$filter": "currencyCode eq 'USD'"}, "no field 'currencyCode'"),
        ({"$skip": "-5"}, "expected a number of rows"),
        ({"currencyCode": "'EUR'"}, "none in EUR"),
        ({"api-version": "2023-01-01"}, "is none of"),
    ],
)
def test_what_the_list_cannot_do_is_a_400_with_the_reason(list_url, parameters, reason):
    answer = requests.get(list_url, params=parameters, timeout=TIMEOUT)
    assert answer.status_code == 400
    messages = ("Invalid OData parameters supplied", "Unsupported API version")
    assert answer.json()["Error"]["Message"] in messages
    assert reason in answer.json()["Simulated"]


def test_the_list_is_read_only():
    assert SimulatedAzure().handle(Request("POST", "/api/retail/prices")).status == 405
