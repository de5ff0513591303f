"""Test retail_price with the simulated price list, with misbehaving servers and without a network.

The fields of pages and rows are those that Microsoft documents. Published recordings of the real
service show that its links name port 443.
"""

from __future__ import annotations

import json
import math
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import certifi
import pytest
import requests

from helpers.prices import API_URL, NotListedError, PricesError, retail_price

A100 = "Standard_NC24ads_A100_v4"
THIS_MACHINE = (
    f"serviceName eq 'Virtual Machines' and armRegionName eq 'eastus' and armSkuName eq '{A100}'"
)


@pytest.fixture
def list_url(simulator, monkeypatch) -> str:
    """Set the variables of the simulated price list, as ``connect()`` does. Return its address."""
    for name in ("AZURE_RETAIL_PRICES_URL", "REQUESTS_CA_BUNDLE"):
        monkeypatch.setenv(name, simulator.variables()[name])
    return simulator.variables()["AZURE_RETAIL_PRICES_URL"]


# The client and the simulated list


def test_the_pay_as_you_go_price_is_read_from_the_second_page(list_url):
    price = retail_price(A100, "eastus")
    assert (price.per_hour, price.currency) == (3.673, "USD")
    assert (price.source, price.date) == ("the simulated price list", "2026-11-09")


def test_the_request_has_the_documented_filter_and_no_credentials(list_url, simulator):
    retail_price(A100, "eastus")
    sent = [entry for entry in simulator.azure.journal if entry["path"] == "/api/retail/prices"][
        -2:
    ]
    assert [parse_qs(entry["query"])["$filter"] for entry in sent] == [
        [f"{THIS_MACHINE} and priceType eq 'Consumption'"]
    ] * 2
    assert parse_qs(sent[0]["query"])["currencyCode"] == ["'USD'"]
    assert "authorization" not in sent[0]["headers"]


def test_another_currency_is_an_error_with_the_simulated_lists_reason(list_url):
    with pytest.raises(PricesError, match="status 400.*no exchange rates"):
        retail_price(A100, "eastus", currency="EUR")


@pytest.mark.parametrize(("sku", "region"), [(A100, "norwayeast"), ("Standard_NC6", "eastus")])
def test_what_the_simulated_list_lacks_is_an_error_that_says_how_to_ask_azure(
    list_url, sku, region
):
    with pytest.raises(NotListedError) as error:
        retail_price(sku, region)
    message = str(error.value)
    assert message.startswith("The simulated price list has few sizes and regions, ")
    assert f"no price of {sku} in {region}" in message
    assert f'url="{API_URL}"' in message and "Check" not in message


@pytest.mark.parametrize(
    ("sku", "region", "currency"),
    [
        ("x' or 'a' eq 'a", "eastus", "USD"),
        (A100, "East US", "USD"),
        (A100, "eastus", "usd"),
        (None, "eastus", "USD"),
        ("", "a", "USD"),
    ],
)
def test_arguments_that_are_not_written_like_names_are_refused_before_anything_is_sent(
    sku, region, currency
):
    with pytest.raises(ValueError, match="expected something like"):
        retail_price(sku, region, currency, url="http://127.0.0.1:9/")


# The client and other servers


def row(**changes: object) -> dict:
    return {
        "currencyCode": "USD",
        "retailPrice": 3.673,
        "armRegionName": "eastus",
        "meterName": "NC24ads A100 v4",
        "skuName": "NC24ads A100 v4",
        "productName": "Virtual Machines NCadsv4 Series",
        "unitOfMeasure": "1 Hour",
        "type": "Consumption",
        "armSkuName": A100,
        **changes,
    }


def page(*rows: dict, link: str | None = None) -> dict:
    return {"BillingCurrency": "USD", "Items": list(rows), "NextPageLink": link, "Count": len(rows)}


