"""The test suites of Perl's DBD::mysql and DBD::MariaDB find through the proxy what they find on the server.

Debian has them in source packages only, which apt fetches once from where this machine has its packages. Each file of t/ is a
test. dbd.exceptions lists what fails on the server itself as well and what cannot pass by its nature, with the reason. What is
skipped through the proxy must be skipped on the server, for the same reason.
"""
import glob
import os
import re
import shutil
import subprocess

import debian_source
import stage

LIMIT_S = 120
PACKAGES = {"mysql": "libdbd-mysql-perl", "MariaDB": "libdbd-mariadb-perl"}
NOT_ABOUT_A_SERVER = {"manifest", "pod", "version"}  # the shape of the source package


FOLDER = debian_source.folder("dbd")
MISSING = debian_source.fetch(FOLDER, PACKAGES, "t") if shutil.which("prove") else "prove is needed"


def names(driver):
    there = {os.path.basename(path).removesuffix(".t") for path in glob.glob(f"{FOLDER}/{driver}/t/*.t")}
    return ["suite"] if MISSING else [f"{driver}/{name}" for name in sorted(there - NOT_ABOUT_A_SERVER)]


class Dbd(stage.Foreign):
    suite = "dbd"
    missing = MISSING
    options = {"server_options": ["--local-infile=ON"]}

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
        if done.returncode:
            bad = [line for line in done.stdout.splitlines() if not line.startswith("ok")]
            return "\n".join(bad)[-800:] + done.stderr[-800:]
        skipped = re.findall(r"(?mi)^.*# skip\b.*|\bskipped: .*", done.stdout)
        return stage.Skips("\n".join(skipped)) if skipped else None


Plain = stage.a_class(Dbd, "Plain", names("mysql") + names("MariaDB"), "proxy")
