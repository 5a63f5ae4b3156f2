"""The test suites of Perl's DBD::mysql and DBD::MariaDB find through the proxy what they find on the server.

Debian has them in source packages only, which apt fetches once from where this machine has its packages. Each file of t/ is a
test. dbd.exceptions lists what fails on the server itself as well and what cannot pass by its nature, with the reason.
"""
import atexit
import glob
import os
import re
import shutil
import subprocess
import tempfile
import unittest

import stage

LIMIT_S = 120
PACKAGES = {"mysql": "libdbd-mysql-perl", "MariaDB": "libdbd-mariadb-perl"}
LISTS = ("/etc/apt/sources.list", "/etc/apt/sources.list.d/*.list", "/etc/apt/sources.list.d/*.sources")
NOT_ABOUT_A_SERVER = {"manifest", "pod", "version"}  # the shape of the source package


def cache():
    folder = os.environ.get("XAPROXY_TEST_CACHE")
    if not folder:
        folder = tempfile.mkdtemp(prefix="xap-dbd-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return os.path.join(folder, "dbd")


def source_lists(folder):
    """apt's lists of this machine, of sources: in `folder`. Debian's own are enough."""
    os.makedirs(folder)
    for path in (path for pattern in LISTS for path in glob.glob(pattern)):
        with open(path, encoding="utf-8") as f:
            text = f.read()
        if "debian" in text:
            text = re.sub(r"(?m)^(Types:).*$", r"\1 deb-src", re.sub(r"(?m)^deb\s", "deb-src ", text))
            with open(os.path.join(folder, os.path.basename(path)), "w", encoding="utf-8") as f:
                f.write(text)


def fetch(folder):
    """All the source packages, unpacked in `folder`: once, else a reason why not."""
    if os.path.exists(os.path.join(folder, "made")):
        return None
    shutil.rmtree(folder, ignore_errors=True)
    source_lists(os.path.join(folder, "parts"))
    os.makedirs(os.path.join(folder, "lists", "partial"))
    options = {"Dir::Etc::sourcelist": "/dev/null", "Dir::Etc::sourceparts": f"{folder}/parts", "Dir::State::lists": f"{folder}/lists",
               "Dir::Cache::pkgcache": "", "Dir::Cache::srcpkgcache": "", "APT::Sandbox::User": ""}
    apt = ["apt-get", "-qq", *(f"-o{name}={value}" for name, value in options.items())]
    for argv in ([*apt, "update"], [*apt, "--download-only", "source", *PACKAGES.values()]):
        done = subprocess.run(argv, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600, check=False)
    for driver, package in PACKAGES.items():
        for archive in glob.glob(f"{folder}/{package}_*.orig.tar.gz"):
            os.makedirs(f"{folder}/{driver}")
            subprocess.run(["tar", "-xzf", archive, "-C", f"{folder}/{driver}", "--strip-components=1"], check=True)
        if not os.path.isdir(f"{folder}/{driver}/t"):
            return f"no source of {package}: {done.stderr.strip()[-300:]}"
    with open(os.path.join(folder, "made"), "w", encoding="ascii"):
        pass
    return None


FOLDER = cache()
MISSING = fetch(FOLDER) if shutil.which("apt-get") and shutil.which("prove") else "apt-get and prove are needed"


def names(driver):
    there = {os.path.basename(path).removesuffix(".t") for path in glob.glob(f"{FOLDER}/{driver}/t/*.t")}
    return ["suite"] if MISSING else [f"{driver}/{name}" for name in sorted(there - NOT_ABOUT_A_SERVER)]


class Dbd(stage.Foreign):
    suite = "dbd"
    options = {"server_options": ["--local-infile=ON"]}

    @classmethod
    def setUpClass(cls):
        if MISSING:
            raise unittest.SkipTest(MISSING)
        super().setUpClass()

    def run_through(self, door, name):
        driver, _, file = name.partition("/")
        self.stage.server.script(["CREATE DATABASE IF NOT EXISTS test"])
        user, password = stage.ROOT
        env = {**os.environ, "DBI_DSN": f"DBI:{driver}:database=test;host={door.host};port={door.port}", "DBI_USER": user, "DBI_PASS": password}
        try:
            done = subprocess.run(["prove", "-v", "-I.", "-It", f"t/{file}.t"], cwd=f"{FOLDER}/{driver}", env=env, stdin=subprocess.DEVNULL,
                                  capture_output=True, text=True, errors="replace", timeout=LIMIT_S, check=False)
        except subprocess.TimeoutExpired:
            return f"not over in {LIMIT_S} s"
        bad = [line for line in done.stdout.splitlines() if not line.startswith("ok")]
        return None if done.returncode == 0 else "\n".join(bad)[-800:] + done.stderr[-800:]


Plain = stage.a_class(Dbd, "Plain", names("mysql") + names("MariaDB"), "proxy")
