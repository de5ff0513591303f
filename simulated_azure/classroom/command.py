"""What the command does for a class besides serving it: class files, slips, reports, notes."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ..transports.addresses import WILDCARDS, in_url, remote_hosts
from .authority import slip_variables
from .report import save_report
from .seats import (
    HTTPS_PORT,
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

CLASS_FILE = "class.toml"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that make a class."""
    group = parser.add_argument_group(
        "to prepare a class", "With --make-class or --make-slips files are written, and it ends."
    )
    group.add_argument(
        "--make-class",
        type=int,
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
        default=CLASS_FILE,
        metavar="FILE",
        help="the class file to write, or for --make-slips to read (default: %(default)s)",
    )
    group.add_argument(
        "--class-name", default="Our class", metavar="NAME", help="(default: %(default)s)"
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


def prepare_class(options: argparse.Namespace) -> str:
    """Do what --make-class or --make-slips asks for. Return what to tell the person; no key.

    Raises ClassFileError or AuthorityError.
    """
    from .slips import save_slips  # which takes a while to load

    if options.make_slips:
        group = read_class(options.prepared_file)
        if options.address:
            raise ClassFileError(
                f"--make-slips takes the address from {options.prepared_file}: change it there."
            )
        if not group.address:
            raise ClassFileError(
                f"{options.prepared_file} has no address for the slips: add a line such as "
                f'address = "https://192.168.1.10:{group.https_port}".'
            )
        slips = save_slips(group, slip_variables(group.path))
        return f"Wrote {slips}, with the keys of {group.path}.\n{_advice(group)}"
    hosts = remote_hosts(WILDCARDS[0])
    address, https_port = _address(options, hosts)
    group = make_class(
        options.prepared_file,
        options.make_class,
        options.class_name,
        read_names(options.names) if options.names else (),
        address,
        options.port or PORT,
        https_port,
    )
    slips = save_slips(group, slip_variables(group.path))
    text = f"Wrote {group.path} ({len(group.seats)} seats) and {slips}.\n{_advice(group)}"
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
        return f"https://{in_url(hosts[0])}:{https_port}", https_port
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
