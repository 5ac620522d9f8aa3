"""Labs in Japanese: the same code, no cell of words left out, none stale, none left over."""

from pathlib import Path

import nbformat
import pytest

from hlcore import HLError
from hlcore.lab import folder
from hlcore.lab.translation import translated, words_of
from hlcore.words import LANGUAGES

LABS = sorted((Path(__file__).parents[2] / "labs").glob("*.ipynb"))
SPOKEN = [(lab, words_of(lab, language)) for lab in LABS for language in LANGUAGES if words_of(lab, language).exists()]


def test_the_first_two_labs_speak_japanese_and_no_words_are_without_a_lab():
    assert [lab.stem for lab, _ in SPOKEN] == ["00_start_here", "01_gradient_descent"]
    assert {words for _, words in SPOKEN} == set((LABS[0].parent / "ja").iterdir())


@pytest.mark.parametrize(("lab", "words"), SPOKEN, ids=[words.stem for _, words in SPOKEN])
def test_the_words_are_those_of_the_cells_as_they_stand_over_the_same_code(lab, words):
    text, told = lab.read_text(encoding="utf-8"), words.read_text(encoding="utf-8")
    source, given = (nbformat.reads(x, as_version=4) for x in (text, translated(text, told)))
    nbformat.validate(given)
    for cell, other in zip(source.cells, given.cells, strict=True):
        assert cell.id == other.id and (cell.cell_type == "markdown" or cell == other)
        assert cell.cell_type == "code" or any("\u3041" <= x <= "\u9fff" for x in other.source)
        assert cell.source.count("```python\n") == other.source.count("```python\n")
        assert cell.source.count("$") == other.source.count("$"), "no formula is lost"
    first = next(cell for cell in source.cells if cell.cell_type == "markdown")
    with pytest.raises(HLError, match=f"translation of cell {first.id}"):  # stale
        translated(text.replace(first.source.splitlines()[0], "# Another title"), told)
    with pytest.raises(HLError, match="translation of cell"):  # missing
        translated(text, told[told.index("<!--", 9) :])
    with pytest.raises(HLError, match="words for x9"):  # left over
        translated(text, f"{told}\n<!-- x9 00000000 -->\nもう一つ\n")


def test_who_asks_for_japanese_gets_it_and_another_language_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("HL_LANG", "ja")
    folder.hand_out(tmp_path / "a")
    folder.hand_out(tmp_path / "b", solutions=False)
    for k, lab in enumerate(LABS):
        mine, student = ((tmp_path / at / lab.name).read_text(encoding="utf-8") for at in "ab")
        assert ("<summary>解答" in mine) is (k < 2) and (mine == lab.read_text(encoding="utf-8")) is (k >= 2)
        assert "<summary>解答" not in student and "<summary>Solution" not in student
    monkeypatch.setenv("HL_LANG", "xx")
    with pytest.raises(HLError, match="HL_LANG"):
        folder.hand_out(tmp_path / "c")
    assert not (tmp_path / "c").exists()
