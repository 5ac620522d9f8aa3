"""Every panel that a test opens is closed after it."""

import pytest

from hlcore.lab import panels


@pytest.fixture(autouse=True)
def _closed():
    yield
    for panel in panels():
        panel.close()
