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
from typing import TYPE_CHECKING

from . import __version__
from .auth import MIN_KEY_LENGTH
from .inference.servers import INFERENCE, NAMES, SERVERS, Server
from .transports import upstream_command
from .transports.addresses import is_loopback
from .transports.sockets import Simulator

if TYPE_CHECKING:
    from .upstream.upstream import Upstream

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
        default="127.0.0.1",
        help="the address to listen on (default: %(default)s, for this computer only; 0.0.0.0 "
        "means all addresses)",
    )
    parser.add_argument(
        "--allow-remote",
        action="store_true",
        help="let other computers connect: everybody on the network who has the key can then use "
        "the endpoint",
    )
    parser.add_argument(
        "--port",
        type=port,
        default=0,
        metavar="N",
        help="the port for http (default: any free one)",
    )
    parser.add_argument(
        "--https-port",
        type=port,
        default=0,
        metavar="N",
        help="the port for https (default: any free one)",
    )
    parser.add_argument(
        "--key",
        type=key,
        default=os.environ.get("AZURE_INFERENCE_CREDENTIAL"),
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


def start(options: argparse.Namespace, upstream: Upstream | None = None) -> Simulator:
    """Return a running simulator. Exits with a message if it cannot listen."""
    try:
        return Simulator(
            options.host,
            options.port,
            options.https_port,
            options.key,
            options.token_delay,
            server=options.server,
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


def main() -> None:
    # A shell starts a job in the background with SIGINT ignored; `kill -INT` must end it, too.
    for signal_number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signal_number, signal.default_int_handler)
    parser = make_parser()
    options = parser.parse_args()
    with suppress(KeyboardInterrupt):
        try:
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


if __name__ == "__main__":
    main()
