"""The suite can fail: it notices every one-line break, and only breaks. All of them: python -m tests.mutate."""

from tests import mutate
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
    whole = Break(
        "nothing broken", "learners/base.py", "self.t += tau", "self.t += tau", by="tests/identities/test_reference.py"
    )
    assert survivors([*drawn(DRAWN), whole]) == ["nothing broken"]


def test_a_break_that_hangs_is_noticed_and_told(tmp_path, monkeypatch, capsys):
    """After its last test too, and by a process that it left, which holds the output open."""
    (tmp_path / "test_a.py").write_text(
        "import subprocess, threading, time\n\n\n"
        "def test_leaves():\n"
        "    threading.Thread(target=time.sleep, args=(1e6,)).start()\n"
        "    subprocess.Popen(['sleep', '1000'])\n"
    )
    monkeypatch.setattr(mutate, "HANGS", 5)
    code, said = mutate.judged(tmp_path, ["test_a.py"])
    assert code == 1 and "1 passed" in said and "hung for 5 s" in capsys.readouterr().out
