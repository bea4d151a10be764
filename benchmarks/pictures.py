"""Makes the pictures of README.md from the run of `make demo`: its report, and the page of `serve`.

    make demo && .venv/bin/python benchmarks/pictures.py
    .venv/bin/python benchmarks/pictures.py --all bench-work/pictures   # phone width and dark, too

Needs playwright, which `make test` installs, and Debian's packages chromium and fonts-noto-core.
"""

import argparse
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

HERE = Path(__file__).parents[1]
PROMPT = "Le renard et la tortue"
SECONDS = 60
"""How long the server may take to load the model, and the page to write."""
WIDTHS, SCHEMES = {"1280": 800, "390": 844}, ("light", "dark")
"""Heights by width, in pixels; colour schemes."""


@contextmanager
def server(model: Path) -> Generator[str]:
    """The address of `endonym serve`, with a model."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "endonym", "serve", str(model), "--port", str(port), "-q"]
    with subprocess.Popen(command) as process:
        try:
            address, end = f"http://127.0.0.1:{port}", time.monotonic() + SECONDS
            while not answers(f"{address}/health"):
                if process.poll() is not None or time.monotonic() > end:
                    sys.exit(f"the server gave no answer: {' '.join(command)}")
                time.sleep(0.2)
            yield address
        finally:
            process.terminate()


def answers(url: str) -> bool:
    """Whether a server answers there."""
    try:
        with urllib.request.urlopen(url, timeout=1) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def picture(browser: Any, url: str, out: Path, *, width: str, scheme: str) -> None:
    """Write the first screen of a page; the page of the server first continues a text."""
    size = {"width": int(width), "height": WIDTHS[width]}
    page = browser.new_page(viewport=size, color_scheme=scheme)
    page.goto(url)
    if url.startswith("http:"):
        page.wait_for_selector("#model option", state="attached")
        page.fill("#prompt", PROMPT)
        page.evaluate("document.querySelector('#sampling').open = false")
        page.evaluate("document.querySelector('#seed').value = 1")
        page.evaluate("document.querySelector('#temperature').value = 0.3")
        page.click("#go")
        page.wait_for_selector("#go:not([disabled])", timeout=SECONDS * 1000)
    page.screenshot(path=out)
    page.close()


def main() -> None:
    """Make the pictures of README.md, or all widths and colour schemes in another folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--run", type=Path, default=HERE / "demo/runs/demo-french", help="a run's folder"
    )
    parser.add_argument("--all", type=Path, metavar="FOLDER", help="all widths and colour schemes")
    given = parser.parse_args()
    report = given.run / "report.html"
    if not report.is_file():
        sys.exit(f"there is no report in {given.run}: run `make demo` first, or give --run")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    out = given.all or HERE / "docs/pictures"
    out.mkdir(parents=True, exist_ok=True)
    pages = {"report": report.absolute().as_uri()}
    with server(given.run) as address, sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        pages["page"] = address
        for name, url in pages.items():
            for width in WIDTHS if given.all else ("1280",):
                for scheme in SCHEMES if given.all else ("light",):
                    file = out / f"{name}{f'-{width}-{scheme}' if given.all else ''}.png"
                    picture(browser, url, file, width=width, scheme=scheme)
                    print(file)
        browser.close()


if __name__ == "__main__":
    main()
