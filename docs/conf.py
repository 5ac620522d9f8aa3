"""The docs site: `make docs` writes docs/_build/html from README, docs, labs and the API's docstrings."""

import os

import hlcore

project, author = "A laboratory for Hamiltonian Learning over time", "The Hamiltonian Learning Lab developers"
copyright, release = author, hlcore.__version__
extensions = ["myst_nb"]
root_doc = "docs/index"  # the source is the repository
include_patterns = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/*.md", "labs/*.ipynb"]
myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors = 3
nb_execution_mode = os.environ.get("HL_DOCS_EXECUTE", "off")  # "force": all labs are run, some minutes
nb_execution_timeout, nb_execution_raise_on_error = 300, True
nb_mime_priority_overrides = [("html", "application/vnd.jupyter.widget-view+json", None)]  # a panel needs a kernel
html_theme, html_title = "sphinx_book_theme", "Hamiltonian Learning over time"
html_theme_options = {"show_toc_level": 2, "navbar_persistent": []}
html_static_path, html_css_files = ["site.css"], ["site.css"]
linkcheck_ignore = [r"https?://(127\.0\.0\.1|localhost|HUB)"]
