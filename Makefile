# One command for each verb, the same for people and for CI.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Two processes are dealt the files in this order; `tests/conftest.py` says what stays together.
TWO := -n 2 --dist loadfile --no-loadscope-reorder
TESTS := akid tests/architecture tests/unit tests/contracts tests/chaos tests/integration

# Without the compiled files each process of the suite would compile its tests anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: sweep test unit check format clean

sweep: $(READY)  ## train the example experiment and print its table
	$(BIN)/python -m akid.sweep experiments/digits_lenet/experiment.py

test: $(READY)  ## the whole test suite; what uses a GPU has it to itself
	$(BIN)/python -m pytest tests/gpu
	$(BIN)/python -m pytest $(TWO) $(TESTS)

unit: $(READY)  ## the tests that start neither a cluster nor a server
	$(BIN)/python -m pytest $(TWO) tests/unit

check: $(READY)  ## lint, formatting, types and the import arrows
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(READY): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "akid needs Python 3.11 or newer, got " + sys.version)'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	touch $@

clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
