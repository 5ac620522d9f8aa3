"""A panel does what a small model says, whatever is asked from two threads at once; the model can be wrong."""

import pytest

from hlcore.lab.loop import LiveLoop
from tests.lab.commands import seeds


def test_random_commands_from_two_threads():
    seeds(2, 10)


def test_a_panel_that_forgets_a_press_is_noticed(monkeypatch):
    post = LiveLoop.post

    def forgets(self, name, value=None):
        if value != 3:
            post(self, name, value)

    monkeypatch.setattr(LiveLoop, "post", forgets)
    with pytest.raises(AssertionError):
        seeds(3, 4)
