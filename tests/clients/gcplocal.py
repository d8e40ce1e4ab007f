#!/usr/bin/env python3
"""Our Google client against gcplocal, an emulator of another maker: token for a key, pages of a direct call, a 404.

    python3 tests/clients/gcplocal.py

Runs the test of crates/cloud/tests/gcp.rs that wants this server; exit code 0 = it held. gcplocal (Apache-2.0) plays Compute Engine, Cloud Storage, IAM, Pub/Sub, Resource Manager v1 and Cloud SQL, but not Cloud Asset Inventory.
"""

import os
import socket
import subprocess
import sys
import time

import environment
from environment import ROOT
from fakecloud import check

TEST = "gcplocal::"
NETWORKS = 25


def free_port():
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(url, server):
    """Waits until the server answers, at most 20 s."""
    import requests

    for _ in range(100):
        if server.poll() is not None:
            break
        try:
            return requests.get(f"{url}/health", timeout=2).json()["services"]
        except requests.ConnectionError:
            time.sleep(0.2)
    sys.exit("FAILED: gcplocal did not start")


def fill(url):
    """Networks of one project."""
    import requests

    for number in range(NETWORKS):
        path = f"{url}/compute/v1/projects/other/global/networks"
        requests.post(path, json={"name": f"network-{number:02}"}, timeout=5).raise_for_status()


def main():
    """Starts the server, fills it, runs the test, stops it."""
    environment.inside()
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "gcplocal", "start", "--host", "127.0.0.1", "--port", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        services = wait_for(url, server)
        print(f"gcplocal plays {', '.join(services)}", file=sys.stderr)
        fill(url)
        cargo = ["cargo", "test", "--quiet", "--locked", "--package", "yagura-cloud", "--test", "gcp", "--", "--ignored", TEST]
        ran = subprocess.run(cargo, cwd=ROOT, env={**os.environ, "YAGURA_GCPLOCAL": url}, check=False)
        check("our client reads it", ran.returncode == 0)
    finally:
        server.terminate()
        server.wait(timeout=10)
    return 0


if __name__ == "__main__":
    sys.exit(main())
