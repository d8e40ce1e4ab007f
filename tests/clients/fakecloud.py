"""What the client suites share: a fake cloud of their own to talk to."""

import os
import signal
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

from environment import TARGET

TENANT = "11111111-1111-1111-1111-111111111111"
SUBSCRIPTION = "22222222-2222-2222-2222-222222222222"
CLIENT = "33333333-3333-3333-3333-333333333333"
SECRET = "secret"


def binary(name="yagura-fakecloud", variable="YAGURA_FAKECLOUD", package="yagura-fakecloud"):
    """A binary of this project: named by a variable, else the newest of the debug and release builds."""
    named = os.environ.get(variable)
    built = [TARGET / profile / name for profile in ("debug", "release")]
    found = [Path(named)] if named else sorted((path for path in built if path.exists()), key=lambda path: path.stat().st_mtime)
    if not found:
        sys.exit(f"there is no {name}: cargo build -p {package}")
    return found[-1]


@contextmanager
def running(*arguments):
    """A fake cloud for the time of the block: (base URL over TLS, plain URL, file of its authority)."""
    # So that a request to end reaches the `finally` below, and no fake cloud is left behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory() as folder:
        ca = str(Path(folder) / "ca.pem")
        server = subprocess.Popen([str(binary()), "--ca-out", ca, *arguments], stdout=subprocess.PIPE, text=True)
        try:
            said = dict(server.stdout.readline().strip().split("=", 1) for _ in range(3))
            os.environ["REQUESTS_CA_BUNDLE"] = ca
            yield said["base_url"], said["plain_url"], said["ca_file"]
        finally:
            server.terminate()
            server.wait(timeout=10)


def signer(folder):
    """A private key and the file of its public half: (key of `cryptography`, PKCS#1 in DER)."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.PKCS1)
    path = Path(folder) / f"{id(key)}.der"
    path.write_bytes(public)
    return key, path


def pem_of(key):
    """A private key as text."""
    from cryptography.hazmat.primitives import serialization

    kind = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, kind, serialization.NoEncryption()).decode()


def check(what, holds):
    """Says what does not hold, and ends."""
    if not holds:
        sys.exit(f"FAILED: {what}")
    print(f"ok: {what}", file=sys.stderr)
