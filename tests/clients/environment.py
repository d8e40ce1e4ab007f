#!/usr/bin/env python3
"""The virtual environment of all suites in Python: made once, and anew when requirements.txt changes.

    python3 tests/clients/environment.py

Prints the path of its interpreter. It stands in cargo's target folder under the digest of requirements.txt, so that two
checkouts that share a target folder never change it under each other's feet. Needs `python3` with `venv` and `pip`, and
at the first run the package registry that pip is set up for. Standard library only; POSIX only.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target").absolute()
REQUIREMENTS = Path(__file__).resolve().with_name("requirements.txt")


def home():
    """The folder of the environment that these requirements and this interpreter make."""
    facts = f"{sys.version_info.major}.{sys.version_info.minor}\n".encode() + REQUIREMENTS.read_bytes()
    return TARGET / "test-python" / hashlib.sha256(facts).hexdigest()[:16]


def prepared():
    """The environment's interpreter; the environment is made first if it is not there in full."""
    folder = home()
    python, ready = folder / "bin" / "python", folder / "ready"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(folder.with_suffix(".lock"), "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if ready.exists():
            return python
        shutil.rmtree(folder, ignore_errors=True)
        for command in (
            [sys.executable, "-m", "venv", str(folder)],
            # The file names everything: what pip would add by itself is an error of the file, which `check` tells.
            [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--requirement", str(REQUIREMENTS)],
            [str(python), "-m", "pip", "check"],
        ):
            # The lock goes along, so that it holds until an install has ended whose parent was killed.
            done = subprocess.run(command, stdout=sys.stderr, pass_fds=[lock.fileno()], check=False)
            if done.returncode != 0:
                sys.exit(f"the environment of the suites in Python could not be made: {' '.join(command)}")
        ready.touch()
    return python


def inside():
    """Starts the running script again inside the environment, unless it is there already."""
    if Path(sys.prefix).resolve() == home().resolve():
        return
    python = str(prepared())
    os.execv(python, [python, *sys.argv])


if __name__ == "__main__":
    print(prepared())
