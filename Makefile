# Everything a fresh machine with Python 3.11+ (venv included) and make needs: `make demo`, `make test`.
PYTHON ?= python3
BIN := .venv/bin
# Small matrices: threads of linear algebra would only wait for one another.
export OPENBLAS_NUM_THREADS ?= 1
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: demo test check lock clean

demo: .venv/run.stamp
	$(BIN)/hashpivot run difficulty_rotation

test: .venv/test.stamp
	$(BIN)/python -m pytest

check: .venv/test.stamp
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

# Exact versions with hashes: requirements.txt to run, requirements-test.txt to test.
.venv/run.stamp: requirements.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "hashpivot needs Python 3.11 or newer, found %d.%d; call make PYTHON=python3.11" % sys.version_info[:2])'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(PIP) install --require-hashes --no-deps --requirement requirements.txt
	$(PIP) install --no-deps --no-build-isolation --editable .
	$(BIN)/python -m compileall -q toolkit strategies
	touch $@

.venv/test.stamp: requirements-test.txt .venv/run.stamp
	$(PIP) install --require-hashes --no-deps --requirement requirements-test.txt
	touch $@

# Needs uv on the path.
lock:
	uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --python-version 3.11 --extra build pyproject.toml --output-file requirements.txt
	uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --python-version 3.11 --extra build --extra test --constraint requirements.txt pyproject.toml --output-file requirements-test.txt

clean:
	rm -rf .venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
