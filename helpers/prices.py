"""Ask the Azure Retail Prices API what a virtual machine costs. It needs no account and no key.

Source: https://learn.microsoft.com/rest/api/cost-management/retail-prices/azure-retail-prices
"""

from __future__ import annotations

import math
import os
import re
from datetime import UTC, datetime
from urllib.parse import urlsplit

import requests

from helpers.cost import Price, list_price

API_URL = "https://prices.azure.com/api/retail/prices"
URL_VARIABLE = "AZURE_RETAIL_PRICES_URL"
MAX_PAGES = 20
TEXT_FIELDS = (
    "type",
    "productName",
    "meterName",
    "skuName",
    "unitOfMeasure",
    "armSkuName",
    "armRegionName",
    "currencyCode",
)
OTHER_METERS = ("Spot", "Low Priority")  # a managed online deployment can use neither
HARMLESS_HOSTS = re.compile(r"localhost|127\.0\.0\.1|::1|(.+\.)?azure\.com")


class PricesError(RuntimeError):
    """The price list could not be read. The message says why, and what to do."""


class NotListedError(PricesError):
    """Neither the price list nor the kit's own table has a price of that machine in that region."""


def retail_price(
    sku: str, region: str, currency: str = "USD", url: str | None = None, timeout: float = 10.0
) -> Price:
    """Return the current pay-as-you-go price of a Linux machine per hour.

    Without a network (no connection, or no answer in time) the price comes from the kit's own dated
    table; ``source`` and ``date`` of the result say so.

    sku: the name of a machine size, such as "Standard_NC24ads_A100_v4".
    region: the short name of a region, such as "eastus".
    currency: three capital letters. Microsoft bills in USD; other currencies are for reference.
    url: the address of the API. By default, the value of the environment variable
        AZURE_RETAIL_PRICES_URL if it is set, else the real API.
    timeout: seconds to wait for a connection, and for each part of an answer.

    Raises ValueError for a sku, region or currency that is not written like one. Raises
    NotListedError if there is no such price, neither in the list nor, without a network, in the
    table. Raises PricesError if the list cannot be read or trusted: an invalid address, a
    certificate that is not trusted, an answer that breaks off, a status other than 200, content
    that is not a list of prices in that currency, or several prices for one machine.
    """
    for name, value, pattern, example in (
        ("sku", sku, r"\w+", "Standard_NC24ads_A100_v4"),
        ("region", region, r"[a-z0-9]+", "eastus"),
        ("currency", currency, r"[A-Z]{3}", "USD"),
    ):
        if not isinstance(value, str) or not re.fullmatch(pattern, value, re.ASCII):
            raise ValueError(f"{name} is {value!r}, expected something like {example!r}")
    url = url or os.environ.get(URL_VARIABLE) or API_URL
    try:
        rows, simulated = _read_all_pages(sku, region, currency, url, timeout)
    except requests.exceptions.SSLError:
        # A server answers but cannot prove its identity: the table must not hide that.
        raise PricesError(
            f"The certificate of {_host(url)} is not trusted on this computer. If a proxy decrypts "
            "your traffic, set REQUESTS_CA_BUNDLE to a file with the proxy's certificate."
        ) from None
    except requests.exceptions.ChunkedEncodingError:
        raise PricesError(f"The answer of {_host(url)} broke off. Call again.") from None
    except requests.Timeout:
        reason = f"there was no answer from {_host(url)} within {timeout:g} seconds"
        return _table_price(sku, region, currency, reason)
    except requests.ConnectionError:
        return _table_price(sku, region, currency, f"there was no connection to {_host(url)}")
    except requests.RequestException as error:
        raise PricesError(
            f"The price list cannot be read ({type(error).__name__}). Check its address in "
            f"{URL_VARIABLE}, or remove that variable to use {API_URL}."
        ) from None
    return _single_price(rows, sku, region, currency, simulated)


def linux_pay_as_you_go(rows: list[dict]) -> list[dict]:
    """Return the rows by which a managed online deployment is billed.

    Left out are Spot and Low Priority meters, Windows, and types other than Consumption. Those are
    prices for development and test, and reservations: their ``retailPrice`` is the total for one
    or three years although their unit is "1 Hour".

    >>> [row["meterName"] for row in linux_pay_as_you_go([
    ...     {"type": "Consumption", "productName": "NC", "meterName": "NC24", "skuName": "NC24"},
    ...     {"type": "Consumption", "productName": "NC", "meterName": "NC24 Spot", "skuName": ""},
    ...     {"type": "Consumption", "productName": "NC Windows", "meterName": "", "skuName": ""},
    ...     {"type": "Reservation", "productName": "NC", "meterName": "NC24", "skuName": "NC24"},
    ... ])]
    ['NC24']
    """
    return [
        row
        for row in rows
        if row["type"] == "Consumption"
        and "Windows" not in row["productName"]
        and not any(word in row["meterName"] or word in row["skuName"] for word in OTHER_METERS)
    ]


