"""Opens every page of the built book in a headless Chromium, from disk and without a network, and looks for faults.

``python book/check_pages.py [FOLDER]`` prints one line a page and ends with status 1 if any page has a fault:
console errors, requests to foreign hosts, broken links, anchors or images, images without alt text, mathematics that is
not typeset or holds an error, and text that sticks out at the width of a phone.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

from selenium import webdriver
from selenium.webdriver.chrome.service import Service

HERE = Path(__file__).parent
PHONE = {"width": 375, "height": 812, "deviceScaleFactor": 2, "mobile": True}
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--window-size=1400,1000",
    # No name resolves: what a page asks of a foreign host fails here as it does for a reader without a network.
    "--host-resolver-rules=MAP * ~NOTFOUND",
)
REFRESH = re.compile(r'http-equiv="refresh" content="\d+; *url=([^"]+)"', re.IGNORECASE)
# The theme for Python 3.10 preloads its icon font, refused on disk, and then loads it by style sheet all the same.
HARMLESS = re.compile(r"file:\S+\.woff2\b")
FOREIGN = ("http", "https", "ws", "wss", "ftp")


@dataclass
class Page:
    """What was seen on one page; ``links`` as (written, absolute)."""

    faults: list[str] = field(default_factory=list)
    anchors: set[str] = field(default_factory=set)
    links: list[tuple[str, str]] = field(default_factory=list)
    counts: str = ""


def browser_paths() -> tuple[str, str] | None:
    """Chromium and its driver, or None where either is not installed."""
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    driver = shutil.which("chromedriver")
    return (browser, driver) if browser and driver else None


def open_browser() -> webdriver.Chrome:
    """A headless Chromium that records its console and its network."""
    paths = browser_paths()
    if paths is None:
        raise RuntimeError("no Chromium here; on Debian: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = paths[0]
    for flag in FLAGS:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    browser = webdriver.Chrome(options=options, service=Service(paths[1]))
    browser.set_page_load_timeout(120)
    browser.set_script_timeout(120)
    return browser


def check(html: Path) -> dict[str, Page]:
    """Every page under ``html`` (path relative to it) with its faults."""
    html = html.resolve()
    pages: dict[str, Page] = {}
    browser = open_browser()
    try:
        for path in sorted(html.rglob("*.html")):
            name = path.relative_to(html).as_posix()
            if not name.startswith("_static/"):  # snippets of the theme
                pages[name] = _look(browser, path)
    finally:
        browser.quit()
    for page in pages.values():
        page.faults += [fault for link in page.links if (fault := _link_fault(html, pages, *link))]
    return pages


def _look(browser: webdriver.Chrome, path: Path) -> Page:
    if target := REFRESH.search(path.read_text(encoding="utf-8")):
        return Page(links=[(target[1], urljoin(path.as_uri(), target[1]))], counts=f"leads to {target[1]}")
    browser.get(path.as_uri())
    seen: dict[str, Any] = browser.execute_async_script((HERE / "check_pages.js").read_text(encoding="utf-8"))
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", PHONE)
    wide = browser.execute_script((HERE / "check_overflow.js").read_text(encoding="utf-8"))
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})

    console = [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    faults = [f"console: {message}" for message in console if not HARMLESS.search(message)]
    faults += [f"request to a foreign host: {url}" for url in sorted({*_requests(browser), *seen["foreignTags"]})]
    faults += [f"broken image: {src}" for src in seen["brokenImages"]]
    faults += [f"image without alt text: {src}" for src, alt in seen["images"] if not _describes(alt, src)]
    faults += [f"mathematics not typeset: {text}" for text in seen["unrendered"] + seen["rawMaths"]]
    faults += [f"error in mathematics: {text}" for text in seen["mathsErrors"]]
    faults += [f"wider than a phone: {element}" for element in wide]
    counts = f"{len(seen['links'])} links, {len(seen['images'])} images, {seen['formulas']} formulas"
    return Page(faults, set(seen["anchors"]), [(href, url) for href, url in seen["links"]], counts)


def _requests(browser: webdriver.Chrome) -> list[str]:
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    sent = [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]
    return [url for url in sent if urlsplit(url).scheme in FOREIGN]


def _describes(alt: str | None, src: str) -> bool:
    # Where no text is given, some tools write the file's name.
    return bool((alt or "").strip()) and Path(unquote(alt or "")).name != Path(unquote(src)).name


def _link_fault(html: Path, pages: dict[str, Page], href: str, url: str) -> str | None:
    parts = urlsplit(url)
    if parts.scheme != "file":
        return None
    target = Path(unquote(parts.path))
    if not target.is_relative_to(html):
        return f"link out of the book: {href}"
    if not target.is_file():
        return f"broken link: {href}"
    page = pages.get(target.relative_to(html).as_posix())
    if page and parts.fragment and unquote(parts.fragment) not in page.anchors:
        return f"broken link, no such anchor: {href}"
    return None


def main() -> int:
    html = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE.parent / "_build/html"
    if not (html / "index.html").is_file():
        print(f"{html}/index.html is missing; build the book first: make book", file=sys.stderr)
        return 2
    try:
        pages = check(html)
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 2
    for name, page in pages.items():
        print(f"{'FAIL' if page.faults else 'ok':4}  {name:48} {page.counts}")
        for fault in dict.fromkeys(page.faults):
            print(f"      {fault}")
    bad = sum(bool(page.faults) for page in pages.values())
    print(f"{len(pages)} pages, {bad} with faults")
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main())
