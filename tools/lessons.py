"""Open the lessons in JupyterLab: ``python -m uv run lessons`` (``--help`` lists the options).

Learners work in copies, which copies.py makes and renews.
"""

from __future__ import annotations

import argparse
import errno
import importlib.util
import os
import signal
import socket
import sys
import webbrowser
from collections.abc import MutableMapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from urllib.parse import quote

from tools import bundle, copies

ROOT = Path(__file__).absolute().parent.parent
FIRST_LESSON = f"{copies.LESSONS}/{copies.FIRST_LESSON}"
MINIMUM_PYTHON = (3, 11)
LOOPBACK = ("localhost", "127.0.0.1", "::1")
ALL_ADDRESSES = ("0.0.0.0", "::")
PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
JUPYTERLAB_OPTIONS = (
    # Only errors, so that the address is the last line. Kernels warn unless they are encrypted.
    "--Application.log_level=ERROR",
    "--MappingKernelManager.transport_encryption=auto",
    # No question about news, no search for updates, no list of extensions from PyPI.
    f"--LabApp.app_settings_dir={ROOT / 'tools' / 'jupyterlab'}",
    "--LabApp.news_url=None",
    "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    "--LabApp.extension_manager=readonly",
    # voila serves the playground by itself; in JupyterLab it would add a button to each notebook.
    "--ServerApp.jpserver_extensions=voila.server_extension=False",
)


def arguments() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="lessons",
        description="Copy the lessons into the folder my-lessons, without their outputs, and open "
        "JupyterLab at lesson 00, in your browser if there is one. A copy that you have changed is "
        "never overwritten. The last line printed is the address of the lesson. Ctrl+C ends "
        "JupyterLab and all that runs in it.",
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--checked",
        action="store_true",
        help="open the originals, with the outputs that the tests compare, instead of copies",
    )
    what.add_argument(
        "--reset",
        metavar="LESSON",
        help="only make a fresh copy of one lesson, such as 05; the old one is kept under a name "
        "with the date",
    )
    what.add_argument(
        "--playground",
        action="store_true",
        help="open no lesson, but the playground of lesson 15 alone, without code, as for a "
        "projector (needs the package voila)",
    )
    what.add_argument(
        "--bundle",
        metavar="FOLDER",
        help="make a folder, for a USB stick, from which laptops without a network install the kit",
    )
    parser.add_argument(
        "--for",
        dest="platforms",
        action="append",
        choices=[*bundle.PLATFORMS],
        help="with --bundle: the kind of the laptops; may be repeated (default: this computer's)",
    )
    parser.add_argument(
        "--python",
        dest="pythons",
        action="append",
        choices=bundle.PYTHONS,
        help="with --bundle: the laptops' Python; may be repeated (default: this computer's)",
    )
    parser.add_argument(
        "--folder",
        metavar="PATH",
        help="the folder for your copies (default: my-lessons in the kit, or in your home folder "
        "if you may not write into the kit)",
    )
    parser.add_argument(
        "--no-browser", action="store_true", help="print the address, but open no browser"
    )
    parser.add_argument(
        "--port",
        type=port,
        metavar="N",
        help="the port to listen on; 0 means any free one (default: 8888, for the playground "
        "8866, or the next free one)",
    )
    parser.add_argument(
        "--ip",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="the address to listen on (default: %(default)s, for browsers on this computer only). "
        "In a container whose port is published, use 0.0.0.0. Then other computers can reach "
        "JupyterLab, and whoever has the token in the printed address can run programs here",
    )
    return parser


def port(text: str) -> int:
    """Return a port of the command line. Raise ArgumentTypeError if the text is not a port."""
    if not (text.isascii() and text.isdigit() and int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"got {text!r}, expected a port from 0 to 65535")
    return int(text)


