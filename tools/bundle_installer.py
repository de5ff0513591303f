"""Install the Phi-4 notebooks from this folder, without a network, and open the first lesson.

    python3 install.py              into the folder phi4-notebooks in your home folder
    python3 install.py FOLDER       into another folder
    python3 install.py --no-start   only install

The kit's `lessons --bundle` copies this file into a bundle. It uses only the standard library, and
syntax that old Pythons read, because it has to tell them that they are too old.
"""

import json
import os
import platform
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
KIT = os.path.join(HERE, "phi4-notebooks")
WHEELS = os.path.join(HERE, "wheels")
FINISHED = os.path.join(".venv", "installed.txt")  # written last
SYSTEMS = {"Windows": ["windows"], "Darwin": ["macos", "macos-intel"], "Linux": ["linux"]}


def check_computer():
    """Exit with advice if the bundle has no packages for this Python or this computer."""
    with open(os.path.join(HERE, "bundle.json")) as file:
        contents = json.load(file)
    found = "{}.{}".format(*sys.version_info[:2])
    pythons = contents["pythons"]
    if found not in pythons:
        stop(
            "This is Python {}, and this folder has packages for Python {}. Install that Python "
            "(its installer from python.org needs no administrator right), and start with it, as "
            "in `py -{} install.py` or `python{} install.py`. Or make the folder again with "
            "`lessons --bundle FOLDER --python {}`.",
            found,
            " and ".join(pythons),
            pythons[0],
            pythons[0],
            found,
        )
    names = SYSTEMS.get(platform.system(), [])
    if platform.system() == "Darwin":
        names = names[:1] if platform.machine() == "arm64" else names[1:]
    if not set(names) & set(contents["platforms"]):
        stop(
            "This computer is {} {}, and this folder has packages for {}. Make the folder again "
            "with `lessons --bundle FOLDER --for {}`.",
            platform.system(),
            platform.machine(),
            " and ".join(contents["platforms"]),
            names[0] if names else "NAME",
        )


def stop(text, *values):
    """End the program with a text."""
    sys.exit(text.format(*values))


def program(folder, name):
    """Return the path of a program in the environment of a folder."""
    parts = ("Scripts", name + ".exe") if os.name == "nt" else ("bin", name)
    return os.path.join(folder, ".venv", *parts)


def newest_pip():
    """Return the path of the wheel of pip."""
    names = [name for name in os.listdir(WHEELS) if name.startswith("pip-")]
    if not names:
        stop("The folder {} has no pip: copy the folder {} again.", WHEELS, HERE)
    return os.path.join(WHEELS, sorted(names)[-1])


def install(folder):
    """Copy the kit into a folder and install its packages there."""
    if os.path.exists(folder) and not os.path.exists(os.path.join(folder, "notebooks")):
        if not os.path.isdir(folder) or os.listdir(folder):
            stop("{} holds something else. Name another folder: install.py FOLDER", folder)
        os.rmdir(folder)
    if not os.path.exists(folder):
        print("Copying the lessons to {} ...".format(folder))
        begun = folder + ".part"
        shutil.rmtree(begun, ignore_errors=True)  # of a copy that was interrupted
        shutil.copytree(KIT, begun)
        os.rename(begun, folder)
    environment = os.path.join(folder, ".venv")
    if os.path.exists(environment):
        shutil.rmtree(environment)  # of an installation that was interrupted
    print("Installing the packages; this takes a minute or two ...")
    sys.stdout.flush()
    run(
        [sys.executable, "-m", "venv", "--without-pip", environment],
        "No place for packages could be made. Use another Python, such as conda's.",
    )
    run(
        [
            program(folder, "python"),
            os.path.join(newest_pip(), "pip"),  # a wheel can be run as it is
            "install",
            "--quiet",
            "--no-index",
            "--no-deps",  # requirements.txt names them all
            "--disable-pip-version-check",
            "--find-links",
            WHEELS,
            "-r",
            os.path.join(folder, "requirements.txt"),
            "--editable",
            folder,
        ],
        "The packages could not be installed. If the disk is full, make room (half a gigabyte is "
        "needed). If a file is missing, copy the folder {} again.".format(HERE),
    )
    with open(os.path.join(folder, FINISHED), "w") as file:
        file.write("All packages are installed.\n")


def run(command, advice):
    """Run a command. Exit with advice if it fails."""
    # Settings for an index or a target of pip's must not lead it elsewhere.
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    clean["PIP_CONFIG_FILE"] = os.devnull
    if subprocess.call(command, env=clean):
        stop("{}", advice)


def main(arguments):
    """Install if that has not been done, and open the lessons."""
    folders = [each for each in arguments if not each.startswith("-")]
    unknown = [each for each in arguments if each.startswith("-") and each != "--no-start"]
    if unknown or len(folders) > 1:
        print(__doc__)
        stop("Not understood: {}", " ".join(unknown or folders))
    check_computer()
    home = os.path.join(os.path.expanduser("~"), "phi4-notebooks")
    folder = os.path.abspath(folders[0]) if folders else home
    lessons = program(folder, "lessons")
    if not os.path.exists(os.path.join(folder, FINISHED)):
        install(folder)
    print("Installed in {}. This opens the lessons, now and later: {}".format(folder, lessons))
    sys.stdout.flush()
    if "--no-start" not in arguments:
        try:
            sys.exit(subprocess.call([lessons]))
        except KeyboardInterrupt:  # lessons has ended, too
            sys.exit(130)


if __name__ == "__main__":
    main(sys.argv[1:])
