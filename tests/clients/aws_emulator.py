#!/usr/bin/env python3
"""An emulated AWS on a free port of 127.0.0.1: moto, an emulator that is not ours, with the estate of tests/estates/aws.

    python3 tests/clients/aws_emulator.py

Prints `url=http://127.0.0.1:PORT` when the estate is there. Runs until its standard input ends, so that it never outlives
who started it, however that one ended. Exit code 1 = the emulator made another estate than the written one.
"""

import logging
import os
import subprocess
import sys
import threading

import environment

ESTATE = environment.ROOT / "tests" / "estates" / "aws"


def ends_with_input():
    """Waits for the end of standard input and ends the process, whatever else it does."""
    while os.read(0, 4096):
        pass
    os._exit(0)


def seeded(url):
    """Whether the emulator, asked to make the estate, made it as it is written down."""
    seeder = [sys.executable, str(ESTATE / "seed_moto.py"), "--endpoint", url, "--check"]
    told = ["--expected", str(ESTATE / "expected.tsv"), "--inventory", str(ESTATE / "inventory.tsv")]
    return subprocess.run([*seeder, *told], stdin=subprocess.DEVNULL, check=False).returncode == 0


def main():
    """Runs it all."""
    environment.inside()
    # moto prints when it fails. Nobody reads that, and a pipe that was closed would cost the answer: standard output is for
    # the URL alone.
    told = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    threading.Thread(target=ends_with_input, daemon=True).start()
    # Else it has some 1,300 images and snapshots that nobody made, and certificates that change after a minute.
    os.environ["MOTO_EC2_LOAD_DEFAULT_AMIS"] = "false"
    os.environ["MOTO_ACM_VALIDATION_WAIT"] = "0"
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    url = "http://{}:{}".format(*server.get_host_and_port())
    if not seeded(url):
        return 1
    os.write(told, f"url={url}\n".encode())
    threading.Event().wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