def check_installation() -> None:
    """Raise SystemExit with advice if this Python cannot run the lessons."""
    if sys.version_info < MINIMUM_PYTHON:
        minimum = ".".join(map(str, MINIMUM_PYTHON))
        sys.exit(
            f"This is Python {sys.version.split()[0]}, and the lessons need {minimum} or newer. "
            "Install a newer Python (https://www.python.org/downloads) and start with that one."
        )
    if not (ROOT / FIRST_LESSON).is_file():
        sys.exit(
            f"There is no {FIRST_LESSON} in {ROOT}. The program needs the whole kit, in place: in "
            "the folder of the kit, run `python -m uv run lessons`, or without uv "
            "`python -m pip install -e .`, then `lessons`."
        )
    if not importlib.util.find_spec("jupyterlab"):
        sys.exit(
            f"This Python ({sys.executable}) has no JupyterLab. In the folder of the kit, run "
            "`python -m pip install uv`, then `python -m uv run lessons`."
        )


def check_voila() -> None:
    """Raise SystemExit with advice if this Python has no voila, which shows the playground."""
    if not importlib.util.find_spec("voila"):
        sys.exit(
            "The playground alone needs the package voila, which is not installed. In the folder "
            "of the kit, run `python -m uv run --extra playground lessons --playground`, or "
            'without uv `python -m pip install -e ".[playground]"`, then start again.'
        )


def untested_versions(requirements: str) -> list[str]:
    """Return one text for each package that is not installed in the version that was tested.

    `requirements` is the text of requirements.txt: the versions in uv.lock, `name==version` each.
    """
    from packaging.requirements import Requirement

    texts = []
    for requirement in map(Requirement, requirements.splitlines()):
        if requirement.marker and not requirement.marker.evaluate():
            continue
        tested = str(requirement.specifier).removeprefix("==")
        try:
            installed = version(requirement.name)
        except PackageNotFoundError:
            texts.append(f"{requirement.name} is missing (tested: {tested})")
            continue
        if not requirement.specifier.contains(installed, prereleases=True):
            texts.append(f"{requirement.name} {installed} (tested: {tested})")
    return texts


def warn_of_untested_versions() -> None:
    """Print what to do if packages differ from uv.lock, as when uv.lock was missing."""
    texts = untested_versions((ROOT / "requirements.txt").read_text(encoding="utf-8"))
    if texts:
        more = f" and {len(texts) - 3} more" if len(texts) > 3 else ""
        print(
            f"Note: the lessons were tested with other versions of {len(texts)} packages: "
            f"{', '.join(texts[:3])}{more}. Outputs may differ. If uv.lock was missing or has "
            "changed, run `git checkout -- uv.lock` or download the kit again, then start again. "
            "Without uv, run `python -m pip install -r requirements.txt`.",
            file=sys.stderr,
        )


def bypass_proxy(environment: MutableMapping[str, str]) -> None:
    """Set NO_PROXY so that programs started from JupyterLab reach this computer without a proxy.

    Do nothing where no proxy is set, or where NO_PROXY already excludes every host.
    """
    names = [*PROXY_VARIABLES, *map(str.lower, PROXY_VARIABLES)]
    excluded = f"{environment.get('NO_PROXY', '')},{environment.get('no_proxy', '')}".split(",")
    hosts = [host.strip() for host in excluded if host.strip()]
    if "*" in hosts or not any(environment.get(name) for name in names):
        return
    environment["NO_PROXY"] = environment["no_proxy"] = ",".join(dict.fromkeys([*hosts, *LOOPBACK]))


def check_address(ip: str, port: int) -> None:
    """Raise SystemExit with advice if nothing can listen on a port (0: any port) of an address."""
    from tornado.netutil import bind_sockets

    try:
        listeners = bind_sockets(port, ip)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            sys.exit(
                f"Port {port} is in use, perhaps by another JupyterLab. End that program, or "
                "choose another port, or leave out --port to get a free one."
            )
        if error.errno in (errno.EACCES, getattr(errno, "WSAEACCES", errno.EACCES)):
            sys.exit(f"You may not listen on port {port}. Choose a port from 1024 to 65535.")
        if error.errno == errno.EADDRNOTAVAIL or isinstance(error, socket.gaierror):
            sys.exit(
                f"This computer has no address {ip!r}. Use 127.0.0.1 for browsers on this "
                "computer, or 0.0.0.0 for all addresses that it has."
            )
        raise
    for listener in listeners:
        listener.close()


