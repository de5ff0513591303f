"""The simulated Azure Retail Prices API: list prices of virtual machines, page by page.

The shape of rows and pages is the documented one; the prices are those of ``data/vm_sizes.toml``.
Each row says in ``priceFrom`` where its price is from: the date of a copy, or "made up". Made up
are all Windows, Low Priority and Reservation rows, most Spot rows, and every id. They exist because
the real list has such rows too, and a reader must leave them out. Savings plans are missing. A page
has a further field, ``Simulated``, that no real one has.
"""

from __future__ import annotations

import re
import tomllib
from functools import cache
from pathlib import Path
from urllib.parse import quote, urlencode
from uuid import NAMESPACE_URL, uuid5

from ..errors import HTTPError
from ..http import Access, Request, Response, Route, json_response

PATH = "/api/retail/prices"
DATA = Path(__file__).with_name("data") / "vm_sizes.toml"
PAGE_SIZE = (
    5  # rows; the real service sends up to 1,000, but here everybody shall meet a second page
)
MADE_UP = "made up"
NOTE = "Not Azure: rows made by a simulation. Each row's priceFrom says where its price is from."
EXACT_API_VERSION = "2023-01-01-preview"  # the only one in which "A" and "a" differ in values
API_VERSIONS = ("2021-10-01-preview", EXACT_API_VERSION)
ROW_NUMBER = re.compile(r"[0-9]{1,9}")
FIELDS = (
    "armRegionName location meterId meterName productId skuId productName skuName "
    "serviceName serviceId serviceFamily priceType armSkuName reservationTerm"
).split()
LOCATIONS = {
    "eastus": "US East",
    "eastus2": "US East 2",
    "westus": "US West",
    "westus2": "US West 2",
    "westus3": "US West 3",
    "centralus": "US Central",
    "southcentralus": "US South Central",
    "uksouth": "UK South",
    "centralindia": "IN Central",
}
# A comparison of an OData filter. Two single quotes in its text stand for one.
COMPARISON = re.compile(
    r"""\s* (?P<field>\w+) \s+ eq \s+ '(?P<text>(?:[^']|'')*)'
        (?: \s+ (?P<and>and) \s+ | \s* $ )""",
    re.VERBOSE,
)


def routes() -> list[Route]:
    """Return the route of the price list, which needs no key."""
    return [Route("GET", PATH, prices, Access.PUBLIC)]


def prices(request: Request) -> Response:
    """Return one page of the rows that the parameter ``$filter`` selects.

    Raise HTTPError (400) for a filter that cannot be read, a ``$skip`` that is not a number, an
    unknown api-version, and for any currency but US dollars: the kit has no exchange rates.
    """
    parameters = request.query_params
    currency = parameters.get("currencyCode", "USD").strip("'")
    if currency != "USD":
        raise _refusal(
            f"There are prices in USD only, none in {currency}: "
            "this simulation has no exchange rates."
        )
    version = parameters.get("api-version", "")
    if version and version not in API_VERSIONS:
        raise _refusal(
            f"{version!r} is none of {', '.join(API_VERSIONS)}.", "Unsupported API version"
        )
    skip = parameters.get("$skip", "0")
    if not ROW_NUMBER.fullmatch(skip):
        raise _refusal(f"$skip is {skip!r}, expected a number of rows.")
    rows = select(all_rows(), parameters.get("$filter", ""), exact=version == EXACT_API_VERSION)
    start, end = int(skip), int(skip) + PAGE_SIZE
    next_query = urlencode({**parameters, "$skip": end}, quote_via=quote, safe="$")
    page = {
        "BillingCurrency": "USD",
        "CustomerEntityId": "Default",
        "CustomerEntityType": "Retail",
        "Items": rows[start:end],
        "NextPageLink": f"{request.root}{PATH}?{next_query}" if end < len(rows) else None,
        "Count": len(rows[start:end]),
        "Simulated": NOTE,
    }
    return json_response(200, page)


