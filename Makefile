PYTHON ?= python3
BIN := .venv/bin
BENCH ?=
# one BLAS thread a process: results do not depend on the machine, and test workers do not fight
export OPENBLAS_NUM_THREADS ?= 1
export OMP_NUM_THREADS ?= 1

.PHONY: run test test-slow docs-tables lint bench lock clean

run: .venv/ready
	$(BIN)/regsi run

test: .venv/ready
	$(BIN)/pytest -n 2 --dist worksteal

test-slow: .venv/ready
	$(BIN)/pytest -n 2 --dist worksteal -m slow

# the tables of the documentation, from the reference tests and the records of the last `make test-slow`
docs-tables: .venv/ready
	@test -d "$${REGSI_REALDATA:-../shared/realdata}" || { echo "error: REGSI_REALDATA: no folder of publishers' files, so most references cannot be compared; name it" >&2; exit 2; }
	rm -rf var/reference
	REGSI_REFERENCE=var/reference $(BIN)/pytest -n 2 --dist worksteal tests/reference
	REGSI_REFERENCE=var/reference $(BIN)/python -m tests.reference_record docs/reference-values.md
	$(BIN)/python -m tests.simulation_record docs/coverage.md

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: .venv/ready
	$(BIN)/python -m tests.bench $(BENCH)

.venv/ready: requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch .venv/ready

lock:
	uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header --quiet -o requirements.lock

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