def is_root() -> bool:
    """Return True for the superuser of a Unix system."""
    return hasattr(os, "geteuid") and os.geteuid() == 0


def has_browser() -> bool:
    """Return True if this computer can open a browser in a window."""
    if sys.platform.startswith("linux") and not any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
    ):
        return False  # a browser in the terminal may exist, but cannot show JupyterLab
    try:
        webbrowser.get()
    except webbrowser.Error:
        return False
    return True


def update_copies(option: str | None, reset: str | None) -> Path:
    """Bring the copies of the lessons up to date and say so. Return their folder.

    option, reset: the values of --folder and --reset. Raise SystemExit with advice if the copies
    cannot be written, or if there is no such lesson.
    """
    try:
        folder, reason = copies.choose_folder(ROOT, Path.home(), option)
        lines = copies.update(ROOT, folder, reset)
    except copies.CopiesError as error:
        sys.exit(str(error))
    print(*filter(None, [reason, f"You work in {folder}.", *lines]), sep="\n", flush=True)
    return folder


def write_bundle(folder: Path, platforms: list[str] | None, pythons: list[str] | None) -> None:
    """Make a bundle and say what is in it. Raise SystemExit with advice if it cannot be made."""
    try:
        print(*bundle.make_bundle(ROOT, folder, platforms or (), pythons or ()), sep="\n")
    except bundle.BundleError as error:
        sys.exit(str(error))


def announcement(what: str, page: str, browser: bool, may_others: str, local: bool) -> list[str]:
    """Return the lines that come before the address.

    what: the name of the server. page: what the address shows. may_others: what other computers
    that reach it can do there, or empty. local: the address is of this computer only, although it
    listens on all.
    """
    lines = ["", f"{what} is running. Ctrl+C ends it."]
    if may_others:
        lines.append(may_others)
        if local:
            lines.append("For them, replace 127.0.0.1 by the name of this computer.")
    if browser:
        lines.append(f"If your browser does not show {page}, open this address:")
    else:
        lines.append("Open this address in a browser:")
    return [*lines, ""]


def run_jupyterlab(ip: str, port: int | None, browser: bool, folder: Path) -> None:
    """Run JupyterLab until Ctrl+C (SIGINT) or SIGTERM ends it and its kernels.

    Without a port, take the first free one from 8888 on. The folder has the lessons.
    """
    from jupyter_core.paths import jupyter_config_dir
    from jupyterlab.labapp import LabApp

    top = ROOT if folder.is_relative_to(ROOT) else folder
    lesson = (folder / copies.FIRST_LESSON).relative_to(top).as_posix()
    options = [
        f"--ServerApp.root_dir={top}",
        f"--LabApp.default_url=/lab/tree/{quote(lesson)}",
        f"--ServerApp.ip={ip}",
        f"--ServerApp.open_browser={browser}",
        f"--ServerApp.allow_root={is_root()}",
        *JUPYTERLAB_OPTIONS,
    ]
    if port is not None:
        options.append(f"--ServerApp.port={port}")
    try:
        server = LabApp.initialize_server(options)
    except PermissionError as error:
        sys.exit(
            f"JupyterLab may not write {error.filename}. Set the variable HOME to a folder in "
            "which you may write, then start again."
        )
    except ValueError as error:  # of a setting: JupyterLab itself shows where
        sys.exit(
            f"JupyterLab refuses a setting: {error}. Correct the settings in "
            f"{jupyter_config_dir()}, or set JUPYTER_CONFIG_DIR to an empty folder."
        )

    def stop(number: int, frame: object) -> None:
        for name in (signal.SIGINT, signal.SIGTERM):
            signal.signal(name, signal.SIG_IGN)  # a second signal would disturb the clean end
        print("Ending JupyterLab ...", flush=True)
        server.stop(from_signal=True)

    # Jupyter's own handlers ask "Shut down this Jupyter server (y/[n])?" or leave kernels behind.
    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)

    local = server.ip in ALL_ADDRESSES
    address = server.local_url if local else server.public_url
    danger = "Other computers can reach it: whoever has the token can run programs here."
    may_others = danger if server.allow_remote_access else ""
    lines = announcement("JupyterLab", "lesson 00", browser, may_others, local)
    if is_root():
        lines.insert(2, "You are root, so notebooks may change everything on this computer.")
    server.identity_provider.token_generated = False  # otherwise Jupyter prints the address, too
    server.io_loop.add_callback(print, *lines, address, sep="\n", flush=True)
    server.start()


