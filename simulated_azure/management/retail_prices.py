"""The simulated Azure Retail Prices API: list prices of virtual machines, filtered and page by page.

The shape of rows and pages is the documented one, the prices are those of ``data/vm_sizes.toml``. Each row says in
``priceFrom`` where its price is from: the date of a copy, or "made up". Made up are all Windows, Low Priority and
Reservation rows, most Spot rows, and every id; they are there because the real list has such rows too, and a reader must
leave them out. Savings plans are missing. The reply has a further field, ``Simulated``, that no real one has.
"""

from __future__ import annotations

import re
import tomllib
from functools import cache
from pathlib import Path
from urllib.parse import parse_qs, quote, urlencode
from uuid import NAMESPACE_URL, uuid5

from ..errors import RequestError
from ..http import Access, Route, json_response

ROUTE = "/api/retail/prices"
DATA = Path(__file__).with_name("data") / "vm_sizes.toml"
PAGE = 5  # rows; the real service sends up to 1,000, here paging is to be met
MADE_UP = "made up"
NOTE = "Not Azure: rows made by a simulation. Each row's priceFrom says where its price is from."
API_VERSIONS = ("", "2021-10-01-preview", "2023-01-01-preview")  # only the last compares upper and lower case in values
FIELDS = (
    "armRegionName location meterId meterName productId skuId productName skuName serviceName serviceId serviceFamily "
    "priceType armSkuName reservationTerm"
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
CLAUSE = re.compile(
    r"""\s*(?: contains \( \s* (?P<whole>\w+) \s* , \s* '(?P<part>(?:[^']|'')*)' \s* \)
               (?: \s+ (?P<is>eq|ne) \s+ (?P<truth>true|false) )?
           | (?P<field>\w+) \s+ (?P<sign>eq|ne) \s+ '(?P<value>(?:[^']|'')*)' )
        (?: \s+ (?P<more>and) \s+ | \s* $ )""",
    re.VERBOSE,
)


def routes() -> list[Route]:
    """Return the route of the price list."""
    return [Route("GET", ROUTE, lambda request: json_response(200, price_list(request.query, request.root)), Access.PUBLIC)]


def price_list(query: str, root: str) -> dict:
    """One page of the rows that a query asks for. query: the part of the URL after "?". root: scheme and host.

    Raises RequestError (400) for a filter that cannot be read, a page that is no number, an unknown api-version, and for
    any currency but US dollars: the kit has no exchange rates.
    """
    asked = {name: values[-1] for name, values in parse_qs(query).items()}
    currency = asked.get("currencyCode", "USD").strip("'")
    if currency != "USD":
        raise _refusal(f"There are prices in USD only, none in {currency}: this simulation has no exchange rates.")
    version = asked.get("api-version", "")
    if version not in API_VERSIONS:
        raise _refusal(f"{version!r} is none of {', '.join(filter(None, API_VERSIONS))}.", "Unsupported API version")
    skip = asked.get("$skip", "0")
    if not re.fullmatch(r"[0-9]{1,9}", skip):
        raise _refusal(f"$skip is {skip!r}, expected a number of rows.")
    rows = select(all_rows(), asked.get("$filter", ""), exact=version == API_VERSIONS[-1])
    if "meterRegion" in asked:
        rows = [row for row in rows if row["isPrimaryMeterRegion"]]
    page, following = rows[int(skip) : int(skip) + PAGE], int(skip) + PAGE
    link = f"{root}{ROUTE}?{urlencode({**asked, '$skip': following}, quote_via=quote, safe='$')}"
    return {
        "BillingCurrency": "USD",
        "CustomerEntityId": "Default",
        "CustomerEntityType": "Retail",
        "Items": page,
        "NextPageLink": link if following < len(rows) else None,
        "Count": len(page),
        "Simulated": NOTE,
    }


def select(rows: list[dict], text: str, exact: bool = False) -> list[dict]:
    """The rows that an OData filter lets through: comparisons with eq and ne and contains(...), joined by "and".

    exact: whether upper and lower case differ in values. Raises RequestError (400) for any other filter.

    >>> rows = [{"meterName": "NC24ads A100 v4"}, {"meterName": "NC24ads A100 v4 Spot"}]
    >>> select(rows, "contains(meterName,'Spot') eq false and meterName ne 'NC6'")
    [{'meterName': 'NC24ads A100 v4'}]
    """
    place = 0
    more = bool(text.strip())
    while more:
        clause = CLAUSE.match(text, place)
        if not clause:
            raise _refusal(
                f"The filter cannot be read from here on: {text[place:].strip()[:60]!r}. "
                "This simulation knows field eq 'text', field ne 'text' and contains(field,'text') eq false, joined by and."
            )
        field = clause["field"] or clause["whole"]
        if field not in FIELDS:
            raise _refusal(f"There is no field {field!r} to filter by; there are {', '.join(FIELDS)}.")
        wanted = (clause["value"] if clause["part"] is None else clause["part"]).replace("''", "'")
        positive = clause["sign"] == "eq" if clause["field"] else (clause["is"] == "ne") == (clause["truth"] == "false")
        rows = [row for row in rows if _fits(row, field, wanted, bool(clause["whole"]), exact) == positive]
        place, more = clause.end(), bool(clause["more"])
    return rows


def _fits(row: dict, field: str, wanted: str, part: bool, exact: bool) -> bool:
    found = row.get("type" if field == "priceType" else field, "")
    if not exact:
        found, wanted = found.casefold(), wanted.casefold()
    return wanted in found if part else wanted == found


@cache
def all_rows() -> list[dict]:
    """Every row of the list: eight for each size and region that has a price."""
    table = tomllib.loads(DATA.read_text(encoding="utf-8"))
    rows = []
    for size in table["size"]:
        spot = size.get("usd_per_hour_spot_undated", {})
        for prices, day in (("usd_per_hour", table["dated"]), ("usd_per_hour_undated", table["undated"])):
            for region, price in size.get(prices, {}).items():
                windows = price + 0.05 * size["vcpus"]  # made up
                rows += [
                    _row(size, region, windows * 0.4, MADE_UP, " Low Priority", " Windows"),
                    _row(size, region, price * 0.2, MADE_UP, " Low Priority"),
                    _row(size, region, spot.get(region, price * 0.12), table["undated"] if region in spot else MADE_UP, " Spot"),
                    _row(size, region, windows * 0.3, MADE_UP, " Spot", " Windows"),
                    _row(size, region, windows, MADE_UP, "", " Windows"),
                    _row(size, region, price, day),
                    _row(size, region, round(price * 8760 * 0.7), MADE_UP, term="1 Year"),
                    _row(size, region, round(price * 3 * 8760 * 0.5), MADE_UP, term="3 Years"),
                ]
    return rows


def _row(size: dict, region: str, usd: float, price_from: str, kind: str = "", system: str = "", term: str = "") -> dict:
    """One row. kind: " Spot" or " Low Priority"; system: " Windows"; term: of a reservation, whose price is the total."""
    short = size["name"].removeprefix("Standard_").replace("_", " ")  # NC24ads A100 v4
    series = re.sub(r"^(N[CD])\d+(\w+).* (v\d)$", r"\1\2\3", short)  # NCadsv4
    made = uuid5(NAMESPACE_URL, f"{size['name']} {region} {kind} {system}")
    return {
        "currencyCode": "USD",
        "tierMinimumUnits": 0.0,
        **({"reservationTerm": term} if term else {}),
        "retailPrice": round(usd, 6),
        "unitPrice": round(usd, 6),
        "armRegionName": region,
        "location": LOCATIONS.get(region, region),
        "effectiveStartDate": "0001-01-01T00:00:00Z",  # not known
        "meterId": str(made),
        "meterName": short + kind,
        "productId": f"SIMULATED{series.upper()}",
        "skuId": f"SIMULATED{series.upper()}/{made.hex[:4].upper()}",
        "productName": f"Virtual Machines {series} Series{system}",
        "skuName": short + kind,
        "serviceName": "Virtual Machines",
        "serviceId": "DZH313Z7MMC8",
        "serviceFamily": "Compute",
        "unitOfMeasure": "1 Hour",
        "type": "Reservation" if term else "Consumption",
        "isPrimaryMeterRegion": True,
        "armSkuName": size["name"],
        "priceFrom": price_from,
    }


def _refusal(reason: str, message: str = "Invalid OData parameters supplied") -> RequestError:
    """The real service's message, which gives no reason, and beside it the reason."""
    return RequestError(400, {"Error": {"Code": "BadRequest", "Message": message}, "Simulated": reason})
