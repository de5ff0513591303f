"""Run the simulated Azure alone, for clients in any language: ``python -m simulated_azure``."""

from __future__ import annotations

import argparse
import errno
import gc
import os
import shlex
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from . import __version__
from .auth import MIN_KEY_LENGTH
from .classroom import command
from .classroom.authority import PATH as AUTHORITY_PATH
from .classroom.authority import VARIABLE as CA_VARIABLE
from .classroom.authority import authority_file
from .classroom.room import AT_ONCE, Classroom
from .classroom.seats import ClassFile, ClassFileError, read_class
from .classroom.tally import TallyError
from .inference.servers import INFERENCE, NAMES, SERVERS, Server
from .transports import upstream_command
from .transports.addresses import in_url, is_loopback, remote_hosts
from .transports.certificates import AuthorityError, open_authority, slip_variables
from .transports.sockets import Simulator

if TYPE_CHECKING:
    import trustme

    from .upstream.upstream import Upstream

LOCAL_HOST, ALL_HOSTS = "127.0.0.1", "0.0.0.0"
MAX_TOKEN_DELAY = 60.0  # seconds
SHELLS = ("sh", "powershell")
PORT_ADVICE = "Choose other ports, or 0 for free ones."
HOST_ADVICE = "Name an address of this computer, or leave --host out for this computer only."


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m simulated_azure",
        description="A simulated Azure with a tiny language model: the inference endpoint of a "
        "Phi-4 deployment and an identity endpoint, over http and https. It prints the variables "
        "that clients need, one NAME=value a line (or commands that set them: --export), then an "
        "empty line, and runs until interrupted (Ctrl+C).",
    )
    parser.add_argument(
        "--host",
        help=f"the address to listen on (default: {LOCAL_HOST}, for this computer only; "
        f"{ALL_HOSTS} means all addresses, the default for a class with --allow-remote)",
    )
    parser.add_argument(
        "--allow-remote",
        action="store_true",
        help="let other computers connect: everybody on the network who has the key can then use "
        "the endpoint",
    )
    parser.add_argument(
        "--class",
        dest="class_file",
        type=Path,
        metavar="FILE",
        help="share the endpoint with a class: FILE (class.toml) has a key and a budget for each "
        "seat. What the seats use is kept in a file beside it, also after a restart",
    )
    parser.add_argument(
        "--port",
        type=port,
        metavar="N",
        help="the port for http (default: the one in the class file, or else any free one)",
    )
    parser.add_argument(
        "--https-port",
        type=port,
        metavar="N",
        help="the port for https (default: the one in the class file, or else any free one)",
    )
    parser.add_argument(
        "--key",
        type=key,
        help="the key that clients must send (default: the variable AZURE_INFERENCE_CREDENTIAL, "
        "which other users cannot read as they can a command line, or else a made-up one)",
    )
    parser.add_argument(
        "--token-delay",
        type=seconds,
        default=0.0,
        metavar="S",
        help="seconds for each token (default: 0)",
    )
    parser.add_argument(
        "--server",
        type=server,
        default=os.environ.get("SIMULATED_SERVER") or INFERENCE.name,
        metavar="NAME",
        help=f"the published server to simulate: {NAMES} (default: the variable SIMULATED_SERVER, "
        f"or else {INFERENCE.name})",
    )
    upstream_command.add_options(parser)
    parser.add_argument(
        "--export",
        choices=SHELLS,
        help="print the variables as commands to paste into another terminal: sh (also bash and "
        "zsh) or powershell",
    )
    command.add_options(parser)
    parser.add_argument("--version", action="version", version=f"simulated Azure {__version__}")
    return parser


def port(text: str) -> int:
    """Return the port that a text names. Raises ArgumentTypeError."""
    if not (text.isascii() and text.isdigit()) or int(text) > 65535:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a port: expected a number from 0 to 65535"
        )
    return int(text)


