"""Makes the virtual environment: `python3 tools/environment.py FOLDER REQUIREMENTS`.

Knows nothing of Suiron beyond these two names. Runs on whatever `python3` exists, even one too old for Suiron, so it
uses only the standard library and no syntax newer than 3.6. A half-made environment is never taken for a finished one:
the stamp `FOLDER/ready-REQUIREMENTS`, which make checks, is removed first and written last. Every failure is one line
that says what to do; the output of the installer is in `FOLDER/install.log`.
"""

import os
import shutil
import subprocess
import sys
import time
from typing import List, NoReturn, TextIO

OLDEST, NEWEST = (3, 11), (3, 13)
GIGABYTES = 4  # the whole set with its caches takes about 3 on a CPU build


def main(folder: str, requirements: str) -> None:
    stamp = os.path.join(folder, "ready-" + requirements)
    python = suitable_python()
    try:
        if os.path.exists(stamp):
            os.remove(stamp)
        if not usable(folder):
            make(python, folder)
    except PermissionError as error:
        fail(
            "no permission to write %s" % (error.filename or folder),
            "Clone the repository into a folder of your own, or change its owner",
        )
    except OSError as error:
        fail("%s cannot be created (%s)" % (folder, error.strerror), "Free some disk space and run make again")
    install(folder, requirements)
    with open(stamp, "w") as file:
        file.write(time.strftime("%Y-%m-%d %H:%M:%S\n"))


def fail(what: str, do: str) -> NoReturn:
    sys.stderr.write("Suiron: %s. %s.\n" % (what, do))
    sys.exit(1)


def suitable_python() -> str:
    """This interpreter where its version suits, else the first suitable one on the PATH."""
    if OLDEST <= sys.version_info[:2] <= NEWEST:
        return sys.executable
    for minor in (12, 13, 11):
        found = shutil.which("python3.%d" % minor)
        if found and subprocess.call([found, "-c", "pass"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) == 0:
            return found
    fail(
        "this is Python %d.%d, and Suiron needs %d.%d to %d.%d" % (sys.version_info[:2] + OLDEST + NEWEST),
        "Install one of these and run make again, or name one: make run PYTHON=python3.12",
    )


def usable(folder: str) -> bool:
    python = os.path.join(folder, "bin", "python")
    return (
        os.path.exists(python)
        and subprocess.call([python, "-c", "import pip"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) == 0
    )


def make(python: str, folder: str) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    result = subprocess.run(
        [python, "-m", "venv", folder], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True
    )
    if result.returncode != 0:
        shutil.rmtree(folder, ignore_errors=True)
        if "ensurepip is not" in result.stdout:
            fail("this Python comes without venv", "On Debian or Ubuntu: apt install python3-venv; then run make again")
        explain(result.stdout, "the environment cannot be created")


def install(folder: str, requirements: str) -> None:
    log = os.path.join(folder, "install.log")
    if requirements == "requirements.txt" and shutil.disk_usage(folder).free < GIGABYTES * 10**9:
        fail(
            "less than %d GB are free for %s" % (GIGABYTES, os.path.abspath(folder)),
            "Free some disk space and run make again",
        )
    sys.stderr.write(
        "Suiron: installing %s into %s (minutes, the first time; the output of pip is in %s)\n"
        % (requirements, folder, log)
    )
    command = [
        os.path.join(folder, "bin", "python"),
        "-m",
        "pip",
        "install",
        "--disable-pip-version-check",
        "--progress-bar",
        "off",
        "-r",
        requirements,
    ]
    try:
        with open(log, "a") as output:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                universal_newlines=True,
            )
            lines = follow(process, output)
    except OSError as error:
        fail("%s cannot be written (%s)" % (log, error.strerror), "Free some disk space and run make again")
    if process.wait() != 0:
        explain("".join(lines), "%s could not be installed" % requirements)


def follow(process: "subprocess.Popen[str]", output: TextIO) -> List[str]:
    """Copy pip's output into the log, and show its progress in one line on the screen."""
    lines = []  # type: List[str]
    names, live = 0, sys.stderr.isatty()
    for line in process.stdout or ():
        output.write(line)
        output.flush()
        lines = [*lines[-200:], line]
        if line.startswith("Collecting "):
            names += 1
        if live and line.startswith(("Collecting ", "Downloading ", "Installing ")):
            words = " ".join(line.split()[:2])[:60]
            sys.stderr.write("\r\033[K  %d packages · %s" % (names, words))
            sys.stderr.flush()
    if live:
        sys.stderr.write("\r\033[K")
    return lines


def explain(text: str, what: str) -> NoReturn:
    """Explain the output of pip or venv in one line. The order matters: a full disk also causes other failures."""
    for signs, cause, do in (
        (
            ("No space left on device", "Errno 28"),
            "the disk is full",
            "Free about %d GB and run make again" % GIGABYTES,
        ),
        (
            ("Permission denied", "Errno 13"),
            "no permission to write there",
            "Clone the repository into a folder of your own, or change its owner",
        ),
        (
            (
                "Temporary failure in name resolution",
                "NewConnectionError",
                "ConnectTimeout",
                "Connection refused",
                "Max retries",
                "ProxyError",
                "SSLError",
            ),
            "the package index cannot be reached",
            "Check the network or proxy (pip config list shows which index is asked) and run make again",
        ),
        (
            ("No matching distribution",),
            "the package index has no build for this machine",
            "The last lines of install.log name it",
        ),
    ):
        if any(sign in text for sign in signs):
            fail("%s: %s" % (what, cause), do)
    last = [line.strip() for line in text.splitlines() if line.strip()][-1:] or ["no reason was given"]
    fail("%s: %s" % (what, last[0][:300]), "The full output is in install.log; fix the cause and run make again")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
