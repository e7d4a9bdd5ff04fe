# Everything from a fresh clone; needs make and Python >= 3.10. `make help` lists what can be asked for.

PYTHON ?= python3
VENV ?= .venv
# Passed to pip; for a small torch without CUDA on Linux:
#   make book PIP_FLAGS="--extra-index-url https://download.pytorch.org/whl/cpu"
PIP_FLAGS ?=
# Passed to pytest, e.g. make test PYTEST="-k ledger"; here, side by side on up to four cores
PYTEST ?= -n auto --maxprocesses 4 --dist loadfile

BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --disable-pip-version-check $(PIP_FLAGS) -c constraints.txt
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help book test notebooks handout check-pages clean distclean

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*  ## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 22

book: $(VENV)/.book  ## install, train and attack live on the digits, write _build/html/index.html
	@$(BIN)/python book/build.py

test: $(VENV)/.dev  ## install, then ruff, mypy and the whole test suite
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy book/*.py
	$(BIN)/pytest $(PYTEST)

notebooks: $(VENV)/.book  ## write the .ipynb of every notebook whose .py has changed
	@$(BIN)/python book/notebooks.py

handout: $(VENV)/.book  ## write the notebooks without the solutions of their exercises to _build/handout
	@$(BIN)/python book/handout.py

check-pages: $(VENV)/.dev  ## open every page of the built book in a headless Chromium
	@$(BIN)/python book/check_pages.py

clean:  ## remove the built book and the tools' caches
	rm -rf _build .mypy_cache .pytest_cache .ruff_cache

distclean: clean  ## remove the environment too; data/ stays
	@test ! -f $(VENV)/pyvenv.cfg || rm -rf $(VENV)

# Stamps: an installation is repeated when what it was made from has changed.
$(VENV)/.book: pyproject.toml constraints.txt | $(VENV)/bin/pip
	@echo "installing the book's packages into $(VENV); the first time this downloads a few hundred MB"
	$(INSTALL) -e '.[book,attacks]'
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(VENV)/bin/pip
	@echo "installing the packages for the tests into $(VENV); the first time this downloads a few hundred MB"
	$(INSTALL) -e '.[book,attacks,dev,cluster]'
	# A peer to compare with. It pins an ancient requests, which it does not need to attack.
	$(INSTALL) --no-deps torchattacks==3.5.1
	@touch $@ $(VENV)/.book

$(VENV)/bin/pip:
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) was not found; name one: make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	  { echo "$$($(PYTHON) --version 2>&1) is too old, 3.10 or newer is needed: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "$(PYTHON) cannot make virtual environments; on Debian: apt-get install python3-venv" >&2; exit 1; }
	@echo "making a virtual environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV)
