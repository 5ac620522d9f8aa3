"""The suite can fail: it notices every one-line break of the engine, and only breaks."""

from tests.mutate import BREAKS, Break, survivors


def test_every_break_is_noticed_and_the_whole_engine_is_not():
    whole = Break("nothing broken", "learners/base.py", "self.t += tau", "self.t += tau")
    assert survivors([*BREAKS, whole]) == ["nothing broken"]
