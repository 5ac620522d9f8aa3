"""The grid: it runs, resumes, writes its page; its cells are the paper's; its identity can fail."""

import numpy as np
import pytest

from hlcore import HLError, experiments, streams
from hlcore.studies.paper_grid.__main__ import main
from hlcore.studies.paper_grid.cells import CASES, MODELS, Cell, cells
from hlcore.studies.paper_grid.training import run


def test_the_cells_are_the_papers():
    usual = [c for c in cells() if not c.model.startswith("imdb")]
    assert len(usual) == 4 * (4 * 3 + 2 * 4) and set(CASES) == {"GD-a", "GD-b", "Mom-a", "Mom-b"}
    assert {(m, MODELS[m].epochs) for m in ("linear", "mlp", "resnet", "vit", "rnn")} == {
        ("linear", 40), ("mlp", 40), ("resnet", 40), ("vit", 40), ("rnn", 80)}  # fmt: skip


@pytest.mark.parametrize("model", ["mlp", "resnet", "vit", "rnn", "lstm"])
def test_every_form_ends_at_the_weights_of_sgd(model):
    sgd = run(Cell(model, "Mom-b", "sgd"), epochs=1)
    assert np.abs(sgd.weights - sgd.start).max() > 1e-3
    for learner in ("output", "state", *(("state-output",) if MODELS[model].recurrent else ())):
        hl = run(Cell(model, "Mom-b", learner), epochs=1)
        assert np.abs(hl.weights - sgd.weights).max() <= 1e-12
        assert np.array_equal(hl.start, sgd.start)
    other = run(Cell(model, "Mom-a", "output"), epochs=1)
    assert np.abs(other.weights - sgd.weights).max() > 1e-6


def test_it_resumes_and_writes_the_page(tmp_path):
    options = ["--models", "linear", "--epochs", "1", "--out", str(tmp_path), "--results", str(tmp_path / "r")]
    assert main(options) == 0
    files = sorted((tmp_path / "r").glob("*.npz"))
    assert len(files) == 12
    page = (tmp_path / "gradient-learning.md").read_text()
    assert page.count("| Linear | Mom-a |") == 3 and "python -m hlcore.grid" in page
    files[0].unlink()
    before = {f: f.stat().st_mtime_ns for f in files[1:]}
    assert main(options) == 0
    assert files[0].exists() and all(f.stat().st_mtime_ns == t for f, t in before.items())
    assert (tmp_path / "gradient-learning.md").read_text() == page, "the same bits again"


@pytest.mark.parametrize("options", [["--models", "lenet"], ["--epochs", "0"]])
def test_a_bad_grid_is_told(options, capsys):
    assert main(options) == 1
    assert capsys.readouterr().err.startswith("error: ")


def test_imdb_is_read_from_its_files_and_missed_with_a_word(tmp_path, monkeypatch):
    for label, words in (("neg", "bad film !"), ("pos", "good film ?")):
        folder = tmp_path / "aclImdb" / "train" / label
        folder.mkdir(parents=True)
        for k in range(3):
            (folder / f"{k}_1.txt").write_text(words + " unheardof")
    lines = [
        f"{word} " + " ".join(str(i + k) for k in range(50)) for i, word in enumerate(["bad", "good", "film", "!", "?"])
    ]
    (tmp_path / "glove.6B.50d.txt").write_text("\n".join(lines))
    stream = streams.imdb(reviews=6, folder=tmp_path)
    shapes = {tuple(stream[k].u.shape) for k in range(6)}
    assert shapes == {(1, 3, 50)} and sorted(int(stream[k].target) for k in range(6)) == [0, 0, 0, 1, 1, 1]
    with pytest.raises(HLError, match="at least 10"):
        streams.imdb(reviews=20, folder=tmp_path)

    def no_network(*_):
        raise OSError("no route")

    monkeypatch.setattr("urllib.request.urlretrieve", no_network)
    with pytest.raises(HLError, match="no network"):
        streams.imdb(folder=tmp_path / "elsewhere")
    assert "imdb-rnn" not in experiments.names()


def test_vowels_are_the_known_ones():
    stream = streams.vowels(epochs=1)
    samples = list(stream)
    assert len(samples) == 270
    lengths = [s.u.shape[1] for s in samples]
    assert (min(lengths), max(lengths)) == (7, 26) and {s.u.shape[2] for s in samples} == {12}
    assert sorted(int(s.target) for s in samples) == sorted(list(range(9)) * 30)
