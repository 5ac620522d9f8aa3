"""What the documents show runs as shown."""

import re
from pathlib import Path

import pytest
import torch

import hlcore
from tests import api_page

ROOT = Path(__file__).parents[2]


def blocks(file, language):
    return re.findall(rf"^```{language}\n(.*?)^```", (ROOT / file).read_text(), re.M | re.S)


def test_the_readme_runs():
    names = {}
    exec(blocks("README.md", "python")[0], names)
    data = names["recorder"].trajectory()
    assert len(data.time) == 2000
    assert float(data.loss[-300:].mean()) < 0.5 * float(data.loss[:300].mean()), "it learns"


@pytest.mark.parametrize("code", blocks("README.md", "python")[1:], ids=["torch", "river", "sklearn"])
def test_the_doors_of_the_readme_open_in_five_lines(code):
    assert len(code.splitlines()) == 5
    torch.manual_seed(0)
    names = {
        "hlcore": hlcore,
        "torch": torch,
        "model": torch.nn.Linear(2, 1),
        "u": torch.ones(1, 2),
        "target": torch.ones(1, 1),
        "rows": [({"a": float(k % 7)}, 0.1 * (k % 7)) for k in range(300)],
        "X": [[float(k), float(k % 3)] for k in range(60)],
        "labels": [k // 30 for k in range(60)],
    }
    before = names["model"].weight.detach().clone()
    exec(code, names)
    if "optimizer" in names:
        assert not torch.equal(names["model"].weight, before)
    elif "mae" in names:
        assert 0 < names["mae"].get() < 0.15
    else:
        assert names["model"].score(names["X"], names["labels"]) > 0.9


def test_the_api_page_is_that_of_the_docstrings():
    assert (ROOT / "docs" / "api.md").read_text(encoding="utf-8") == api_page.page(), "python -m tests.api_page"


def test_links_lead_somewhere():
    for file in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]:
        for target in re.findall(r"\]\(([^)#]+)\)", file.read_text()):
            if "://" not in target:
                assert (file.parent / target).exists(), f"{file.name}: {target}"


def test_nothing_speaks_of_a_machine():
    committed = [p for p in ROOT.rglob("*") if p.suffix in {".py", ".md", ".ipynb", ".toml", ".yml", ".cff", ".txt"}]
    places = re.compile(r"/(home|root|work|tmp)/\w")
    for file in committed:
        if not {".venv", ".git", "node_modules"} & set(file.relative_to(ROOT).parts):
            assert not places.search(file.read_text()), file


def test_the_citation_names_the_paper():
    import yaml

    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert "Unified Framework" in citation["preferred-citation"]["title"]
    assert citation["preferred-citation"]["authors"][0]["family-names"] == "Melacci"
