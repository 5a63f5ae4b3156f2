"""Suites that their authors keep beside a driver and in no package: a checkout of each, in the folder that XAPROXY_SUITES names,
or cloned once. Which of their tests run, and how, is their own suites' business."""
import os
import shutil
import subprocess

import debian_source

SUITES = os.environ.get("XAPROXY_SUITES")


def fetch(name, url, tag):
    """The folder of a checkout, and None or a reason why it cannot be had."""
    if SUITES and os.path.isdir(os.path.join(SUITES, name)):
        return os.path.join(SUITES, name), None
    folder = debian_source.folder(name)
    with debian_source.alone(folder):
        return folder, None if os.path.isdir(folder) else clone(name, url, tag, folder)


def clone(name, url, tag, folder):
    """None, or a reason why not; then nothing is left of it."""
    if not shutil.which("git"):
        return "git is needed"
    part = folder + ".part"
    shutil.rmtree(part, ignore_errors=True)
    done = subprocess.run(["git", "clone", "-q", "--depth", "1", "--branch", tag, url, part], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=300, check=False,
                          env={**os.environ, "GIT_TERMINAL_PROMPT": "0"})
    if done.returncode:
        return f"no checkout of {url} {tag} (XAPROXY_SUITES names a folder with one, {name}): {done.stderr.strip()[-200:]}"
    os.rename(part, folder)
    return None


def fetch_node(name, url, tag):
    """The same with the modules that it needs, from npm."""
    if not (shutil.which("node") and shutil.which("npm")):
        return None, "not installed: nodejs npm"
    folder, missing = fetch(name, url, tag)
    if missing:
        return folder, missing
    with debian_source.alone(folder):
        return folder, None if os.path.isdir(os.path.join(folder, "node_modules")) else install_modules(folder)


def install_modules(folder):
    """None, or a reason why not; then none of them is left, which would be taken for all."""
    npm = ["npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
    done = subprocess.run(npm, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600, check=False)
    if done.returncode == 0:
        return None
    shutil.rmtree(os.path.join(folder, "node_modules"), ignore_errors=True)
    return f"npm: {done.stderr.strip()[-300:]}"
