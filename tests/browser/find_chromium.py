"""Find the Chromium or Chrome that drives the browser tests, and install it where that is ours to do.

    python tests/browser/find_chromium.py [--install]

prints the path. The variable CHROMIUM goes before everything else.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
PLACES = (
    "/usr/bin/chromium",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)
MISSING = (
    "The browser tests need Chromium or Chrome: install one, or set CHROMIUM to its path "
    "(all other tests: .venv/bin/python -m pytest -m 'not browser')"
)


def find_chromium() -> str | None:
    """The path of an installed Chromium or Chrome, or None."""
    if chosen := os.environ.get("CHROMIUM"):
        return shutil.which(chosen)
    candidates = (shutil.which(name) for name in (*NAMES, *PLACES))
    return next((path for path in candidates if path), None)


def may_install() -> bool:
    """Whether this is root on Debian; Ubuntu's package of that name only points to a snap."""
    release = Path("/etc/os-release")
    debian = release.exists() and "ID=debian" in release.read_text().splitlines()
    return debian and os.geteuid() == 0


def install_chromium() -> None:
    """Install Debian's Chromium; what apt-get says goes to stderr."""
    for command in (["update"], ["install", "-y", "--no-install-recommends", "chromium"]):
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(["apt-get", *command], check=True, stdout=sys.stderr, env=environment)


if __name__ == "__main__":
    if "--install" in sys.argv and not find_chromium() and not os.environ.get("CHROMIUM") and may_install():
        install_chromium()
    print(find_chromium() or sys.exit(MISSING))