@pytest.fixture
def serve():
    """Return a function that starts a server with one answer to all requests.

    Its arguments are the content of the answer (a text, something to send as JSON, or a function of
    the server's URL and the path that returns either), its status and its headers. ``paths`` of the
    server records what was requested.
    """
    servers = []

    def start(content: object, status: int = 200, **headers: str):
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                server.paths.append(self.path)
                answer = content(server.url, self.path) if callable(content) else content
                body = (answer if isinstance(answer, str) else json.dumps(answer)).encode()
                self.send_response(status)
                for name, value in {"content-length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.paths = []
        server.handle_error = lambda *arguments: None  # a client that has left is no error
        server.url = f"http://127.0.0.1:{server.server_address[1]}/api/retail/prices"
        threading.Thread(
            target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        ).start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_a_price_of_the_real_list_has_todays_date(serve):
    before = datetime.now(UTC).date()
    price = retail_price(A100, "eastus", url=serve(page(row())).url)
    assert (price.per_hour, price.source) == (3.673, "Azure Retail Prices API")
    assert before.isoformat() <= price.date <= datetime.now(UTC).date().isoformat()


def test_a_machine_that_the_real_list_lacks_is_an_error_that_says_what_to_check(serve):
    pattern = "no pay-as-you-go price of a Linux Standard_NC6 in eastus .0 rows.*Check both names"
    with pytest.raises(NotListedError, match=pattern):
        retail_price("Standard_NC6", "eastus", url=serve(page()).url)


def test_other_meters_are_left_out_even_if_the_server_ignores_the_filter(serve):
    others = [
        row(meterName="NC24ads A100 v4 Spot", retailPrice=0.444),
        row(skuName="NC24ads A100 v4 Low Priority", retailPrice=0.7),
        row(productName="Virtual Machines NCadsv4 Series Windows", retailPrice=4.8),
        row(type="Reservation", reservationTerm="1 Year", retailPrice=22523),
        row(type="DevTestConsumption", retailPrice=3.6),
        row(armSkuName="Standard_NC48ads_A100_v4", retailPrice=9.554),
        row(armRegionName="westus", retailPrice=4.775),
        row(unitOfMeasure="1/Month", retailPrice=2000),
        row(retailPrice=0),
    ]
    assert retail_price(A100, "eastus", url=serve(page(*others, row())).url).per_hour == 3.673
    with pytest.raises(PricesError, match="9 rows in all"):
        retail_price(A100, "eastus", url=serve(page(*others)).url)


def test_a_price_in_euros_says_so(serve):
    price = retail_price(
        A100, "eastus", "EUR", url=serve(page(row(currencyCode="EUR", retailPrice=3.4))).url
    )
    assert (price.per_hour, price.currency) == (3.4, "EUR")


def test_another_currency_than_requested_is_an_error(serve):
    with pytest.raises(PricesError, match="answered with prices in EUR, expected USD"):
        retail_price(A100, "eastus", url=serve(page(row(), row(currencyCode="EUR"))).url)


def test_two_different_prices_are_an_error_that_shows_both(serve):
    rows = (
        row(),
        row(productName="Virtual Machines NCadsv4 Series Cloud Services", retailPrice=3.9),
    )
    with pytest.raises(PricesError, match="several prices.*3.673 .*3.9 .*Cloud Services"):
        retail_price(A100, "eastus", url=serve(page(*rows)).url)


def test_the_same_price_twice_is_one_price(serve):
    assert retail_price(A100, "eastus", url=serve(page(row(), row())).url).per_hour == 3.673


def test_a_loop_of_pages_is_an_error(serve):
    server = serve(lambda url, path: page(row(), link=url))
    with pytest.raises(PricesError, match="more than 20 pages"):
        retail_price(A100, "eastus", url=server.url)
    assert len(server.paths) == 20


@pytest.mark.parametrize(
    "link",
    [
        "http://prices.invalid/api",
        "https://127.0.0.1/api",
        "ftp://127.0.0.1/",
        "//prices.invalid/",
        "/next",
        "http://a:b/",
        "http://[",
        7,
        ["x"],
    ],
)
def test_a_link_to_another_server_is_not_followed(serve, link):
    with pytest.raises(
        PricesError, match="next page is at .*another server, so the page was not read"
    ):
        retail_price(A100, "eastus", url=serve(page(row(), link=link)).url)


def test_a_link_to_another_port_is_not_followed(serve):
    other = serve(page(row()))
    with pytest.raises(PricesError, match="another server, so the page was not read"):
        retail_price(A100, "eastus", url=serve(page(row(), link=other.url)).url)
    assert other.paths == []


def test_links_of_the_real_list_which_name_port_443_are_followed(monkeypatch):
    urls = []

    def get(url: str, **settings: object) -> requests.Response:
        urls.append(url)
        response = requests.Response()
        response.status_code, response.url = 200, url
        link = (
            "https://prices.azure.com:443/api/retail/prices?$skip=1000" if len(urls) == 1 else None
        )
        response._content = json.dumps(page(row(), link=link)).encode()
        return response

    monkeypatch.setattr(requests, "get", get)
    monkeypatch.delenv("AZURE_RETAIL_PRICES_URL", raising=False)
    assert retail_price(A100, "eastus").per_hour == 3.673
    assert [urlsplit(url).hostname for url in urls] == ["prices.azure.com"] * 2
    assert urls[0] == API_URL


@pytest.mark.parametrize("status", [204, 302, 404, 429, 500, 503])
def test_a_status_other_than_200_is_an_error_and_redirects_are_not_followed(serve, status):
    other = serve(page(row()))
    server = serve("" if status == 204 else "the server's words", status, location=other.url)
    with pytest.raises(PricesError, match=f"status {status}, expected 200"):
        retail_price(A100, "eastus", url=server.url)
    assert other.paths == []


@pytest.mark.parametrize(
    "content",
    [
        "<html>Sign in</html>",
        "",
        [],
        {"Error": {"Code": "BadRequest"}},
        {"Items": None},
        {"Items": {}},
        {"Items": ["row"]},
        {"Items": [{}]},
        {"Items": [row(retailPrice="3.673")]},
        {"Items": [row(retailPrice=True)]},
        {"Items": [row(retailPrice=math.nan)]},
        {"Items": [row(productName=None)]},
    ],
    ids=str,
)
def test_content_that_is_not_a_page_of_prices_is_an_error(serve, content):
    with pytest.raises(
        PricesError, match="did not answer with a page of prices, expected JSON with Items"
    ):
        retail_price(A100, "eastus", url=serve(content).url)


def test_a_server_that_does_not_answer_in_time_counts_as_no_network(serve):
    released = threading.Event()

    def wait(url: str, path: str) -> dict:
        released.wait(10)
        return page(row(retailPrice=1))

    try:
        price = retail_price(A100, "eastus", url=serve(wait).url, timeout=0.1)
    finally:
        released.set()
    assert (price.per_hour, price.date) == (3.673, "2026-11-09")
    assert (
        price.source
        == "the table of this kit, because there was no answer from 127.0.0.1 within 0.1 seconds"
    )


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/", "https://prices.invalid/api/retail/prices"])
def test_without_a_network_the_price_comes_from_the_table_and_says_so(url):
    price = retail_price(A100, "westus", url=url)
    assert (price.per_hour, price.currency, price.date) == (
        4.775,
        "USD",
        "undated copy, about 2025",
    )
    assert price.source.startswith("the table of this kit, because there was no connection to ")


@pytest.mark.parametrize(
    ("region", "currency", "reason"),
    [
        ("norwayeast", "USD", f"no price of {A100} in norwayeast"),
        ("eastus", "EUR", "prices in USD, not in EUR"),
    ],
)
def test_without_a_network_a_price_that_the_table_lacks_is_an_error(region, currency, reason):
    network = "there was no connection to 127.0.0.1. Call again with a network"
    with pytest.raises(PricesError, match=f"The table of this kit has {reason}, and {network}"):
        retail_price(A100, region, currency, url="http://127.0.0.1:9/")


def test_a_certificate_that_is_not_trusted_is_an_error(simulator, monkeypatch):
    monkeypatch.setenv(
        "REQUESTS_CA_BUNDLE", certifi.where()
    )  # which does not know the simulator's authority
    with pytest.raises(
        PricesError, match="certificate of 127.0.0.1 is not trusted.*REQUESTS_CA_BUNDLE"
    ):
        retail_price(A100, "eastus", url=simulator.variables()["AZURE_RETAIL_PRICES_URL"])


def test_an_answer_that_breaks_off_is_an_error(serve):
    longer = serve(page(row()), **{"content-length": "5000"})
    with pytest.raises(PricesError, match="127.0.0.1 broke off. Call again"):
        retail_price(A100, "eastus", url=longer.url)


@pytest.mark.parametrize(
    "address", ["A1b2C3d4", "A1b2C3d4.azure.com", "http://", "ftp://A1b2C3d4", "http://["]
)
def test_an_invalid_address_is_an_error_that_names_the_variable_and_hides_the_value(
    monkeypatch, address
):
    monkeypatch.setenv("AZURE_RETAIL_PRICES_URL", address)
    with pytest.raises(PricesError, match="Check its address in AZURE_RETAIL_PRICES_URL") as error:
        retail_price(A100, "eastus")
    assert "a1b2c3d4" not in str(error.value).casefold()


def test_a_host_that_may_be_a_misplaced_key_is_not_shown(monkeypatch):
    monkeypatch.setenv("AZURE_RETAIL_PRICES_URL", "http://A1b2C3d4.invalid/")
    price = retail_price(A100, "eastus")
    assert price.source.endswith("because there was no connection to the price list's server")
