"""What the documents show runs as shown."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def blocks(file, language):
    return re.findall(rf"^```{language}\n(.*?)^```", (ROOT / file).read_text(), re.M | re.S)


@pytest.mark.parametrize("code", blocks("README.md", "python"))
def test_the_readme_runs(code):
    names = {}
    exec(code, names)
    data = names["recorder"].trajectory()
    assert len(data.time) == 2000
    assert float(data.loss[-300:].mean()) < 0.5 * float(data.loss[:300].mean()), "it learns"


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
