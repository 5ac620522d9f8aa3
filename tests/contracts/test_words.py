"""The catalogue of words: every id that a page says is there, in both languages; English as declared."""

import re

import pytest

from hlcore.law.settings import Settings
from hlcore.learners.learner import REGIMES
from hlcore.page.document import HERE
from hlcore.words import catalogue

CATALOGUE = catalogue()["page"]
SAID = re.compile(r"""(?:say\(|\b(?:word|label|tip): |button\()["`]([^"`$]+)["`]""")
NAMED = re.compile(r"\{\w+\}")


@pytest.mark.parametrize("script", sorted(HERE.glob("*.js")), ids=lambda p: p.stem)
def test_every_id_that_is_said_is_there(script):
    said = set(SAID.findall(script.read_text()))
    assert said <= set(CATALOGUE), said - set(CATALOGUE)


def test_every_id_has_both_languages_and_the_same_names_in_them():
    for name, texts in CATALOGUE.items():
        assert set(texts) == {"en", "ja"}, name
        assert all(texts.values()) or name.startswith("unit "), name
        assert set(NAMED.findall(texts["en"])) == set(NAMED.findall(texts["ja"])), name
    assert sum(texts["en"] != texts["ja"] for texts in CATALOGUE.values()) > 100


def test_the_english_words_are_those_of_the_declarations():
    for name, about in Settings.about().items():
        assert CATALOGUE[f"setting {name}"]["en"] == about.words and CATALOGUE[f"unit {name}"]["en"] == about.unit
        for text, choice in about.choices:
            assert CATALOGUE[f"choice {name} {choice}"]["en"] == text
    for kind, _, words in REGIMES:
        assert CATALOGUE[f"regime {kind}"]["en"] == kind and CATALOGUE[f"regime {kind} words"]["en"] == words


def test_no_word_is_left_over():
    scripts = "".join(p.read_text() for p in HERE.glob("*.js"))
    made = (
        "setting",
        "unit",
        "choice",
        "regime",
        "row",
        "quantity",
        "ask",
        "answer",
        "told",
        "preset",
        "speed",
        "tip",
        "window",
    )
    left = [name for name in CATALOGUE if f'"{name}"' not in scripts and name.split()[0] not in made]
    assert not set(left) - {"float64", "float32", "curves", "heat maps"}
