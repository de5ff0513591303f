"""Class files, slips and reports: what is written, and what people write wrong."""

from __future__ import annotations

import csv
import io
import re
import stat
import sys
from datetime import datetime
from pathlib import Path

import pytest
from raw_http import raw

from simulated_azure import __main__
from simulated_azure.__main__ import main
from simulated_azure.classroom.report import save_report, write_csv
from simulated_azure.classroom.seats import (
    ClassFileError,
    Seat,
    check_address,
    make_class,
    new_seat_key,
    read_class,
    read_names,
)
from simulated_azure.inference.endpoint import InferenceEndpoint
from simulated_azure.transports.sockets import Simulator

KEY = "2abc-3def-4ghj"
SEAT = f'[[seat]]\nname = "01"\nkey = "{KEY}"\n'


@pytest.fixture
def prepare(tmp_path, monkeypatch, capsys):
    """Return a function that runs the command in a folder, and returns what it prints."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(__main__, "remote_hosts", lambda host: ["192.168.1.10", "teachers-laptop"])

    def run(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["simulated_azure", *arguments])
        main()
        return capsys.readouterr().out

    return run


def keys_of(path: Path) -> list[str]:
    return [seat.key for seat in read_class(path).seats]


# The file


def test_budgets_of_the_class_hold_for_seats_without_their_own(tmp_path):
    path = tmp_path / "class.toml"
    budget = "[budget]\nrequests = 500\ntokens = 100_000\n"
    other = SEAT.replace("01", "02").replace(KEY, KEY[::-1])
    path.write_text(f'name = "Noon"\n{budget}{SEAT}requests = 900\n{other}', encoding="utf-8")
    group = read_class(path)
    assert group.name == "Noon"
    assert group.seats == (
        Seat("01", KEY, requests=900, tokens=100_000),
        Seat("02", KEY[::-1], requests=500, tokens=100_000),
    )
    assert KEY not in repr(group)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "0 seats, expected 1 to 1000"),
        (f"{SEAT}{SEAT.replace(KEY, KEY[::-1])}", "names are the same: number 1 and number 2"),
        (f"{SEAT}{SEAT.replace('01', '02')}", "keys are the same: number 1 and number 2"),
        (SEAT.replace(KEY, "2abc"), "key: found 4 characters, expected a text of at least 8"),
        (SEAT.replace(KEY, f"{KEY} "), "ASCII characters without spaces"),
        (f"[[seat]]\nkey = {KEY}\n", "not valid TOML at line 2"),
        (SEAT + "request = 5\n", "[[seat]] number 1 has the unknown field request; expected name"),
        (f'{KEY} = "01"\n{SEAT}', "the file has an unknown field; expected name, address"),
        (SEAT + "tokens = 0\n", "tokens: found 0, expected a whole number from 1"),
        (SEAT + "tokens = true\n", "tokens: found true or false, expected a whole number"),
        (SEAT + 'tokens = "many"\n', "tokens: found a text, expected a whole number"),
        (f"budget = 5\n{SEAT}", "budget: found a number, expected a table: write [budget]"),
        (SEAT.replace("[[seat]]", "[seat]"), "write [[seat]], in two pairs of brackets"),
        (f"port = 80000\n{SEAT}", "port: found 80000, expected a port from 1 to 65535"),
        (f'address = "10.0.0.5"\n{SEAT}', "expected scheme, host and port of this computer"),
        (SEAT.replace('"01"', r'"a\nb"'), "[[seat]] number 1, name: found 3 characters"),
    ],
)
def test_a_wrong_class_file_is_explained_without_its_keys(tmp_path, text, expected):
    path = tmp_path / "class.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ClassFileError) as raised:
        read_class(path)
    assert expected in str(raised.value)
    assert KEY not in str(raised.value)
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__


def test_a_file_that_is_not_there_or_not_utf_8_is_explained(tmp_path):
    with pytest.raises(ClassFileError, match="There is no file .*--make-class 30"):
        read_class(tmp_path / "class.toml")
    (tmp_path / "names.txt").write_text("Ann\nBob\n", encoding="utf-16")
    with pytest.raises(ClassFileError, match="is not UTF-8: save it as UTF-8"):
        read_names(tmp_path / "names.txt")


def test_keys_are_typed_without_doubt_and_look_like_no_word_or_number():
    for _ in range(50):
        assert re.fullmatch(r"([2-9][a-hj-km-np-z][2-9a-hj-km-np-z]{2}(-|$)){3}", new_seat_key())


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
def test_only_its_owner_may_read_a_class_file_its_slips_and_its_report(prepare, tmp_path):
    prepare("--make-class", "2")
    save_report({"seats": []}, tmp_path)
    paths = [tmp_path / "class.toml", tmp_path / "class-slips.html", *tmp_path.glob("*.csv")]
    assert [stat.S_IMODE(path.stat().st_mode) for path in paths] == [0o600] * 3


# The command


def test_a_class_is_made_and_no_key_is_printed(prepare, tmp_path):
    (tmp_path / "names.txt").write_text("\ufeffAnn\n\n Zoë \n", encoding="utf-8")
    printed = prepare("--make-class", "3", "--class-name", "Noon", "--names", "names.txt")
    group = read_class("class.toml")
    assert [seat.name for seat in group.seats] == ["Ann", "Zoë", "03"]
    assert (group.name, group.address) == ("Noon", "https://192.168.1.10:8443")
    assert (group.port, group.https_port) == (8080, 8443)
    assert {seat.requests for seat in group.seats} == {None}
    assert "--allow-remote --class class.toml" in printed
    assert "teachers-laptop: --address names another one" in printed
    slips = Path("class-slips.html").read_text(encoding="utf-8")
    for key in keys_of(tmp_path / "class.toml"):
        assert key not in printed
        assert slips.count(key) == 2


def test_a_class_file_is_never_overwritten_and_its_slips_can_be_written_again(prepare, tmp_path):
    prepare("--make-class", "2")
    path = tmp_path / "class.toml"
    before = path.read_text(encoding="utf-8")
    with pytest.raises(SystemExit, match="is there already, and its keys may be on paper"):
        prepare("--make-class", "3")
    assert path.read_text(encoding="utf-8") == before
    (tmp_path / "class.sqlite3").touch()
    path.write_text(before.replace("192.168.1.10", "10.0.0.7"), encoding="utf-8")
    assert "The slips say https://10.0.0.7:8443" in prepare("--make-slips")
    slips = (tmp_path / "class-slips.html").read_text(encoding="utf-8")
    assert "192.168.1.10" not in slips
    assert all(key in slips for key in keys_of(path))
    path.unlink()
    assert "has the counts of an earlier class" in prepare("--make-class", "2")


@pytest.mark.parametrize(
    ("arguments", "address", "https_port"),
    [
        (["--https-port", "9443"], "https://192.168.1.10:9443", 9443),
        (["--address", "https://10.1.2.3:9000/"], "https://10.1.2.3:9000", 9000),
        (["--address", "10.1.2.3"], "https://10.1.2.3:8443", 8443),
        (["--address", "http://room-pc"], "http://room-pc:8080", 8443),
    ],
)
def test_the_address_on_the_slips_has_the_port_of_the_class(
    prepare, arguments, address, https_port
):
    prepare("--make-class", "1", *arguments)
    group = read_class("class.toml")
    assert (group.address, group.https_port) == (address, https_port)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--make-class", "2", "--names", "names.txt"], "3 names for 2 seats: make 3 seats"),
        (["--make-class", "4", "--names", "twice.txt"], "twice.txt: two names are the same"),
        (["--make-class", "4", "--address", "https://a b"], "the address cannot be used"),
        (["--make-class", "4", "--class-file", "no/class.toml"], "Cannot write no"),
        (["--make-slips"], "There is no file class.toml"),
    ],
)
def test_what_cannot_be_made_is_explained_and_leaves_no_file(
    prepare, tmp_path, arguments, expected
):
    (tmp_path / "names.txt").write_text("a\nb\nc\n", encoding="utf-8")
    (tmp_path / "twice.txt").write_text("Ann\nann\n", encoding="utf-8")
    with pytest.raises(SystemExit, match=expected):
        prepare(*arguments)
    assert {path.name for path in tmp_path.iterdir()} == {"names.txt", "twice.txt"}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--make-class", "2", "--class", "class.toml"], "use --class-file"),
        (["--class", "class.toml", "--names", "names.txt"], "--names: only with --make-class"),
        (["--make-slips", "--address", "10.0.0.1"], "--address: only with --make-class"),
        (["--make-slips", "--make-class", "2"], "--make-class writes slips, too"),
        (["--class-file", "class.toml"], "To start a class, use --class."),
        (["--make-class", "0"], "'0' is not possible: expected a number of seats from 1"),
        (["--make-class", "thirty"], "'thirty' is not possible: expected a number of seats"),
    ],
)
def test_options_that_do_not_go_together_are_refused(prepare, capsys, arguments, expected):
    with pytest.raises(SystemExit):
        prepare(*arguments)
    assert expected in capsys.readouterr().err


def test_a_computer_without_a_network_gets_no_slips(prepare, monkeypatch):
    monkeypatch.setattr(__main__, "remote_hosts", lambda host: [])
    with pytest.raises(SystemExit, match="no address that others can reach.*--address"):
        prepare("--make-class", "1")


@pytest.mark.parametrize("text", ["", "https://", "ftp://a", "https://a/b", "https://k@a", "//a"])
def test_an_address_is_that_of_a_root(text):
    with pytest.raises(ClassFileError):
        check_address(text)


def test_a_hostile_name_stays_text_on_the_slips(tmp_path):
    from simulated_azure.classroom.slips import write_slips

    hostile = '<script>alert("x")</script>'
    group = make_class(tmp_path / "c.toml", 1, hostile, [hostile], "https://10.0.0.1:8443")
    page = write_slips(group)
    assert "<script" not in page
    assert "&lt;script&gt;" in page


# The report


def test_a_report_is_read_back_and_no_cell_is_a_formula(tmp_path):
    asked = {
        "01": "What is the capital of France?",
        "=2": '=HYPERLINK("http://example.com")',
        "03": "  +1\n\tand \x00more",
        "04": "-1",
        "05": "@SUM(A1)",
        "06": 'a, "b"; c',
        "07": "",
        "08": "\u202e=1",
        "Zoë": "＝1",
    }
    seats = [
        {"name": name, "requests": 2, "tokens": 30, "errors": 1, "refused": 0}
        | {"requests_left": 5, "tokens_left": None, "last_asked": text, "waiting": 0}
        for name, text in asked.items()
    ]
    path = save_report({"seats": seats}, tmp_path)
    assert re.fullmatch(rf"class-report-{datetime.now():%Y-%m}-\d\d-\d{{4}}\.csv", path.name)
    content = path.read_bytes()
    assert content.startswith(b"\xef\xbb\xbf")  # by which Excel knows that it is UTF-8
    rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    assert [row["seat"] for row in rows] == [name.replace("=2", "'=2") for name in asked]
    assert [row["last_asked"] for row in rows] == [
        "What is the capital of France?",
        """'=HYPERLINK("http://example.com")""",
        "'+1 and more",
        "'-1",
        "'@SUM(A1)",
        'a, "b"; c',
        "",
        "'=1",
        "'＝1",
    ]
    assert rows[0] | {"seat": "", "last_asked": ""} == {
        "seat": "",
        "requests": "2",
        "tokens": "30",
        "errors": "1",
        "refused": "0",
        "requests_left": "5",
        "tokens_left": "",
        "last_asked": "",
    }


