# Every target makes the virtual environment it needs, installs the package there, and does its work.
# make VENV=/elsewhere PYTHON=python3.12 PYTEST_ARGS="-k grid" test

PYTHON ?= python3
VENV ?= .venv
# Horovod needs an older TensorFlow, in a second environment
HOROVOD_VENV ?= .venv-horovod
PYTEST_ARGS ?=
WORKERS ?= 2
PART ?=
OUTPUT ?=

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq
PYTEST = $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal
# one test after the other, since each starts processes; the files are named to save collecting the others
PYTEST_HOROVOD = XR_DL4DS_HOROVOD=1 $(HOROVOD_VENV)/bin/python -m pytest -n 0 \
    $$(grep -rl --include='*.py' pytest.mark.horovod tests)
# what an installation depends on; make installs again where a stamp is older than these
PACKAGING := setup.cfg pyproject.toml
# ruff looks at what there is of these
SOURCES = $(wildcard xr_dl4ds tests examples benchmarks docs .ci)

.PHONY: help demo test test-slow test-full horovod test-horovod lint types contracts docstrings docs release-check format dev clean FORCE
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-13s %s\n", $$1, $$2}' Makefile

demo: $(VENV)/.base  ## downscale the sample data; OUTPUT=folder keeps what it writes there
	$(BIN)/xr-dl4ds demo $(if $(OUTPUT),--output "$(OUTPUT)")

test: $(VENV)/.test  ## run the first tier of tests in WORKERS processes; PYTEST_ARGS go to pytest
	$(PYTEST) $(PYTEST_ARGS)

test-slow: $(VENV)/.test  ## run the slow tests, or with PART=3/7 the third of seven parts of them
	$(PYTEST) -m "slow and not horovod" $(if $(PART),--part $(PART)) $(PYTEST_ARGS)

test-full: $(VENV)/.test  ## run whole matrices, and the property tests with 200 examples each
	$(PYTEST) -m "full or hypothesis" --hypothesis-profile=full $(PYTEST_ARGS)

horovod: $(HOROVOD_VENV)/.horovod  ## install Horovod in the environment HOROVOD_VENV, with your HOROVOD_* variables

test-horovod: $(HOROVOD_VENV)/.horovod  ## run the tests that need Horovod; PART=3/7 takes a part of the slow ones, PART=none none
	$(PYTEST_HOROVOD) -m "horovod$(if $(PART), and not slow)" $(PYTEST_ARGS)
	$(if $(filter-out none,$(PART)),$(PYTEST_HOROVOD) -m "horovod and slow" --part $(PART) $(PYTEST_ARGS))

lint: $(VENV)/.dev  ## ruff: rules and format
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)

types: $(VENV)/.dev  ## mypy
	$(BIN)/mypy

contracts: $(VENV)/.dev  ## import-linter: the layers of the package
	$(BIN)/lint-imports --config setup.cfg

docstrings: $(VENV)/.dev  ## numpydoc: parameters and returns against the signatures
	$(BIN)/numpydoc lint $$(find xr_dl4ds -name '*.py')

release-check:  ## build the distributions in dist, check them, and import the wheel in an empty environment
	$(PYTHON) .ci/alone.py setup.cfg $(PYTHON) .ci/release_check.py

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

# Each environment has a stamp for each set of packages in it. Two makes must not install at the same
# time, since pip and setuptools write to the environment and to this folder: a make that has to
# install waits for the other one, and then looks at the stamps again (LOCKED).
STAMPS := $(addprefix $(VENV)/,.created .base .test .docs .dev)
STAMPS_HOROVOD := $(addprefix $(HOROVOD_VENV)/,.created .horovod)

$(filter-out %.created,$(STAMPS) $(STAMPS_HOROVOD)): $(PACKAGING)
# Variables that say how to build Horovod are looked at, however new the stamp is.
$(HOROVOD_VENV)/.horovod: .ci/build_horovod.py \
    $(if $(filter-out HOROVOD_VENV,$(filter HOROVOD_%,$(.VARIABLES))),FORCE)

ifndef LOCKED

$(sort $(STAMPS) $(STAMPS_HOROVOD)):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "xr_dl4ds needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) --version 2>&1)." >&2; \
	    echo "Name another one: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) .ci/alone.py $(if $(filter $(STAMPS_HOROVOD),$@),.ci/build_horovod.py,setup.cfg) \
	    $(MAKE) --no-print-directory LOCKED=1 "$@"

else

# what Horovod's build needs and does not find is reported before anything is downloaded
$(sort $(VENV)/.created $(HOROVOD_VENV)/.created):
	@$(if $(filter $(HOROVOD_VENV)/.created,$@),$(PYTHON) .ci/build_horovod.py check)
	@echo "making the environment $(@D) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv --clear "$(@D)"
	@touch $@

$(VENV)/.base: $(VENV)/.created
	@echo "installing xr_dl4ds in $(VENV)"
	@$(PIP) install --editable .
	@touch $@

$(VENV)/.test $(VENV)/.docs: $(VENV)/.%: $(VENV)/.created
	@echo "installing xr_dl4ds[$*] in $(VENV)"
	@$(PIP) install --editable ".[$*]"
	@touch $@

$(VENV)/.dev: $(VENV)/.created
	@echo "installing xr_dl4ds[dev,docs] in $(VENV)"
	@$(PIP) install --editable ".[dev,docs]"
	@touch $(addprefix $(VENV)/,.base .test .docs .dev)

$(HOROVOD_VENV)/.horovod: $(HOROVOD_VENV)/.created
	@echo "installing Horovod and xr_dl4ds[test] in $(HOROVOD_VENV)"
	@rm -f $@
	@$(HOROVOD_VENV)/bin/python .ci/build_horovod.py install
	@touch $@

endif
