"""A class in a real browser: its live page, and its slips as they are printed."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
import zxingcpp
from PIL import Image
from playwright.sync_api import Page, expect
from raw_http import CHAT, DEADLINE, raw

from simulated_azure.classroom.room import Classroom
from simulated_azure.classroom.seats import ClassFile, make_class, read_class
from simulated_azure.classroom.slips import env_lines, save_slips
from simulated_azure.transports.certificates import slip_variables
from simulated_azure.transports.sockets import Simulator

SEATS = 40
HOSTILE = "<script>document.title = 'taken'</script><b>bold</b>"
SCREENS = ({"width": 1366, "height": 768}, {"width": 1920, "height": 1080})


@dataclass
class Room:
    """A class that is served, and can be stopped and started again at the same address."""

    group: ClassFile
    assistant: object
    simulator: Simulator | None = None
    port: int = 0

    def start(self) -> None:
        classroom = Classroom(self.group)
        self.simulator = Simulator(port=self.port, classroom=classroom, assistant=self.assistant)
        self.port = urlsplit(self.simulator.local_url).port

    @property
    def address(self) -> str:
        return self.simulator.local_url + self.simulator.azure.classroom.live.path

    def count(self, name: str) -> int:
        """Return how many requests, tokens, errors or refused requests the class has."""
        return self.simulator.azure.classroom.tally.snapshot()[name]

    def ask(self, number: int, question: str, **parameters) -> int:
        """Ask a question from a seat. Return the status of the answer."""
        body = {"messages": [{"role": "user", "content": question}], "max_tokens": 4, **parameters}
        headers = {"api-key": self.group.seats[number - 1].key}
        return raw(self.simulator, "POST", CHAT, body, headers)[0]


@pytest.fixture(scope="module")
def room(tmp_path_factory, assistant) -> Iterator[Room]:
    """A class of which each seat may make three requests."""
    path = tmp_path_factory.mktemp("class") / "class.toml"
    names = [f"={number}" for number in range(1, SEATS + 1)]
    make_class(path, SEATS, "Noon & more", names, "https://192.168.1.10:8443")
    text = path.read_text(encoding="utf-8").replace("# requests = 500", "requests = 3")
    path.write_text(text, encoding="utf-8")
    room = Room(read_class(path), assistant)
    room.start()
    yield room
    room.simulator.stop()
    assert not room.simulator.errors, "\n".join(room.simulator.errors)


@pytest.fixture(scope="module")
def page(room, new_page) -> Iterator[Page]:
    """The live page, which is open all the time."""
    page = new_page(room)
    page.goto(room.address)
    expect(page.get_by_role("status")).to_contain_text("Live, since")
    yield page
    page.close()  # or it would complain in another test that its server has gone


def total(page: Page, name: str):
    return page.locator("#totals div").filter(has_text=name).get_by_role("definition")


def card(page: Page, number: int):
    return page.get_by_role("list", name="Seats").get_by_role("listitem").nth(number - 1)


def test_counts_move_when_a_seat_asks_and_no_key_is_on_the_page(page, room):
    requests, errors = room.count("requests"), room.count("errors")
    expect(page.get_by_role("heading", level=1)).to_have_text("Noon & more")
    expect(card(page, 1)).to_contain_text("no request yet")
    assert room.ask(1, "What is the capital of France?") == 200
    expect(card(page, 1)).to_contain_text("What is the capital of France?")
    expect(card(page, 1).get_by_text("1 requests")).to_be_visible()
    expect(total(page, "Requests")).to_have_text(str(requests + 1))
    expect(total(page, "Tokens")).to_have_text(str(room.count("tokens")))
    assert room.ask(2, f"My key is {room.group.seats[1].key}", temperature=-1) == 422
    expect(total(page, "Errors")).to_have_text(str(errors + 1))
    expect(card(page, 2)).to_contain_text("1 error")
    assert room.ask(2, f"My key is {room.group.seats[1].key}") == 200
    expect(card(page, 2)).to_contain_text("My key is ***")
    assert not any(seat.key in page.content() for seat in room.group.seats)


def test_a_seat_whose_budget_is_spent_is_marked_in_words(page, room):
    assert [room.ask(3, "Hi") for _ in range(4)] == [200, 200, 200, 429]
    expect(card(page, 3)).to_contain_text("budget spent")
    expect(total(page, "Refused")).to_have_text(str(room.count("refused")))


def test_what_a_seat_asks_stays_text_and_can_be_hidden(page, room):
    assert room.ask(40, HOSTILE) == 200
    asked = card(page, 40).get_by_text(HOSTILE)
    expect(asked).to_be_visible()
    assert page.title() == "Noon & more"
    assert page.locator("li b:has-text('bold'), li script").count() == 0
    page.get_by_label("Hide what was asked").check()
    expect(asked).to_be_hidden()
    page.reload()  # the choice is in the address
    expect(card(page, 40)).to_contain_text("40")
    expect(asked).to_be_hidden()
    page.get_by_label("Hide what was asked").uncheck()
    expect(asked).to_be_visible()


@pytest.mark.parametrize("screen", SCREENS, ids=lambda screen: str(screen["width"]))
def test_all_seats_fit_on_the_screen(page, screen):
    page.set_viewport_size(screen)
    expect(card(page, SEATS)).to_be_in_viewport(ratio=1)
    page.wait_for_function("document.documentElement.scrollHeight <= innerHeight")
    cut = (
        "[...document.querySelectorAll('li')].filter(each => each.scrollHeight > each.clientHeight)"
    )
    page.wait_for_function(f"{cut}.length === 0")
    assert page.evaluate("parseFloat(getComputedStyle(document.querySelector('li')).fontSize)") > 15


def test_the_report_is_downloaded_and_its_cells_are_no_formulas(page, room):
    assert room.ask(5, "-1") == 200
    with page.expect_download() as download:
        page.get_by_role("link", name="Download as CSV").click()
    assert re.fullmatch(r"class-report-[\d-]+\.csv", download.value.suggested_filename)
    text = Path(download.value.path()).read_text(encoding="utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert rows[4] | {"tokens": ""} == {
        "seat": "'=5",
        "requests": "1",
        "tokens": "",
        "errors": "0",
        "refused": "0",
        "requests_left": "2",
        "tokens_left": "",
        "last_asked": "'-1",
    }
    assert not any(seat.key in text for seat in room.group.seats)


def test_the_page_says_that_the_connection_is_lost_and_goes_on_after_a_restart(page, room, errors):
    assert room.ask(4, "Hi") == 200
    requests = room.count("requests")
    expect(total(page, "Requests")).to_have_text(str(requests))
    room.simulator.stop()
    expect(page.get_by_role("status")).to_contain_text("Connection lost, trying again.")
    expect(total(page, "Requests")).to_have_text(str(requests))
    room.start()
    expect(page.get_by_role("status")).to_contain_text("Live, since")
    assert room.ask(4, "Hi") == 200
    expect(total(page, "Requests")).to_have_text(str(requests + 1))
    assert errors, "the browser says that requests failed"
    assert all("net::ERR_" in error for error in errors)
    errors.clear()


@pytest.mark.parametrize("path", ["", "/events", "/report.csv"])
def test_nobody_sees_the_page_without_its_address(room, path):
    secret, key = urlsplit(room.address).path, room.group.seats[0].key
    for guess in (secret[:-1], f"/class/{quote('é' * 12)}"):
        with closing(HTTPConnection("127.0.0.1", room.port, timeout=DEADLINE)) as connection:
            connection.request("GET", guess + path, headers={"api-key": key})
            assert connection.getresponse().status == 404  # its body might never end


def test_no_script_but_the_pages_own_may_run(room):
    def policy() -> str:
        path = urlsplit(room.address).path
        return raw(room.simulator, "GET", path, headers={})[1]["content-security-policy"]

    first, second = policy(), policy()
    assert first.startswith("default-src 'none'; script-src 'nonce-")
    assert "unsafe" not in first
    assert first != second  # a nonce counts once


def test_slips_are_printed_eight_a_page_and_their_codes_hold_what_a_seat_needs(tmp_path, browser):
    long_name = "Bartholomew Featherstonehaugh-Cholmondeley"[:40]
    address = "https://a-long-name-of-a-computer.department.example:8443"
    group = make_class(tmp_path / "class.toml", 9, long_name, [long_name], address)
    extra = slip_variables(group.path)
    page = browser.new_page(device_scale_factor=2)
    page.goto(save_slips(group, extra).as_uri())
    page.emulate_media(media="print")
    for paper in ("A4", "Letter"):
        content = page.pdf(format=paper)
        assert len(re.findall(rb"/Type /Page\b", content)) == 2 + 1  # slips, the teacher's list
    assert page.locator(".slip").evaluate_all(
        "slips => slips.every(each => each.scrollHeight <= each.clientHeight)"
    )
    picture = Image.open(io.BytesIO(page.locator(".page").first.screenshot())).convert("L")
    codes = sorted(code.text for code in zxingcpp.read_barcodes(picture))
    assert codes == sorted(env_lines(group, seat, extra) for seat in group.seats[:8])
    assert "SIMULATED_CA_SHA256=" in codes[0]
    page.close()
