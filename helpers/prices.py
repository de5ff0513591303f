"""Asks the Azure Retail Prices API what a virtual machine costs. No account and no key are needed.

The API: https://learn.microsoft.com/rest/api/cost-management/retail-prices/azure-retail-prices
"""

from __future__ import annotations

import math
import os
import re
from datetime import UTC, datetime
from urllib.parse import urlsplit

import requests

from helpers.cost import Price, list_price

URL_VARIABLE = "AZURE_RETAIL_PRICES_URL"
URL = "https://prices.azure.com/api/retail/prices"
MOST_PAGES = 20
TEXTS = "type productName meterName skuName unitOfMeasure armSkuName armRegionName currencyCode".split()
OTHER_METERS = ("Spot", "Low Priority")  # a managed online deployment can use neither


class PricesError(RuntimeError):
    """The list of prices could not be read. The message says what came, what was expected, and what to do."""


class NotListedError(PricesError):
    """Neither the list nor the table has a price of that machine in that region."""


def retail_price(sku: str, region: str, currency: str = "USD", url: str | None = None, timeout: float = 10.0) -> Price:
    """The price per hour of a Linux machine, pay as you go, as Azure lists it now.

    sku: such as "Standard_NC24ads_A100_v4". region: its short name, such as "eastus". currency: three capitals; all but
    "USD" are for reference, Microsoft says. url: that of the API; by default what the environment variable
    AZURE_RETAIL_PRICES_URL says, else the real one. timeout: seconds to wait for a connection, and for each piece of an
    answer.

    Without a network (no connection, or no answer in time) the price comes from the kit's own dated table; ``source`` and
    ``date`` of the result say so. Raises ValueError for a sku, region or currency that is not written like one, and
    PricesError for any answer that is not a list of prices in that currency, for a certificate that is refused or an answer
    that breaks off, for a list without such a machine (the simulated list has few, and the message says how to ask the real
    one), and if there is neither a network nor an entry in the table.
    """
    for name, value, pattern, example in (
        ("sku", sku, r"\w+", "Standard_NC24ads_A100_v4"),
        ("region", region, r"[a-z0-9]+", "eastus"),
        ("currency", currency, r"[A-Z]{3}", "USD"),
    ):
        if not isinstance(value, str) or not re.fullmatch(pattern, value, re.ASCII):
            raise ValueError(f"found {name}={value!r}, expected something like {example!r}")
    url = url or os.environ.get(URL_VARIABLE) or URL
    try:
        rows, simulated = _all_rows(sku, region, currency, url, timeout)
    except requests.exceptions.SSLError:  # somebody answers, who cannot prove to be the one asked: no reason to go on quietly
        raise PricesError(
            f"{urlsplit(url).hostname} shows a certificate that is not trusted here. Behind a proxy that reads along, name its "
            "certificate in the variable REQUESTS_CA_BUNDLE."
        ) from None
    except requests.exceptions.ChunkedEncodingError:
        raise PricesError(f"the answer of {urlsplit(url).hostname} broke off. Ask again.") from None
    except (requests.ConnectionError, requests.Timeout) as error:
        host = urlsplit(url).hostname
        late = isinstance(error, requests.Timeout)
        reason = f"no answer from {host} within {timeout:g} seconds" if late else f"no connection to {host}"
        return _from_table(sku, region, currency, reason)
    except requests.RequestException as error:
        raise PricesError(
            f"{url} cannot be asked ({type(error).__name__}): check {URL_VARIABLE}, or remove it to ask {URL}"
        ) from None
    return _only_price(rows, sku, region, currency, simulated)


def linux_pay_as_you_go(rows: list[dict]) -> list[dict]:
    """The rows by which a managed online deployment is billed.

    Left out are Spot and Low Priority meters, Windows, and everything that is not of type Consumption: reservations, whose
    ``retailPrice`` is the total for the term although their unit says "1 Hour", and prices for development and test.

    >>> [row["meterName"] for row in linux_pay_as_you_go([
    ...     {"type": "Consumption", "productName": "NC Series", "meterName": "NC24", "skuName": "NC24"},
    ...     {"type": "Consumption", "productName": "NC Series", "meterName": "NC24 Spot", "skuName": "NC24 Spot"},
    ...     {"type": "Consumption", "productName": "NC Series Windows", "meterName": "NC24", "skuName": "NC24"},
    ...     {"type": "Reservation", "productName": "NC Series", "meterName": "NC24", "skuName": "NC24"},
    ... ])]
    ['NC24']
    """
    return [
        row
        for row in rows
        if row["type"] == "Consumption"
        and "Windows" not in row["productName"]
        and not any(kind in row["meterName"] or kind in row["skuName"] for kind in OTHER_METERS)
    ]


