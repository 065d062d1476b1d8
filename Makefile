# `make demo` and `make test` start from nothing: they make a virtual environment, install, and do their work.
# make VENV=/elsewhere PYTHON=python3.12 PYTEST_ARGS="-m 'not slow'" test

PYTHON ?= python3
VENV ?= .venv
# Horovod wants a TensorFlow of its own
HOROVOD_VENV ?= .venv-horovod
PYTEST_ARGS ?=
WORKERS ?= 2
OUTPUT ?=

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq
# what an installation depends on; a stamp older than these is made anew
PACKAGING := setup.cfg pyproject.toml
# ruff looks at what there is of these
SOURCES = $(wildcard xr_dl4ds tests examples benchmarks docs .ci)

.PHONY: help demo test horovod test-horovod lint types contracts docstrings docs format dev clean FORCE
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:

help:  ## show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | awk -F '\t' '{printf "make %-13s %s\n", $$1, $$2}'

demo: $(VENV)/.base  ## downscale the sample data; OUTPUT=folder keeps what it writes there
	$(BIN)/xr-dl4ds demo $(if $(OUTPUT),--output "$(OUTPUT)")

test: $(VENV)/.test  ## run the tests in WORKERS processes; PYTEST_ARGS are passed on
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile $(PYTEST_ARGS)

horovod: $(HOROVOD_VENV)/.horovod  ## build Horovod in HOROVOD_VENV, its own environment; its HOROVOD_* variables win

test-horovod: $(HOROVOD_VENV)/.horovod  ## run the tests that need Horovod, there
	XR_DL4DS_HOROVOD=1 $(HOROVOD_VENV)/bin/python -m pytest -m horovod -n 0 $(PYTEST_ARGS)

lint: $(VENV)/.dev  ## ruff: rules and format
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)

types: $(VENV)/.dev  ## mypy
	$(BIN)/mypy

contracts: $(VENV)/.dev  ## import-linter: the layers of the package
	$(BIN)/lint-imports --config setup.cfg

docstrings: $(VENV)/.dev  ## numpydoc: parameters and returns against the signatures
	$(BIN)/numpydoc lint $$(find xr_dl4ds -name '*.py')

format: $(VENV)/.dev  ## ruff: put the format right, and what else can be put right safely
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

docs: $(VENV)/.docs  ## build the pages in docs/_build/html
	$(BIN)/python -m sphinx -q -W --keep-going docs docs/_build/html

dev: $(VENV)/.dev  ## install everything for development

clean:  ## remove the environments and everything built
	rm -rf "$(VENV)" "$(HOROVOD_VENV)" build dist *.egg-info docs/_build docs/generated xr_dl4ds_demo \
	    .pytest_cache .hypothesis .mypy_cache .ruff_cache .import_linter_cache
	find xr_dl4ds tests -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

# One environment, a stamp for each set of packages in it; and one for Horovod, for which what is
# missing is told before anything is downloaded.
$(sort $(VENV)/.created $(HOROVOD_VENV)/.created):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "xr_dl4ds needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) --version 2>&1)." >&2; \
	    echo "Name another one: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(if $(filter $(HOROVOD_VENV)/.created,$@),$(PYTHON) .ci/build_horovod.py check)
	@echo "making the environment $(@D) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv --clear "$(@D)"
	@touch $@

$(VENV)/.base: $(VENV)/.created $(PACKAGING)
	@echo "installing xr_dl4ds in $(VENV)"
	@$(PIP) install --editable .
	@touch $@

$(VENV)/.test $(VENV)/.dev $(VENV)/.docs: $(VENV)/.%: $(VENV)/.created $(PACKAGING)
	@echo "installing xr_dl4ds[$*] in $(VENV)"
	@$(PIP) install --editable ".[$*]"
	@touch $@

# A user who names what Horovod is built with wants that looked at, however new the stamp is.
$(HOROVOD_VENV)/.horovod: $(HOROVOD_VENV)/.created $(PACKAGING) .ci/build_horovod.py \
    $(if $(filter-out HOROVOD_VENV,$(filter HOROVOD_%,$(.VARIABLES))),FORCE)
	@echo "installing xr_dl4ds[test] and Horovod in $(HOROVOD_VENV)"
	@rm -f $@
	@$(HOROVOD_VENV)/bin/python .ci/build_horovod.py install
	@touch $@
