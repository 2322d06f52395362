"""A real browser for tests of pages, where there is one."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def find_chromium() -> str | None:
    """HCSC_CHROMIUM, or a Chromium on the PATH."""
    return os.environ.get("HCSC_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


def _missing() -> str:
    if importlib.util.find_spec("playwright") is None:
        return "playwright is not installed: pip install -r requirements/dev.txt"
    if find_chromium() is None:
        return "no Chromium on the PATH: install it, or set HCSC_CHROMIUM to its path"
    return ""


needs_browser = pytest.mark.skipif(bool(_missing()), reason=f"the page is not tested: {_missing()}")


@contextmanager
def chromium() -> Iterator:
    """A browser of Playwright's, headless."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=find_chromium(), args=list(_FLAGS), headless=True
        )
        try:
            yield browser
        finally:
            browser.close()