def select(rows: list[dict], text: str, exact: bool = False) -> list[dict]:
    """Return the rows that an OData filter selects: comparisons with "eq", joined by "and".

    exact: whether upper and lower case differ in values. Raise HTTPError (400) for any other
    filter.

    >>> rows = [{"skuName": "NC24", "location": "US East"}, {"skuName": "NC24", "location": ""}]
    >>> select(rows, "skuName eq 'NC24' and location eq 'US East'")
    [{'skuName': 'NC24', 'location': 'US East'}]
    """
    position, is_complete = 0, not text.strip()
    while not is_complete:
        comparison = COMPARISON.match(text, position)
        if not comparison:
            raise _refusal(
                f"The filter cannot be read from here on: {text[position:].strip()[:60]!r}. "
                "This simulation knows field eq 'text', joined by and."
            )
        field, value = comparison["field"], comparison["text"].replace("''", "'")
        if field not in FIELDS:
            raise _refusal(
                f"There is no field {field!r} to filter by; there are {', '.join(FIELDS)}."
            )
        rows = [row for row in rows if _is_equal(row, field, value, exact)]
        position, is_complete = comparison.end(), not comparison["and"]
    return rows


def _is_equal(row: dict, field: str, value: str, exact: bool) -> bool:
    """Return True if a field of a row has a value. A filter says priceType for the field "type"."""
    row_value = row.get("type" if field == "priceType" else field, "")
    return row_value == value or (not exact and row_value.casefold() == value.casefold())


@cache
def all_rows() -> list[dict]:
    """Return every row of the list: eight for each size and region that has a price."""
    table = tomllib.loads(DATA.read_text(encoding="utf-8"))
    rows = []
    for size in table["size"]:
        spot_prices = size.get("usd_per_hour_spot_undated", {})
        for key, price_from in (
            ("usd_per_hour", table["dated"]),
            ("usd_per_hour_undated", table["undated"]),
        ):
            for region, price in size.get(key, {}).items():
                windows = price + 0.05 * size["vcpus"]  # made up
                spot, spot_from = (
                    spot_prices.get(region, price * 0.12),
                    table["undated"] if region in spot_prices else MADE_UP,
                )
                rows += [
                    _row(size, region, windows * 0.4, MADE_UP, " Low Priority", " Windows"),
                    _row(size, region, price * 0.2, MADE_UP, " Low Priority"),
                    _row(size, region, spot, spot_from, " Spot"),
                    _row(size, region, windows * 0.3, MADE_UP, " Spot", " Windows"),
                    _row(size, region, windows, MADE_UP, "", " Windows"),
                    _row(size, region, price, price_from),
                    _row(size, region, round(price * 8760 * 0.7), MADE_UP, term="1 Year"),
                    _row(size, region, round(price * 3 * 8760 * 0.5), MADE_UP, term="3 Years"),
                ]
    return rows


def _row(
    size: dict,
    region: str,
    usd: float,
    price_from: str,
    kind: str = "",
    system: str = "",
    term: str = "",
) -> dict:
    """Return one row.

    kind: " Spot" or " Low Priority". system: " Windows". term: of a reservation, whose price is the
    total for the term.
    """
    meter = size["name"].removeprefix("Standard_").replace("_", " ")  # NC24ads A100 v4
    series = re.sub(r"^(N[CD])\d+(\w+).* (v\d)$", r"\1\2\3", meter)  # NCadsv4
    meter_id = uuid5(NAMESPACE_URL, f"{size['name']} {region} {kind} {system}")
    product_id = f"SIMULATED{series.upper()}"
    return {
        "currencyCode": "USD",
        "tierMinimumUnits": 0.0,
        **({"reservationTerm": term} if term else {}),
        "retailPrice": round(usd, 6),
        "unitPrice": round(usd, 6),
        "armRegionName": region,
        "location": LOCATIONS.get(region, region),
        "effectiveStartDate": "0001-01-01T00:00:00Z",  # not known
        "meterId": str(meter_id),
        "meterName": meter + kind,
        "productId": product_id,
        "skuId": f"{product_id}/{meter_id.hex[:4].upper()}",
        "productName": f"Virtual Machines {series} Series{system}",
        "skuName": meter + kind,
        "serviceName": "Virtual Machines",
        "serviceId": "DZH313Z7MMC8",
        "serviceFamily": "Compute",
        "unitOfMeasure": "1 Hour",
        "type": "Reservation" if term else "Consumption",
        "isPrimaryMeterRegion": True,
        "armSkuName": size["name"],
        "priceFrom": price_from,
    }


def _refusal(reason: str, message: str = "Invalid OData parameters supplied") -> HTTPError:
    """Return a refusal: the message of the real service, which gives no reason, and the reason."""
    return HTTPError(
        400, {"Error": {"Code": "BadRequest", "Message": message}, "Simulated": reason}
    )