def _read_all_pages(
    sku: str, region: str, currency: str, url: str, timeout: float
) -> tuple[list[dict], bool]:
    """Return the rows of all pages, and True if the list says that it is simulated."""
    condition = (
        f"serviceName eq 'Virtual Machines' and armRegionName eq '{region}' "
        f"and armSkuName eq '{sku}' and priceType eq 'Consumption'"
    )
    rows: list[dict] = []
    link, parameters = url, {"currencyCode": f"'{currency}'", "$filter": condition}
    for _ in range(MAX_PAGES):
        response = requests.get(link, params=parameters, timeout=timeout, allow_redirects=False)
        page = _read_page(response, currency)
        rows += page["Items"]
        link, parameters = page.get("NextPageLink"), {}  # the link contains the parameters
        if not link:
            return rows, "Simulated" in page
        if not isinstance(link, str) or _server(link) != _server(url):
            raise PricesError(
                f"The price list of {_host(url)} says that its next page is at {link!r}. That is "
                f"another server, so the page was not read. Check {URL_VARIABLE}."
            )
    raise PricesError(
        f"The price list has more than {MAX_PAGES} pages for one machine, expected one or two. "
        "Its links may form a loop. Call again later."
    )


def _read_page(response: requests.Response, currency: str) -> dict:
    """Return the content of a page. Raise PricesError if it is not a page of prices in currency."""
    host = _host(response.url)
    if response.status_code != 200:
        raise PricesError(
            f"{host} answered with status {response.status_code}, expected 200: "
            f"{response.text[:300]}"
        )
    try:
        page = response.json()
        rows = page["Items"]
        is_valid = isinstance(rows, list) and all(map(_is_price_row, rows))
    except (ValueError, KeyError, TypeError):
        is_valid = False
    if not is_valid:
        raise PricesError(
            f"{host} did not answer with a page of prices, expected JSON with Items: "
            f"{response.text[:100]!r}. The answer may come from a proxy or a sign-in page."
        )
    others = {row["currencyCode"] for row in rows} - {currency}
    if others:
        raise PricesError(
            f"{host} answered with prices in {', '.join(sorted(others))}, expected {currency}: "
            "this kit does not convert currencies."
        )
    return page


def _is_price_row(row: dict) -> bool:
    """Return True if the fields that this module reads have the right types.

    Raises KeyError or TypeError for other content.
    """
    price = row["retailPrice"]
    has_price = not isinstance(price, bool) and math.isfinite(price)
    return has_price and all(isinstance(row[field], str) for field in TEXT_FIELDS)


def _single_price(rows: list[dict], sku: str, region: str, currency: str, simulated: bool) -> Price:
    """Return the only pay-as-you-go price per hour in the rows. Raise PricesError otherwise."""
    hourly = [
        row
        for row in linux_pay_as_you_go(rows)
        if row["armSkuName"].casefold() == sku.casefold()
        and row["armRegionName"] == region
        and row["unitOfMeasure"] == "1 Hour"
        and row["retailPrice"] > 0
    ]
    if not hourly and simulated:
        raise NotListedError(
            f"The simulated price list has few sizes and regions, and no price of {sku} in "
            f'{region}. To ask Azure itself, pass url="{API_URL}".'
        )
    if not hourly:
        raise NotListedError(
            f"The price list has no pay-as-you-go price of a Linux {sku} in {region} "
            f"({len(rows)} rows in all). Check both names, including upper and lower case. "
            "Not every region has every size."
        )
    prices = {row["retailPrice"] for row in hourly}
    if len(prices) > 1:
        choices = ", ".join(
            f"{row['retailPrice']} ({row['productName']}, {row['meterName']})" for row in hourly
        )
        raise PricesError(
            f"The price list has several prices of {sku} in {region}, expected one: {choices}. "
            "Look at the rows and choose."
        )
    if simulated:
        source, date = "the simulated price list", hourly[0].get("priceFrom", "no date")
    else:
        source, date = "Azure Retail Prices API", datetime.now(UTC).date().isoformat()
    return Price(sku, region, prices.pop(), currency, source, date)


def _table_price(sku: str, region: str, currency: str, reason: str) -> Price:
    """Return the price in the kit's own table. ``reason`` says why the price list was not used."""
    try:
        price = list_price(sku, region)
    except ValueError:
        raise NotListedError(
            f"The table of this kit has no price of {sku} in {region}, and {reason}. "
            "Call again with a network."
        ) from None
    if price.currency != currency:
        raise PricesError(
            f"The table of this kit has prices in {price.currency}, not in {currency}, and "
            f"{reason}. Call again with a network."
        )
    return Price(
        sku, region, price.per_hour, currency, f"{price.source}, because {reason}", price.date
    )


def _host(url: str) -> str:
    """Return the host of a URL for a message. A host that may be a misplaced key is not named."""
    host = urlsplit(url).hostname or ""
    return host if HARMLESS_HOSTS.fullmatch(host) else "the price list's server"


def _server(url: str) -> tuple[str, str | None, int | None] | None:
    """Return scheme, host and port of a URL, or None if it is invalid.

    The links of the real list name port 443, which is the default of https.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    except ValueError:
        return None
    return parts.scheme, parts.hostname, port
