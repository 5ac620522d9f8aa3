# The three commands: make lab, make test, make env. Everything lives in .venv beside this file.
VENV   ?= .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
PORT   ?= 8888
PIP_ARGS ?= $(if $(wildcard wheelhouse/*.whl),--no-index --find-links wheelhouse)
SPACES := $(VENV)/jupyterlab-workspaces
# no question about news, the sidebar folded in: from this project's folder; your own settings of JupyterLab go before these
SHOW   := --LabApp.app_settings_dir=$(CURDIR)/.jupyterlab --LabApp.workspaces_dir=$(SPACES)

SLOW   := tests/notebooks tests/browser tests/benchmarks tests/lab/test_kernel.py tests/lab/test_fleet.py \
          tests/lab/test_commands.py tests/lab/test_autosave.py tests/contracts/test_mutations.py \
          tests/contracts/test_files.py tests/contracts/test_surface.py $(wildcard tests/contracts/test_device*.py) \
          tests/contracts/test_two_hosts.py tests/contracts/test_project.py tests/contracts/test_grid.py \
          tests/contracts/test_school.py tests/identities/test_T8_devices.py

# files go to the workers in the order of tests/conftest.py; a test that hangs is not run again and again
SHARED := --dist loadfile --no-loadscope-reorder --max-worker-restart=0

.PHONY: lab test test-fast env check class wheelhouse docs clean

lab: env  ## open the first lab in the browser
	@echo "Opening the lab; stop it with Ctrl-C twice."
	@mkdir -p $(SPACES) && cp -n .jupyterlab/workspace.json $(SPACES)/default-37a8.jupyterlab-workspace || true
	@$(BIN)/jupyter lab --ip=127.0.0.1 --port=$(PORT) $(SHOW) $(LAB_ARGS) labs/00_start_here.ipynb

test-fast: env  ## for the loop of daily work: no notebooks, browsers, processes, mutations
	@$(BIN)/python -m pytest -n 2 $(SHARED) -m "not slow" $(addprefix --ignore=,$(SLOW)) $(TEST_ARGS)

test: env  ## every test and every lab as a regression test, three files at a time
	@$(BIN)/python -m pytest -n 3 $(SHARED) $(TEST_ARGS)

env: $(READY)  ## create .venv and install what is needed (once)

$(READY): pyproject.toml constraints.txt
	@python=$$(for p in "$(PYTHON)" python3 python3.14 python3.13 python3.12 python3.11 python; do \
	    [ -n "$$p" ] && command -v $$p >/dev/null 2>&1 \
	    && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done); \
	 [ -n "$$python" ] || { echo "No Python 3.11 or newer was found. Install one from python.org, or name it: make env PYTHON=/path/to/python"; exit 1; }; \
	 echo "1/3  $$($$python --version): creating $(VENV)"; \
	 [ -x $(BIN)/python ] || $$python -m venv $(VENV) || { echo "Python's venv module is missing. On Debian or Ubuntu: sudo apt install python3-venv"; exit 1; }
	@echo "2/3  Installing the tested versions (about 1.5 GB on disk, one to five minutes)"
	@$(BIN)/python -m pip install --disable-pip-version-check $(PIP_ARGS) -c constraints.txt -e '.[lab,test]' \
	 || { echo; echo "The installation stopped. Is the network up? Run the same command again: what was downloaded is kept."; \
	      echo "Behind a proxy or with a mirror: set PIP_INDEX_URL. Without a GPU: README, 'A smaller torch'."; exit 1; }
	@echo "3/3  Checking"
	@$(BIN)/python -c 'import hlcore; print("     hlcore", hlcore.__version__, "is ready")'
	@touch $(READY)

class: env  ## the labs without solutions, in CLASS (a folder to hand out)
	@$(BIN)/python -m hlcore class --out $(or $(CLASS),class)

wheelhouse: env  ## everything that `make env` installs, in one folder for a stick: beside it, `make env` needs no network
	@$(BIN)/python -m pip wheel --disable-pip-version-check $(PIP_ARGS) -c constraints.txt -w wheelhouse \
	 'hatchling>=1.25' 'editables>=0.5' '.[lab,test]'
	@du -sh wheelhouse

docs: env  ## the docs site in docs/_build/html, its inner links checked; HL_DOCS_EXECUTE=force runs the labs
	@$(BIN)/python -m tests.api_page
	@$(BIN)/python -m pip install -q 'sphinx>=8,<10' 'myst-nb>=1.4,<2' 'sphinx-book-theme>=1.1,<2'
	@HL_DOCS_EXECUTE=$(or $(HL_DOCS_EXECUTE),off) $(BIN)/python -m sphinx -c docs -b html -q -W --keep-going . docs/_build/html && echo "open docs/_build/html/docs/index.html"

check: env  ## style and types, as the tests check them too
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

clean:  ## remove .venv
	@rm -rf $(VENV)