def check_settings(folder: Path) -> None:
    """Print what a .env file, in a folder or in one above, leaves unclear.

    Raise SystemExit with advice if the settings of an endpoint cannot work.
    """
    from helpers.settings import ConnectionSettingsError, read_env_file, read_settings

    try:
        env_file = read_env_file(folder, os.environ)
        print(*env_file.notes, sep="\n", end="\n" if env_file.notes else "")
        read_settings({**env_file.variables, **os.environ})
    except ConnectionSettingsError as error:
        sys.exit(str(error))


def run_playground(ip: str, port: int | None, browser: bool) -> None:
    """Serve the playground alone until Ctrl+C (SIGINT) or SIGTERM ends it and its kernels."""
    from tools import voila_page

    check_settings(voila_page.FOLDER)  # the page would only say that there was an error
    may_others = ""
    if ip not in LOOPBACK:
        may_others = (
            "Other computers can reach it: whoever has the token can ask, and if the answers come "
            "from your own endpoint, you pay for them."
        )
    local = ip in ALL_ADDRESSES
    lines = announcement("The playground", "the playground", browser, may_others, local)

    def announce(address: str) -> None:
        print(*lines, address, sep="\n", flush=True)

    voila_page.run_page(ip, port, bool(may_others), announce, browser)


def main() -> None:
    """Run the program."""
    parser = arguments()
    options = parser.parse_args()
    if options.checked and options.folder is not None:
        parser.error(
            "--checked and --folder exclude each other: --checked opens the originals and makes no "
            f"copies, so nothing would be in {options.folder!r}. Leave out one of the two."
        )
    if options.playground and options.folder is not None:
        parser.error(
            "--playground and --folder exclude each other: the playground alone makes no copies of "
            f"the lessons, so nothing would be in {options.folder!r}. Leave out one of the two."
        )
    if (options.platforms or options.pythons) and options.bundle is None:
        parser.error("--for and --python say what a bundle is for: add --bundle FOLDER.")
    check_installation()
    if options.bundle is not None:
        write_bundle(Path(options.bundle).absolute(), options.platforms, options.pythons)
        return
    if options.reset is not None:
        update_copies(options.folder, options.reset)
        return
    if options.playground:
        check_voila()
    check_address(options.ip, options.port or 0)
    warn_of_untested_versions()
    browser = not options.no_browser and has_browser()
    try:
        if options.playground:
            bypass_proxy(os.environ)
            print("Starting the playground ...", flush=True)
            run_playground(options.ip, options.port, browser)
            return
        folder = ROOT / copies.LESSONS if options.checked else update_copies(options.folder, None)
        bypass_proxy(os.environ)
        print("Starting JupyterLab ...", flush=True)
        run_jupyterlab(options.ip, options.port, browser, folder)
    except KeyboardInterrupt:  # before JupyterLab was running
        sys.exit(130)


if __name__ == "__main__":
    main()
