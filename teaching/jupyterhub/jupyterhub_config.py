"""JupyterHub on one machine for a course: each learner has an account, copies and a server.

guide.md in this folder explains it. Start it with

    python -m jupyterhub -f teaching/jupyterhub/jupyterhub_config.py

All that differs between courses comes from variables, so no secret stands in a file of the kit:

CLASS_NAMES             the file with the learners' account names, one a line
CLASS_PASSWORD          the password of all learners, 8 characters or more
CLASS_TEACHER           the teacher's account (optional): may stop and start servers
CLASS_TEACHER_PASSWORD  the teacher's password, 32 characters or more
CLASS_LOGIN             shared (default): CLASS_PASSWORD for all; pam: each account's own password
CLASS_SPAWNER           local (default): real accounts; simple: one account for all, only to try it
CLASS_DATA              the folder for the database and the key of the cookies (default:
                        jupyterhub-data in this folder)
CLASS_URL               where browsers reach the hub (default: http://127.0.0.1:8000)
CLASS_MEMORY            the most memory that one process of a learner may take (default: 1G)
CLASS_IDLE              seconds until an unused server is stopped (default: 3600)
CLASS_ENDPOINT          one endpoint for all learners (optional): its address
CLASS_FILE              the class.toml of that endpoint: the first name has the first seat's key
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from tools.single_user import DEFAULT_URL

c = get_config()  # noqa: F821 (JupyterHub defines it)

HERE = Path(__file__).absolute().parent
NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")
FIRST_ORDINARY_ACCOUNT = 1000  # uid; those below belong to the system


def setting(name: str, default: str | None = None) -> str:
    """Return the value of a variable. Raise SystemExit if it is not set and has no default."""
    value = os.environ.get(name) or default
    if value is None:
        sys.exit(f"{name} is not set. teaching/jupyterhub/guide.md says what to set.")
    return value


def one_of(name: str, *choices: str) -> str:
    """Return a variable's value, the first choice by default. Raise SystemExit for another."""
    value = setting(name, choices[0])
    if value not in choices:
        sys.exit(f"{name} is {value!r}. Set it to {' or '.join(choices)}.")
    return value


