"""Runs the simulated Azure alone, for any client in any language: ``python -m simulated_azure --help``."""

from __future__ import annotations

import argparse
import errno
import gc
import os
import shlex
import signal
import sys

from . import __version__
from .transports.sockets import Simulator

SHORTEST_KEY = 8  # shorter ones could not be blotted out of what is shown
SHELLS = ("sh", "powershell")


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m simulated_azure",
        description="A simulated Azure with a tiny language model: the inference endpoint of a Phi-4 deployment and an "
        "identity endpoint, over http and https. Prints the variables that clients need, one NAME=value a line (or commands "
        "that set them: --export), then an empty line, and runs until interrupted (Ctrl+C).",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s, this computer only)")
    parser.add_argument("--port", type=port, default=0, metavar="N", help="port for http (default: any free one)")
    parser.add_argument("--https-port", type=port, default=0, metavar="N", help="port for https (default: any free one)")
    parser.add_argument(
        "--key",
        type=key,
        default=os.environ.get("AZURE_INFERENCE_CREDENTIAL"),
        help="the key that clients must send (default: AZURE_INFERENCE_CREDENTIAL, which other users cannot read as they "
        "can a command line, or else a made-up one)",
    )
    parser.add_argument("--token-delay", type=seconds, default=0.0, metavar="S", help="seconds between tokens (default: 0)")
    parser.add_argument(
        "--export",
        choices=SHELLS,
        help="print the variables as commands to paste into another terminal: sh (also bash and zsh) or powershell",
    )
    parser.add_argument("--version", action="version", version=f"simulated Azure {__version__}")
    return parser


def port(text: str) -> int:
    if not text.isdigit() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a port from 0 to 65535")
    return int(text)


def seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 60:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected seconds from 0 to 60")
    return value


def key(text: str) -> str:
    if len(text) < SHORTEST_KEY or any(letter.isspace() for letter in text) or not text.isascii():
        raise argparse.ArgumentTypeError(f"expected at least {SHORTEST_KEY} ASCII characters without white space")
    return text


def setting(name: str, value: str, shell: str | None = None) -> str:
    """The line that sets a variable in one of SHELLS, quoted as that reads quotes; ``NAME=value`` if none is named."""
    if shell == "sh":
        return f"export {name}={shlex.quote(value)}"
    if shell == "powershell":
        quoted = value.replace("'", "''")
        return f"$env:{name} = '{quoted}'"
    return f"{name}={value}"


def main() -> None:
    given = arguments().parse_args()
    try:
        # The model stays: looking through it for garbage would make all streams pause.
        simulator = Simulator(given.host, given.port, given.https_port, given.key, given.token_delay, on_loaded=gc.freeze)
    except OSError as error:
        advice = " Choose other ports, or 0 for free ones." if error.errno in (errno.EADDRINUSE, errno.EACCES) else ""
        sys.exit(f"Cannot listen on {given.host}: {error.strerror or error}.{advice}")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    print(*(setting(name, value, given.export) for name, value in simulator.variables().items()), "", sep="\n", flush=True)
    print(f"simulated Azure {__version__}: answers at {simulator.url} and {simulator.http_url}; Ctrl+C ends it.", file=sys.stderr)
    try:
        simulator.wait()
    except KeyboardInterrupt:
        simulator.stop()


if __name__ == "__main__":
    main()
