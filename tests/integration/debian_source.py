"""Debian's source packages, for suites that only those have: apt fetches them once from where this machine has its packages."""
import atexit
import contextlib
import fcntl
import glob
import os
import platform
import re
import shutil
import subprocess
import tempfile

LISTS = ("/etc/apt/sources.list", "/etc/apt/sources.list.d/*.list", "/etc/apt/sources.list.d/*.sources")


def folder(name):
    """Where they lie from one run to the next, if there is a place for that."""
    cache = os.environ.get("XAPROXY_TEST_CACHE")
    if not cache:
        cache = tempfile.mkdtemp(prefix=f"xap-{name}-")
        atexit.register(shutil.rmtree, cache, ignore_errors=True)
    return os.path.join(cache, name)


@contextlib.contextmanager
def alone(where):
    """Holds others off who would put the same there: suites run beside each other."""
    os.makedirs(os.path.dirname(where), exist_ok=True)
    with open(where + ".lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def source_lists(parts):
    """apt's lists of this machine, of sources: in `parts`. Debian's own are enough."""
    os.makedirs(parts)
    for path in (path for pattern in LISTS for path in glob.glob(pattern)):
        with open(path, encoding="utf-8") as f:
            text = f.read()
        if "debian" in text:
            text = re.sub(r"(?m)^(Types:).*$", r"\1 deb-src", re.sub(r"(?m)^deb\s", "deb-src ", text))
            with open(os.path.join(parts, os.path.basename(path)), "w", encoding="utf-8") as f:
                f.write(text)


def versions(packages):
    """What to ask apt for: the newest, then what the release came with, since the newest may be replaced while a mirror still names it."""
    yield list(packages.values())
    release = platform.freedesktop_os_release().get("VERSION_CODENAME")
    if release:
        yield [f"{package}/{release}" for package in packages.values()]


def fetch(where, packages, tests):
    """packages: name to source package; each is unpacked in where/NAME, and has its tests in where/NAME/`tests`. Once; else a reason
    why not."""
    with alone(where):
        if os.path.exists(os.path.join(where, "made")):
            return None
        return unpack(where, packages, tests) if shutil.which("apt-get") else "apt-get is needed"


def unpack(where, packages, tests):
    shutil.rmtree(where, ignore_errors=True)
    source_lists(os.path.join(where, "parts"))
    os.makedirs(os.path.join(where, "lists", "partial"))
    options = {"Dir::Etc::sourcelist": "/dev/null", "Dir::Etc::sourceparts": f"{where}/parts", "Dir::State::lists": f"{where}/lists",
               "Dir::Cache::pkgcache": "", "Dir::Cache::srcpkgcache": "", "APT::Sandbox::User": ""}
    apt = ["apt-get", "-qq", *(f"-o{name}={value}" for name, value in options.items())]
    for argv in ([*apt, "update"], *([*apt, "--download-only", "source", *wanted] for wanted in versions(packages))):
        done = subprocess.run(argv, cwd=where, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600, check=False)
        if "source" in argv and done.returncode == 0:
            break
    for name, package in packages.items():
        for archive in glob.glob(f"{where}/{package}_*.orig.tar.?z"):
            os.makedirs(f"{where}/{name}")
            subprocess.run(["tar", "-xf", archive, "-C", f"{where}/{name}", "--strip-components=1"], check=True)
        if not os.path.isdir(f"{where}/{name}/{tests}"):
            return f"no source of {package}: {done.stderr.strip()[-300:]}"
    with open(os.path.join(where, "made"), "w", encoding="ascii"):
        pass
    return None