def seconds(text: str) -> float:
    """Return the seconds that a text names. Raises ArgumentTypeError."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= MAX_TOKEN_DELAY:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not possible: expected seconds from 0 to {MAX_TOKEN_DELAY:.0f}"
        )
    return value


def key(text: str) -> str:
    """Return a key that headers can carry. Raises ArgumentTypeError, which does not repeat it."""
    if (
        len(text) < MIN_KEY_LENGTH
        or any(character.isspace() for character in text)
        or not text.isascii()
    ):
        raise argparse.ArgumentTypeError(
            f"the key is not possible: expected at least {MIN_KEY_LENGTH} ASCII characters without "
            "spaces or line breaks"
        )
    return text


def server(text: str) -> Server:
    """Return the server that a text names. Raises ArgumentTypeError, which does not repeat it."""
    if text not in SERVERS:
        raise argparse.ArgumentTypeError(
            f"no such server: expected {NAMES} (also in the variable SIMULATED_SERVER)"
        )
    return SERVERS[text]


def check_host(host: str, allows_remote: bool) -> None:
    """Raise ValueError if a host has no address, or if others could connect and must not."""
    try:
        is_local = is_loopback(host)
    except (OSError, UnicodeError):
        raise ValueError(f"argument --host: {host!r} has no address. {HOST_ADVICE}") from None
    if not is_local and not allows_remote:
        raise ValueError(
            f"argument --host: other computers could connect to {host}. If you want that, add "
            "--allow-remote. Everybody on the network who has the key can then use the endpoint. "
            "What is sent over http can be read on the way, and so can the key: let others use "
            "https, and give them the certificate authority. Without --host only this computer can "
            "connect."
        )


def setting(name: str, value: str, shell: str | None = None) -> str:
    """Return the line that sets a variable in one of SHELLS; ``NAME=value`` if shell is None.

    >>> setting("NAME", "it's", "powershell")
    "$env:NAME = 'it''s'"
    """
    if shell == "sh":
        return f"export {name}={shlex.quote(value)}"
    if shell == "powershell":
        quoted = value.replace("'", "''")
        return f"$env:{name} = '{quoted}'"
    return f"{name}={value}"


def complete_options(options: argparse.Namespace) -> None:
    """Fill in the options that depend on others. Raises ValueError if some do not go together."""
    if options.class_file and options.key:
        raise ValueError(
            "argument --key: not allowed with --class: the keys in the class file open the "
            "endpoint, and no other."
        )
    group = options.group = options.class_file and read_class(options.class_file)
    if options.host is None:
        options.host = ALL_HOSTS if group and options.allow_remote else LOCAL_HOST
    if options.port is None:
        options.port = group.port if group else 0
    if options.https_port is None:
        options.https_port = group.https_port if group else 0
    if not options.key and not group and (text := os.environ.get("AZURE_INFERENCE_CREDENTIAL")):
        try:
            options.key = key(text)
        except argparse.ArgumentTypeError as error:
            raise ValueError(f"argument --key: {error}") from None


def open_classroom(options: argparse.Namespace) -> Classroom | None:
    """Return a class, ready to be served. Exits with a message if its counts cannot be used."""
    if not options.group:
        return None
    try:
        classroom = Classroom(options.group, options.at_once or AT_ONCE)
    except TallyError as error:
        sys.exit(str(error))
    classroom.tally.report = lambda text: print(text, file=sys.stderr, flush=True)
    return classroom


def open_class_authority(group: ClassFile | None) -> trustme.CA | None:
    """Return the certificate authority of a class. Exits with a message if it cannot be used."""
    try:
        return open_authority(authority_file(group.path)) if group else None
    except AuthorityError as error:
        sys.exit(str(error))


def start(options: argparse.Namespace, upstream: Upstream | None = None) -> Simulator:
    """Return a running simulator. Exits with a message if it cannot listen."""
    classroom = open_classroom(options)
    try:
        return Simulator(
            options.host,
            options.port,
            options.https_port,
            options.key,
            options.token_delay,
            server=options.server,
            classroom=classroom,
            authority=open_class_authority(options.group),
            upstream=upstream,
            on_loaded=gc.freeze,  # or the garbage collector would visit the model: all would pause
        )
    except OSError as error:
        advice = {
            errno.EADDRINUSE: PORT_ADVICE,
            errno.EACCES: PORT_ADVICE,
            errno.EADDRNOTAVAIL: HOST_ADVICE,
        }.get(error.errno, "")
        sys.exit(f"Cannot listen on {options.host}: {error.strerror or error}. {advice}".rstrip())


def describe(simulator: Simulator) -> str:
    """Return what a person should know of a running simulator; it contains no key."""
    urls = f"{simulator.url} and {simulator.http_url}"
    text = (
        f"simulated Azure {__version__}: answers at {urls} as the server "
        f"{simulator.azure.server.name} ({simulator.azure.server.image}); Ctrl+C ends it."
    )
    if simulator.azure.classroom is not None:
        return f"{text}\n{describe_class(simulator)}"
    if simulator.remote_urls:
        authority = simulator.variables()["NODE_EXTRA_CA_CERTS"]
        text += (
            f"\nOther computers can use {' or '.join(simulator.remote_urls)}. They need the key, "
            f"and must trust the certificate authority in {authority}: copy that file to them.\n"
            "What they send over http instead of https can be read on the way, and so can the key."
        )
    if simulator.azure.inference.upstream is not None:
        text += f"\n{upstream_command.describe(simulator.azure.inference.upstream)}"
    return text


def describe_class(simulator: Simulator) -> str:
    """Return what a teacher should know of a running class; it contains no key."""
    classroom = simulator.azure.classroom
    group, counts = classroom.group, classroom.tally.snapshot()
    lines = [
        f"Class {group.name!r}: {len(group.seats)} seats. Each has its key in {group.path}; no "
        "other key opens the endpoint.",
        f"So far {counts['requests']:,} requests and {counts['tokens']:,} tokens since "
        f"{counts['since']}, kept in {classroom.tally.path}. Move that file away to begin anew.",
        "Deployments (lessons 01 and 08) are simulated on each seat's own computer.",
        "The live page for the projector, for whoever has this address:",
        f"  {simulator.local_url}{classroom.live.path}",
        *command.address_notes(group, simulator.remote_urls),
    ]
    if os.environ.get("AZURE_INFERENCE_CREDENTIAL"):
        lines.append("The key in AZURE_INFERENCE_CREDENTIAL does not open it either.")
    if simulator.remote_urls:
        variables = simulator.variables()
        lines += [
            "Each seat needs these lines in the file .env of its lessons (the slips have them):",
            f"  AZURE_INFERENCE_ENDPOINT={group.address or ' or '.join(simulator.remote_urls)}",
            "  AZURE_INFERENCE_CREDENTIAL=the key of the seat",
            f"  {CA_VARIABLE}={variables[CA_VARIABLE]}",
            f"Clients without connect() find the certificate authority at {simulator.http_url}"
            f"{AUTHORITY_PATH}; the SHA-256 of that file is",
            f"  {simulator.fingerprint}",
            "What is sent over http can be read on the way, and so can the key: use https.",
        ]
    else:
        lines.append("Only this computer can connect. For others, add --allow-remote.")
    return "\n".join(lines)


def prepare_class(options: argparse.Namespace) -> None:
    """Do what --make-class or --make-slips asks for. Exits with a message if it cannot be done."""
    hosts = [in_url(host) for host in remote_hosts(ALL_HOSTS)]
    try:
        print(command.prepare_class(options, hosts, slip_variables))
    except (ClassFileError, AuthorityError) as error:
        sys.exit(str(error))


def main() -> None:
    # A shell starts a job in the background with SIGINT ignored; `kill -INT` must end it, too.
    for signal_number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signal_number, signal.default_int_handler)
    parser = make_parser()
    options = parser.parse_args()
    with suppress(KeyboardInterrupt):
        try:
            command.check_options(options)
            if options.make_class is not None or options.make_slips:
                prepare_class(options)
                return
            complete_options(options)
            check_host(options.host, options.allow_remote)
            upstream = upstream_command.upstream_of(options)
        except ValueError as error:
            parser.error(str(error))
        simulator = start(options, upstream)
        try:
            variables = simulator.variables().items()
            print(
                *(setting(name, value, options.export) for name, value in variables),
                "",
                sep="\n",
                flush=True,
            )
            print(describe(simulator), file=sys.stderr)
            simulator.wait()
        finally:
            simulator.stop()
            if simulator.azure.classroom is not None:
                print(command.report_class(simulator.azure.classroom), file=sys.stderr)


if __name__ == "__main__":
    main()