def _all_rows(sku: str, region: str, currency: str, url: str, timeout: float) -> tuple[list[dict], bool]:
    """The rows of all pages, and whether the list says of itself that it is simulated."""
    wanted = (
        f"serviceName eq 'Virtual Machines' and armRegionName eq '{region}' "
        f"and armSkuName eq '{sku}' and priceType eq 'Consumption'"
    )
    rows: list[dict] = []
    link, parameters = url, {"currencyCode": f"'{currency}'", "$filter": wanted}
    for _ in range(MOST_PAGES):
        answer = requests.get(link, params=parameters, timeout=timeout, allow_redirects=False)
        page = _page(answer, currency)
        rows += page["Items"]
        link, parameters = page.get("NextPageLink"), {}  # the link has them already
        if not link:
            return rows, "Simulated" in page
        if not isinstance(link, str) or _server(link) != _server(url):
            raise PricesError(f"the next page is said to be at {link!r}, expected {urlsplit(url).netloc}: not followed")
    raise PricesError(f"found more than {MOST_PAGES} pages of prices for one machine, expected one: the list may go in circles")


def _page(answer: requests.Response, currency: str) -> dict:
    """The content of an answer, if it is a page of prices in this currency."""
    server = urlsplit(answer.url).hostname
    if answer.status_code != 200:
        raise PricesError(f"{server} answered with status {answer.status_code}, expected 200: {answer.text[:300]}")
    try:
        page = answer.json()
        rows = page["Items"]
        readable = isinstance(rows, list) and all(_is_price_row(row) for row in rows)
    except (ValueError, KeyError, TypeError):
        readable = False
    if not readable:
        raise PricesError(
            f"{server} answered with something that is no page of prices, expected JSON with Items: {answer.text[:100]!r}. "
            "A proxy or a sign-in page may stand between."
        )
    foreign = {row["currencyCode"] for row in rows} - {currency}
    if foreign:
        raise PricesError(f"found prices in {', '.join(sorted(foreign))}, expected {currency}: this kit has no exchange rates")
    return page


def _is_price_row(row: dict) -> bool:
    """Whether a row has all that is looked at here, of the right kind."""
    price = row["retailPrice"]
    return all(isinstance(row[name], str) for name in TEXTS) and not isinstance(price, bool) and math.isfinite(price)


def _only_price(rows: list[dict], sku: str, region: str, currency: str, simulated: bool) -> Price:
    """The one price among the rows."""
    same = [row for row in rows if (row["armSkuName"].casefold(), row["armRegionName"]) == (sku.casefold(), region)]
    fitting = [row for row in linux_pay_as_you_go(same) if row["unitOfMeasure"] == "1 Hour" and row["retailPrice"] > 0]
    if not fitting and simulated:
        raise NotListedError(
            f"the simulated price list, which has few sizes and regions, has no price of {sku} in {region}. "
            f'To ask Azure itself, pass url="{URL}".'
        )
    if not fitting:
        raise NotListedError(
            f"found no pay-as-you-go price of a Linux {sku} in {region} ({len(rows)} rows in all). Check both names, also upper "
            "and lower case; not every region has every size."
        )
    prices = {row["retailPrice"] for row in fitting}
    if len(prices) > 1:
        found = ", ".join(f"{row['retailPrice']} ({row['productName']}, {row['meterName']})" for row in fitting)
        raise PricesError(f"found several prices of {sku} in {region}, expected one: {found}. Look at the rows and choose.")
    (price,) = prices
    if simulated:
        return Price(sku, region, price, currency, "the simulated price list", fitting[0].get("priceFrom", "no date"))
    return Price(sku, region, price, currency, "Azure Retail Prices API", datetime.now(UTC).date().isoformat())


def _from_table(sku: str, region: str, currency: str, reason: str) -> Price:
    try:
        known = list_price(sku, region)
    except ValueError:
        raise NotListedError(
            f"{reason}, and the table of this kit has no price of {sku} in {region} either. Ask again with a network."
        ) from None
    if known.currency != currency:
        raise PricesError(f"{reason}, and the table of this kit has prices in {known.currency} only, expected {currency}")
    return Price(sku, region, known.per_hour, currency, f"{known.source}, since there was {reason}", known.date)


def _server(url: str) -> tuple[str, str | None, int | None]:
    """Scheme, host and port; the real list's links name port 443, which is the same as none."""
    parts = urlsplit(url)
    try:
        return parts.scheme, parts.hostname, parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    except ValueError:  # a port that is no number
        return parts.scheme, None, None