def test_a_second_report_of_a_minute_does_not_overwrite_the_first(tmp_path):
    first, second = (save_report({"seats": []}, tmp_path) for _ in range(2))
    assert first != second
    assert first.read_bytes() == second.read_bytes() == write_csv({"seats": []})


@pytest.mark.parametrize("asks", [True, False], ids=["asks", "does not ask"])
def test_the_report_is_written_when_the_process_ends(prepare, monkeypatch, tmp_path, capsys, asks):
    def wait(simulator: Simulator) -> None:
        if asks:
            status, *_ = raw(simulator, "GET", "/nothing", headers={"api-key": key})
            assert status == 404
        raise KeyboardInterrupt

    monkeypatch.setattr(Simulator, "wait", wait)
    monkeypatch.setattr(InferenceEndpoint, "load", lambda endpoint: None)
    prepare("--make-class", "2")
    key = keys_of(tmp_path / "class.toml")[1]
    monkeypatch.setattr(sys, "argv", ["", "--class", "class.toml", "--port=0", "--https-port=0"])
    main()
    captured = capsys.readouterr()
    assert re.search(r"http://127\.0\.0\.1:\d+/class/[\w-]{24}\n", captured.err)
    assert key not in captured.err + captured.out
    reports = list(tmp_path.glob("class-report-*.csv"))
    if asks:
        rows = list(csv.DictReader(io.StringIO(reports[0].read_text(encoding="utf-8-sig"))))
        assert [row["errors"] for row in rows] == ["0", "1"]
        assert f"Wrote {reports[0].name}: what each seat has used." in captured.err
    else:
        assert reports == []
        assert "No seat has asked anything, so there is no report." in captured.err
