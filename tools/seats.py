"""Measure how many learners a machine can carry in JupyterHub, and check that they are apart.

    python -m uv run python -m tools.seats 4

starts a real JupyterHub with its proxy on this computer, as teaching/jupyterhub configures it. All
learners log in at once and run the core of a lesson, whose outputs are compared with the saved
ones. Then it checks that nobody reads another's files, that a wrong password is refused, and that
work is still there after a restart. It prints memory and CPU time a seat; Linux and macOS only.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat
import psutil

from tools import copies
from tools.hub_client import HubError, Kernel, Learner
from tools.minutes import parts_of
from tools.refresh import forget_own_settings, sanitize, shorten_tracebacks

ROOT = Path(__file__).parent.parent
CONFIGURATION = ROOT / "teaching" / "jupyterhub" / "jupyterhub_config.py"
RUNNING = "JupyterHub is now running"  # in its log
LONGEST_START = 300.0  # seconds
LONGEST_STOP = 120.0  # seconds
# Of preflight(): copies lie elsewhere than the originals, perhaps at a path for a second line.
FOLDER_LINE = re.compile(r"ok {4}folder .*?\\n( {10,}.*?\\n)*")
FONT_CACHE = "Matplotlib is building the font cache"  # on a busy machine, once an account
MIB = 1 << 20


@dataclass(frozen=True)
class Hub:
    """A running JupyterHub. home: the folder with the learners' home folders."""

    url: str
    password: str
    home: Path
    process: subprocess.Popen
    log: list[str]

    def learner(self, name: str, password: str | None = None) -> Learner:
        """Return a session of this learner, with the right password unless another is given."""
        return Learner(self.url, name, self.password if password is None else password)

    def processes(self, command: str) -> list[psutil.Process]:
        """Return the processes below the hub with this text in their command line."""
        found = []
        for process in psutil.Process(self.process.pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                if command in " ".join(process.cmdline()):
                    found.append(process)
        return found


@contextlib.contextmanager
def running_hub(folder: Path, names: list[str], **variables: str) -> Iterator[Hub]:
    """Run JupyterHub with its data and the home folders in a folder, and end it afterwards.

    All learners share this account (CLASS_SPAWNER=simple). variables: further settings.
    Raise RuntimeError with the log if it does not start.
    """
    (folder / "names").write_text("\n".join(names), encoding="utf-8")
    password = secrets.token_urlsafe(12)
    public, proxy, hub = free_ports(3)
    url = f"http://127.0.0.1:{public}"
    environment = {
        **os.environ,
        "CLASS_NAMES": str(folder / "names"),
        "CLASS_PASSWORD": password,
        "CLASS_SPAWNER": "simple",
        "CLASS_DATA": str(folder / "data"),
        "CLASS_URL": url,
        **variables,
    }
    command = [
        *(sys.executable, "-m", "jupyterhub", "-f", str(CONFIGURATION)),
        f"--SimpleLocalProcessSpawner.home_dir_template={folder}/{{username}}",
        f"--ConfigurableHTTPProxy.api_url=http://127.0.0.1:{proxy}",
        f"--JupyterHub.hub_port={hub}",
    ]
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    log: list[str] = []
    is_known = threading.Event()  # whether it runs

    def read_log() -> None:
        for line in process.stdout:
            log.append(line)
            if RUNNING in line:
                is_known.set()
        is_known.set()

    reader = threading.Thread(target=read_log, daemon=True)
    reader.start()
    try:
        if not is_known.wait(LONGEST_START) or process.poll() is not None:
            raise RuntimeError(f"JupyterHub does not start:\n{''.join(log)}")
        yield Hub(url, password, folder, process, log)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(LONGEST_STOP)
        except subprocess.TimeoutExpired:
            process.kill()
        reader.join(LONGEST_STOP)


def free_ports(count: int) -> list[int]:
    """Return different ports of the loopback address on which nothing listens now."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


# What has to be true of every hub


async def run_core(
    learner: Learner, kernel: Kernel, lesson: str, is_compared: bool = True
) -> list[str]:
    """Run the core of a learner's copy of a lesson. Return what differs from the saved outputs.

    lesson: such as 00-start-here. is_compared: False where answers come from another endpoint; then
    only errors count.
    """
    original = nbformat.read(ROOT / copies.LESSONS / f"{lesson}.ipynb", 4)
    saved = {cell.id: cell for cell in parts_of(original.cells).core}
    differences = []
    for cell in (await learner.read(copy_of(lesson)))["cells"]:
        if cell["cell_type"] != "code" or cell["id"] not in saved:
            continue
        outputs, reply = await kernel.run(cell["source"])
        shorten_tracebacks(outputs)
        may_raise = "raises-exception" in cell["metadata"].get("tags", [])
        if reply["status"] != "ok" and not may_raise:
            differences.append(f"{cell['id']}: {reply['ename']}: {reply['evalue']}")
        elif is_compared and comparable(outputs) != comparable(saved[cell["id"]].outputs):
            differences.append(f"{cell['id']} prints {comparable(outputs)}")
    return [f"{learner.name}, {lesson}, cell {difference}" for difference in differences]


def copy_of(lesson: str) -> str:
    """Return the path of a learner's copy in the home folder.

    >>> copy_of("00-start-here")
    'my-lessons/00-start-here.ipynb'
    """
    return f"{copies.FOLDER}/{lesson}.ipynb"


def comparable(outputs: list) -> str:
    """Return outputs as text, without what may differ between a copy and its original."""
    outputs = [output for output in outputs if FONT_CACHE not in output.get("text", "")]
    return FOLDER_LINE.sub("", sanitize(outputs))


async def accepted_logins(hub: Hub, *attempts: tuple[str, str]) -> list[str]:
    """Return the names that the hub lets in, of attempts with a name and a password each."""
    accepted = []
    for name, password in attempts:
        async with hub.learner(name, password) as learner:
            with contextlib.suppress(HubError):
                await learner.log_in()
                accepted.append(name)
    return accepted


async def open_doors(visitor: Learner, owner: str) -> list[str]:
    """Return the requests to another learner's server that a visitor's session gets answered."""
    requests = (
        ("GET", f"contents/{copies.FOLDER}"),
        ("GET", f"contents/{copy_of('00-start-here')}"),
        ("POST", "kernels"),
        ("GET", "terminals"),
    )
    statuses = [
        (method, path, (await visitor.request(method, path, owner))[0]) for method, path in requests
    ]
    return [
        f"{visitor.name} got {status} to {method} {path} of {owner}"
        for method, path, status in statuses
        if status != 403
    ]


async def work_after_restart(learner: Learner, lesson: str, answer: str) -> str:
    """Write an answer into a lesson, restart the learner's server, and return what stands there."""
    path = copy_of(lesson)
    notebook = await learner.read(path)
    notebook["cells"][0]["source"] = answer
    await learner.save(path, notebook)
    await learner.stop_server()
    await learner.start_server()
    return (await learner.read(path))["cells"][0]["source"]


# Figures


def cpu_seconds(processes: list[psutil.Process]) -> float:
    """Return the CPU time that processes have taken so far, with that of their ended children."""
    times = [process.cpu_times() for process in processes]
    return sum(
        each.user + each.system + each.children_user + each.children_system for each in times
    )


def memory(processes: list[psutil.Process]) -> str:
    """Return in words what memory one process takes alone, and with what it shares: means."""
    sizes = [process.memory_full_info() for process in processes]
    own, total = (
        sum(getattr(size, name) for size in sizes) / len(sizes) / MIB for name in ("uss", "rss")
    )
    return f"{own:.0f} MiB of its own, {total:.0f} MiB with what processes share"


def cpu_of(processes: list[psutil.Process]) -> float:
    """Return the CPU time that processes have taken so far, without their children."""
    times = [process.cpu_times() for process in processes]
    return sum(each.user + each.system for each in times)


async def measure(hub: Hub, names: list[str], lesson: str, is_compared: bool) -> list[str]:
    """Let all learners work at once, print figures, and return what went wrong."""
    seats = len(names)
    async with contextlib.AsyncExitStack() as stack:
        learners = [await stack.enter_async_context(hub.learner(name)) for name in names]
        begin = time.perf_counter()

        async def start(learner: Learner) -> float:
            await learner.log_in()
            await learner.start_server()
            return time.perf_counter() - begin

        times = sorted(await asyncio.gather(*map(start, learners)))
        servers = hub.processes("tools.single_user")
        started = cpu_seconds(servers)
        print(
            f"start of all at once   {times[0]:.1f} s for the first, {times[-1]:.1f} s for the last"
        )
        print(f"a server's start, CPU  {started / seats:.1f} s")
        print(f"a server, memory       {memory(servers)}")
        parts = [psutil.Process(hub.process.pid), *hub.processes("configurable-http-proxy")]
        print(f"hub and proxy, CPU     {cpu_of(parts) / seats:.1f} s a seat")

        async with contextlib.AsyncExitStack() as running:
            begin = time.perf_counter()

            async def work(learner: Learner) -> list[str]:
                kernel = await running.enter_async_context(learner.kernel(copy_of(lesson)))
                return await run_core(learner, kernel, lesson, is_compared)

            found = await asyncio.gather(*map(work, learners))
            seconds = time.perf_counter() - begin
            kernels = hub.processes("ipykernel_launcher")
            print(f"a kernel, memory       {memory(kernels)}")
            print(f"{lesson}, CPU     {(cpu_seconds(servers + kernels) - started) / seats:.1f} s")
            print(f"{lesson}, all     {seconds:.1f} s until everybody has run its core")
        problems = [problem for each in found for problem in each]

        for learner in learners:
            for owner in names:
                if owner != learner.name:
                    problems += await open_doors(learner, owner)
        attempts = [(name, "not-the-password") for name in names] + [("nobody", hub.password)]
        problems += [f"{name} got in" for name in await accepted_logins(hub, *attempts)]
        answers = [f"The answer of {name}" for name in names]
        kept = await asyncio.gather(
            *(
                work_after_restart(*each)
                for each in zip(learners, [lesson] * seats, answers, strict=True)
            )
        )
        if kept != answers:
            problems.append(f"after a restart there was {kept}")
    return problems


@contextlib.contextmanager
def shared_endpoint(folder: Path, seats: int) -> Iterator[dict[str, str]]:
    """Run one simulated endpoint for all seats. Yield the variables for the configuration."""
    command = [sys.executable, "-m", "simulated_azure"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        variables = dict(
            line.rstrip("\n").split("=", 1) for line in iter(process.stdout.readline, "\n")
        )
        key = variables["AZURE_INFERENCE_CREDENTIAL"]
        text = "".join(f'[[seat]]\nname = "{n}"\nkey = {json.dumps(key)}\n' for n in range(seats))
        (folder / "class.toml").write_text(text, encoding="utf-8")
        yield {
            "CLASS_ENDPOINT": variables["AZURE_INFERENCE_ENDPOINT_HTTP"],
            "CLASS_FILE": str(folder / "class.toml"),
        }
        print(f"the shared endpoint    {memory([psutil.Process(process.pid)])}")
    finally:
        process.terminate()
        process.wait()


def main() -> None:
    """Run the program."""
    parser = argparse.ArgumentParser(prog="python -m tools.seats", description=__doc__)
    parser.add_argument("seats", type=int, nargs="?", default=4, help="learners (default: 4)")
    parser.add_argument("--lesson", default="00-start-here", help="default: %(default)s")
    parser.add_argument(
        "--shared",
        action="store_true",
        help="one simulated endpoint for all, instead of one in each kernel",
    )
    options = parser.parse_args()
    forget_own_settings(os.environ)
    names = [f"learner-{number}" for number in range(1, options.seats + 1)]
    with tempfile.TemporaryDirectory() as text, contextlib.ExitStack() as stack:
        folder = Path(text)
        variables = {}
        if options.shared:
            variables = stack.enter_context(shared_endpoint(folder, options.seats))
        hub = stack.enter_context(running_hub(folder, names, **variables))
        work = measure(hub, names, options.lesson, not options.shared)
        problems = asyncio.run(work)
        parts = [psutil.Process(hub.process.pid), *hub.processes("configurable-http-proxy")]
        print(f"the hub and its proxy  {memory(parts)} (mean of {len(parts)})")
    for problem in problems:
        print("WRONG:", problem)
    print(f"{options.seats} seats: {'something is wrong' if problems else 'all is right'}")
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