def lines_of(variable: str) -> list[str]:
    """Return the lines of the file that a variable names, without empty ones and comments.

    Raise SystemExit if it cannot be read.
    """
    try:
        text = Path(setting(variable)).read_text(encoding="utf-8")
    except OSError as error:
        sys.exit(f"The file that {variable} names cannot be read: {error.strerror}.")
    lines = [line.strip() for line in text.splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def learners() -> list[str]:
    """Return the learners' names in order, each once.

    Raise SystemExit if one is not a name, or if there is none.
    """
    names = lines_of("CLASS_NAMES")
    for name in names:
        if not NAME.fullmatch(name):
            sys.exit(
                f"CLASS_NAMES: {name!r} is not an account name. Use lower-case letters, digits and "
                "hyphens, a letter first, one name a line."
            )
    if not names:
        sys.exit("CLASS_NAMES: the file has no names. Write one account name a line.")
    return list(dict.fromkeys(names))


def check_account(name: str) -> None:
    """Raise SystemExit unless a learner's account exists and its home folder is private."""
    import pwd

    try:
        account = pwd.getpwnam(name)
    except KeyError:
        sys.exit(
            f"This machine has no account {name!r}. Make it first: "
            f"useradd --create-home --key HOME_MODE=0700 --shell /bin/bash {name}"
        )
    if account.pw_uid < FIRST_ORDINARY_ACCOUNT:
        sys.exit(f"The account {name!r} belongs to the system. Choose another name.")
    home = Path(account.pw_dir)
    if not home.is_dir():
        sys.exit(
            f"The account {name!r} has no home folder {home}. Make it: mkhomedir_helper {name}"
        )
    if home.stat().st_mode & 0o007:
        sys.exit(f"All accounts may read {home}. Close it to them: chmod o= {home}")


def check_kit(name: str) -> None:
    """Raise SystemExit unless a learner's account can run this Python with the kit in it."""
    import pwd

    command = [sys.executable, "-c", "import tools.single_user"]
    options = {"user": name, "group": pwd.getpwnam(name).pw_gid, "extra_groups": []}
    try:
        done = subprocess.run(command, **options, cwd="/", capture_output=True, text=True)
    except PermissionError:
        reason = "it may not be run"
    else:
        if done.returncode == 0:
            return
        reason = (done.stderr.strip().splitlines() or ["it fails"])[-1]
    sys.exit(
        f"The account {name!r} cannot use {sys.executable} with the kit: {reason}. Put the "
        "kit, and the Python that its .venv is made from, where all accounts may read: for example "
        "in /opt, not in a home folder."
    )


def endpoint_of_class() -> dict:
    """Return the variables that lead each learner's kernels to the class's endpoint, if any.

    JupyterHub calls a value that is a function when it starts a server, with the spawner.
    Raise SystemExit if the class file cannot be read, or has fewer seats than there are names.
    """
    if not os.environ.get("CLASS_ENDPOINT"):
        return {}
    try:
        seats = tomllib.loads(Path(setting("CLASS_FILE")).read_text(encoding="utf-8"))["seat"]
        keys = dict(zip(NAMES, (seat["key"] for seat in seats), strict=False))
    except OSError as error:
        sys.exit(f"The file that CLASS_FILE names cannot be read: {error.strerror}.")
    except (ValueError, KeyError, TypeError):  # their messages may contain a key
        sys.exit("CLASS_FILE is not a class file. `python -m simulated_azure --help` makes one.")
    if len(keys) < len(NAMES):
        sys.exit(f"CLASS_FILE has {len(keys)} seats for {len(NAMES)} names. Make a larger one.")
    return {
        "AZURE_INFERENCE_ENDPOINT": setting("CLASS_ENDPOINT"),
        "AZURE_INFERENCE_CREDENTIAL": lambda spawner: keys.get(spawner.user.name, ""),
    }


NAMES = learners()

# Who may log in
teacher = os.environ.get("CLASS_TEACHER", "")
c.Authenticator.allowed_users = {*NAMES, *([teacher] if teacher else [])}
c.Authenticator.allow_existing_users = False  # a name that leaves the file may not log in again
c.Authenticator.admin_users = {teacher} if teacher else set()
c.JupyterHub.admin_access = False  # a teacher stops and starts servers, but opens nobody's files
if one_of("CLASS_LOGIN", "shared", "pam") == "pam":
    c.JupyterHub.authenticator_class = "pam"
else:
    c.JupyterHub.authenticator_class = "shared-password"
    c.SharedPasswordAuthenticator.user_password = setting("CLASS_PASSWORD")
    if teacher:
        c.SharedPasswordAuthenticator.admin_password = setting("CLASS_TEACHER_PASSWORD")

# Their servers
if one_of("CLASS_SPAWNER", "local", "simple") == "local":
    if os.geteuid() != 0:
        sys.exit(
            "Start JupyterHub as root: only root may start servers for other accounts. To try it "
            "alone, without accounts, set CLASS_SPAWNER=simple."
        )
    for name in sorted(c.Authenticator.allowed_users):
        check_account(name)
    check_kit(NAMES[0])
    c.JupyterHub.spawner_class = "jupyterhub.spawner.LocalProcessSpawner"
else:
    print("CLASS_SPAWNER=simple: all learners share one account and can read each other's files.")
    c.JupyterHub.spawner_class = "simple"
c.Spawner.cmd = [sys.executable, "-m", "tools.single_user"]
c.Spawner.default_url = DEFAULT_URL
c.Spawner.mem_limit = setting("CLASS_MEMORY", "1G")
c.Spawner.environment = {
    "OPENBLAS_NUM_THREADS": "1",  # numpy would reserve memory for a thread of each core
    **endpoint_of_class(),
}
# When all start at once, the last one waits for the others.
c.Spawner.start_timeout = c.Spawner.http_timeout = 300
c.JupyterHub.services = [
    {
        "name": "idle-culler",
        "command": [
            sys.executable,
            "-m",
            "jupyterhub_idle_culler",
            f"--timeout={setting('CLASS_IDLE', '3600')}",
        ],
    }
]
c.JupyterHub.load_roles = [
    {
        "name": "idle-culler",
        "scopes": ["list:users", "read:users:activity", "read:servers", "delete:servers"],
        "services": ["idle-culler"],
    }
]

# The hub and its proxy
data = Path(setting("CLASS_DATA", str(HERE / "jupyterhub-data"))).absolute()
data.mkdir(mode=0o700, parents=True, exist_ok=True)
c.JupyterHub.bind_url = setting("CLASS_URL", "http://127.0.0.1:8000")
c.JupyterHub.db_url = f"sqlite:///{data / 'jupyterhub.sqlite'}"
c.JupyterHub.cookie_secret_file = str(data / "cookie-secret")
c.ConfigurableHTTPProxy.pid_file = str(data / "proxy.pid")
proxy = HERE / "node_modules" / ".bin" / "configurable-http-proxy"
command = str(proxy) if proxy.is_file() else shutil.which("configurable-http-proxy")
if command is None:
    sys.exit(f"JupyterHub's proxy is missing. It needs Node.js 20 or newer: npm ci --prefix {HERE}")
c.ConfigurableHTTPProxy.command = [command]
