"""What the command does for a class besides serving it: class files, slips, reports, notes."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from .report import save_report
from .room import AT_ONCE
from .seats import (
    HTTPS_PORT,
    MAX_SEATS,
    PORT,
    ClassFile,
    ClassFileError,
    check_address,
    make_class,
    read_class,
    read_names,
)

if TYPE_CHECKING:
    from .room import Classroom

CLASS_FILE, CLASS_NAME = "class.toml", "Our class"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that make a class."""
    parser.add_argument(
        "--at-once",
        type=number_of_requests,
        metavar="N",
        help="how many requests of a class an upstream gets at a time; the others wait, and the "
        f"seats take turns (default: {AT_ONCE})",
    )
    group = parser.add_argument_group(
        "to prepare a class", "With --make-class or --make-slips files are written, and it ends."
    )
    group.add_argument(
        "--make-class",
        type=number_of_seats,
        metavar="N",
        help="write a class file with a new key for each of N seats, and a page of slips to print",
    )
    group.add_argument(
        "--make-slips",
        action="store_true",
        help="write the slips of a class file again, with the same keys",
    )
    group.add_argument(
        "--class-file",
        dest="prepared_file",
        metavar="FILE",
        help=f"the class file to write, or for --make-slips to read (default: {CLASS_FILE})",
    )
    group.add_argument(
        "--class-name", metavar="NAME", help=f"the name of the class (default: {CLASS_NAME})"
    )
    group.add_argument(
        "--names",
        metavar="FILE",
        help="a text file with the names of the seats, one a line (default: numbers)",
    )
    group.add_argument(
        "--address",
        metavar="URL",
        help="where the seats will reach this computer, such as https://192.168.1.10:8443 "
        "(default: an address of this computer, and the port of --https-port, or else "
        f"{HTTPS_PORT})",
    )


def number_of_seats(text: str) -> int:
    """Return the number of seats that a text names. Raises ArgumentTypeError."""
    if not re.fullmatch("[0-9]{1,4}", text) or not 1 <= int(text) <= MAX_SEATS:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not possible: expected a number of seats from 1 to {MAX_SEATS}"
        )
    return int(text)


def number_of_requests(text: str) -> int:
    """Return the number of requests that a text names. Raises ArgumentTypeError."""
    if not re.fullmatch("[0-9]{1,4}", text) or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not possible: expected 1 to 9999")
    return int(text)


def check_options(options: argparse.Namespace) -> None:
    """Raise ValueError if an option is there for which another one is missing, or too many are."""
    if options.at_once is not None and not options.class_file:
        raise ValueError("argument --at-once: only with --class.")
    makes_class = options.make_class is not None
    if (makes_class or options.make_slips) and options.class_file:
        raise ValueError(
            "argument --class: starts a class. To name the file to write or to read "
            "for the slips, use --class-file."
        )
    if makes_class and options.make_slips:
        raise ValueError("argument --make-slips: --make-class writes slips, too: leave it out.")
    for name in ("names", "address", "class_name"):
        if getattr(options, name) is not None and not makes_class:
            raise ValueError(f"argument --{name.replace('_', '-')}: only with --make-class.")
    if options.prepared_file is not None and not (makes_class or options.make_slips):
        raise ValueError(
            "argument --class-file: only with --make-class or --make-slips. To start "
            "a class, use --class."
        )


def prepare_class(
    options: argparse.Namespace,
    hosts: Sequence[str],
    slip_variables: Callable[[Path], list[tuple[str, str]]],
) -> str:
    """Do what --make-class or --make-slips asks for. Return what to tell the person; no key.

    hosts: by which others reach this computer, as in URLs. slip_variables: returns the further
    variables of a class, given its file. Raises ClassFileError, and what slip_variables raises.
    """
    path = Path(options.prepared_file or CLASS_FILE)
    from .room import state_file
    from .slips import save_slips  # which takes a while to load

    if options.make_slips:
        group = read_class(path)
        if not group.address:
            raise ClassFileError(
                f"{path} has no address for the slips: add a line such as "
                f'address = "https://192.168.1.10:{group.https_port}".'
            )
        slips = save_slips(group, slip_variables(group.path))
        return f"Wrote {slips}, with the keys of {group.path}.\n{_advice(group)}"
    address, https_port = _address(options, hosts)
    group = make_class(
        path,
        options.make_class,
        options.class_name or CLASS_NAME,
        read_names(options.names) if options.names else (),
        address,
        options.port or PORT,
        https_port,
    )
    slips = save_slips(group, slip_variables(group.path))
    text = f"Wrote {group.path} ({len(group.seats)} seats) and {slips}.\n{_advice(group)}"
    if state_file(path).exists():
        text += (
            f"\n{state_file(path)} has the counts of an earlier class, which go on for seats of "
            "the same name. Move that file away to begin anew."
        )
    others = [] if options.address else hosts[1:]
    if others:
        text += f"\nThis computer is also called {', '.join(others)}: --address names another one."
    return text


def address_notes(group: ClassFile, remote_urls: Sequence[str]) -> list[str]:
    """Return a warning if a class is not reached by the address that is on its slips.

    remote_urls: by which other computers reach the class; none if only this computer can.
    """
    if not remote_urls or not group.address or group.address.startswith("http://"):
        return []
    if group.address in remote_urls:
        return []
    return [
        f"The slips say {group.address}, but this computer answers at {' or '.join(remote_urls)}. "
        f"If the seats cannot connect, change the address in {group.path}, and write the slips "
        "again with --make-slips."
    ]


def report_class(classroom: Classroom) -> str:
    """Write the report of a class beside its file. Return what to tell the teacher."""
    snapshot = classroom.tally.snapshot()
    if not any(snapshot[name] for name in ("requests", "errors", "refused")):
        return "No seat has asked anything, so there is no report."
    try:
        path = save_report(snapshot, classroom.group.path.parent)
    except OSError as error:
        return (
            f"Cannot write the report: {error.strerror or error}. The counts are still in "
            f"{classroom.tally.path}: start and stop the class once more."
        )
    return f"Wrote {path}: what each seat has used. {classroom.tally.path} goes on counting."


def _address(options: argparse.Namespace, hosts: Sequence[str]) -> tuple[str, int]:
    """Return (the address for the slips, the port for https). Raises ClassFileError."""
    https_port = options.https_port or HTTPS_PORT
    if not options.address:
        if not hosts:
            raise ClassFileError(
                "This computer has no address that others can reach. Connect it to the network of "
                "the class, or name its address there with --address."
            )
        return f"https://{hosts[0]}:{https_port}", https_port
    has_scheme = "://" in options.address
    address = check_address(options.address if has_scheme else f"https://{options.address}")
    parts = urlsplit(address)
    if parts.port is None:
        port = https_port if parts.scheme == "https" else options.port or PORT
        return f"{address}:{port}", https_port
    if parts.scheme == "https" and not options.https_port:
        return address, parts.port
    return address, https_port


def _advice(group: ClassFile) -> str:
    return (
        f"The slips say {group.address}. Open the slips in a browser and print them; whoever reads "
        "one can use the endpoint.\nStart the class with\n"
        f"  python -m simulated_azure --allow-remote --class {Path(group.path)}"
    )
