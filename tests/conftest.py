"""What all tests share: float64, one thread, and a generator that no test inherits from another."""

import os
import sys

import pytest
import torch

from . import slow

# small tensors only wait for a second thread; where both cores are busy that wait takes ten times as long as the work
torch.set_num_threads(1)  # for what is made once for several tests, too
os.environ.setdefault("OMP_NUM_THREADS", "1")  # and in processes that tests start


def pytest_collection_modifyitems(config, items):
    """Mark those that take long: `make test-fast` leaves them out. Workers get the longest files first."""
    listed, files = slow.listed(), slow.of_files()
    for item in items:
        if item.nodeid.partition("[")[0] in listed:
            item.add_marker(pytest.mark.slow)
    if hasattr(config, "workerinput"):  # of several that share the files; none is then left alone with a long one
        items.sort(key=lambda item: -files.get(item.nodeid.partition("::")[0], 0.0))


@pytest.fixture(autouse=True)
def _exact():
    before, threads = torch.get_default_dtype(), torch.get_num_threads()
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_default_dtype(before)
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True)
def _nothing_is_left_open():
    """A panel is its page's until it is closed: each would keep its record and snapshots, 36 MB or more."""
    yield
    lab = sys.modules.get("hlcore.lab.jupyter")
    for panel in lab.panels() if lab else ():
        panel.close()
