"""Without a Chromium these tests are skipped, loudly; with HL_REQUIRE_BROWSER=1 they fail instead."""

import os

import pytest

from . import site

REASON = "NO CHROMIUM: the browser tests did not run. On Debian: apt install chromium"


@pytest.fixture(scope="session", autouse=True)
def _chromium():
    if site.chromium() is None:
        (pytest.fail if os.environ.get("HL_REQUIRE_BROWSER") == "1" else pytest.skip)(REASON)
