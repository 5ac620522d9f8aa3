"""The suite can fail: it notices every one-line break, and only breaks. All of them: python -m tests.mutate."""

from tests.mutate import BREAKS, ROOT, Break, drawn, survivors

DRAWN = 20


def test_there_are_many_breaks_in_every_room_and_each_has_its_line():
    rooms = {b.file.split("/")[0] for b in BREAKS if "/" in b.file}
    assert rooms >= {"law", "learners", "runs", "records", "networks", "streams", "devices", "lab", "experiments"}
    assert len(BREAKS) >= 80 and len({b.name for b in BREAKS}) == len(BREAKS)
    assert [b.name for b in BREAKS if b.before not in (ROOT / "hlcore" / b.file).read_text()] == []
    for b in BREAKS:  # a break, not a syntax error, which anybody would notice
        compile((ROOT / "hlcore" / b.file).read_text().replace(b.before, b.after), b.file, "exec")
    files = {test.partition("::")[0] for b in BREAKS for test in b.by.split()}
    assert [file for file in files if not (ROOT / file).exists()] == []


def test_every_break_that_is_drawn_is_noticed_and_the_whole_engine_is_not():
    whole = Break("nothing broken", "learners/base.py", "self.t += tau", "self.t += tau")
    assert survivors([*drawn(DRAWN), whole]) == ["nothing broken"]
