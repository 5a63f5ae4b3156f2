"""Node's drivers for the suites that use them, from npm: as drivers/package.json names them, installed once."""
import atexit
import hashlib
import os
import shutil
import subprocess
import tempfile

import xatest
from xatest import servers

DRIVERS = os.path.join(xatest.HERE, "drivers")


def cache():
    folder = os.environ.get("XAPROXY_TEST_CACHE")
    if not folder:
        folder = tempfile.mkdtemp(prefix="xap-node-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def program(name):
    """A program of drivers/ beside the modules that it imports; its path."""
    with open(os.path.join(DRIVERS, "package.json"), "rb") as f:
        folder = os.path.join(cache(), "node-" + hashlib.sha256(f.read()).hexdigest()[:12])
    os.makedirs(os.path.dirname(folder), exist_ok=True)
    with open(folder + ".lock", "w", encoding="ascii") as lock:  # another suite may be at it
        servers.fcntl.flock(lock, servers.fcntl.LOCK_EX)
        if not os.path.exists(os.path.join(folder, "made")):
            install(folder)
        shutil.copy(os.path.join(DRIVERS, name), folder)
    return os.path.join(folder, name)


def install(folder):
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    shutil.copy(os.path.join(DRIVERS, "package.json"), folder)
    subprocess.run(["npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts", "--omit=dev", "--loglevel=error"],
                   cwd=folder, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, timeout=300)
    with open(os.path.join(folder, "made"), "w", encoding="ascii"):
        pass
