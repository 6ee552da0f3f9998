# Every task of the project is a verb here. `make help` lists them.
.DEFAULT_GOAL := help
SHELL := /bin/bash
CACHE := $(or $(COVET_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/covet)
BIN := .venv/bin
PY := $(BIN)/python
export CARGO_TARGET_DIR ?= $(CACHE)/cargo-target
# Without bytecode every worker, command and agent that tests start compiles anew all that it imports.
unexport PYTHONDONTWRITEBYTECODE
CARGO := cd rust-hasher && cargo
PYTEST := $(PY) -m pytest
PYTHON_CODE := operator tests benchmarks tools examples rust-hasher

.PHONY: help setup setup-demo check check-python check-rust test test-unit test-rust test-process build-ahead test-go test-cluster test-model test-long \
        coverage demo demo-down devcluster-up devcluster-down images generate settings-table bench nemesis fmt

help: ## list the verbs
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / { printf "  %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install what is missing: Debian packages, toolchains, uv, the wheels of the lock file
	@python3 tools/bootstrap.py

setup-demo: ## the part of it that the demo needs: no PostgreSQL, Prometheus or linters of Rust
	@python3 tools/bootstrap.py demo

check: setup check-python check-rust ## linters, types, floors, dead code, generated files

check-python:
	$(BIN)/ruff check $(PYTHON_CODE)
	$(BIN)/ruff format --check $(PYTHON_CODE)
	$(BIN)/mypy
	$(BIN)/stubtest covet_hasher
	$(BIN)/lint-imports --no-logo
	$(BIN)/vulture

check-rust:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings -W clippy::pedantic

test: ## every check and test; ends with the time each part took; FIGURES=1 keeps it in benchmarks/results
	@python3 -m tools.suite $(if $(FIGURES),--figures)

test-unit: setup ## pure code and adapters against fakes, with coverage
	$(PYTEST) tests/unit -q -m "not long" -n auto --dist worksteal

test-rust: setup ## the ring's own tests
	$(CARGO) test --locked --workspace --quiet

test-process: setup ## real agents and PostgreSQL as processes on loopback
	$(PYTEST) tests/e2e/process -q -m "process and not long" -n 2 --dist worksteal

build-ahead: setup ## compile Kubernetes and build the images, unless that was done before
	$(PY) -m tests.e2e.ahead

test-go: setup ## what enforces network policies in the three-node cluster; once per version of its sources
	$(PY) -m tests.e2e.ahead test

test-cluster: setup ## the promises on a real three-node Kubernetes
	$(PYTEST) tests/e2e -q -m "cluster and not long"

test-model: setup ## the election core: exhaustive model check and 20,000 simulated schedules
	$(PYTEST) tests/model -q -m "not long" -n auto --dist worksteal

test-long: setup ## what takes minutes: kills at random moments, side-by-side clusters, long fuzzing; K=words for some, FIGURES=1 keeps how they went
	$(PYTEST) tests -q -m long --timeout 1800 $(if $(K),-k '$(K)') $(if $(FIGURES),-p tools.longtests)

coverage: ## of the unit and process tiers together; below 85 % fails
	$(BIN)/coverage combine --quiet --keep --data-file=.coverage .coverage-parts/*
	$(BIN)/coverage report --data-file=.coverage --fail-under=85 --skip-covered

demo: setup-demo ## a sharded, replicated PostgreSQL on a real Kubernetes, from nothing to a table of results
	@$(PY) -m tools.demo up $(if $(FIGURES),--figures $(FIGURES))

demo-down: ## remove every trace of the demo
	@if [ -x $(PY) ]; then $(PY) -m tools.demo down; else echo "nothing was set up here"; fi

devcluster-up: setup-demo ## a three-node Kubernetes of our own, named dev
	@$(PY) -m tests.e2e.devcluster up --nodes 3

devcluster-down: ## stop it and leave no trace
	@if [ -x $(PY) ]; then $(PY) -m tests.e2e.devcluster down; else echo "nothing was set up here"; fi

images: setup-demo ## build the images; PUSH=registry pushes them and writes their digests into dist/images.yaml
	@python3 -m tools.images build $(if $(PUSH),--push $(PUSH))

generate: setup ## write CRDs, reference pages, alerts and dashboards from their sources
	$(PY) -m tools.generate

settings-table: setup ## write the table of server settings, asked of an installed PostgreSQL
	$(PY) -m tools.settings_table

bench: setup ## the benchmarks; results go to benchmarks/results
	$(PY) -m benchmarks

nemesis: setup ## break a real shard under load: TIER=process|cluster RUNS=10 FAULTS=all SEED=1 MINUTES=60, ONLY=run
	$(PY) -m benchmarks.nemesis $(if $(TIER),--tier $(TIER)) $(if $(RUNS),--runs $(RUNS)) $(if $(FAULTS),--faults $(FAULTS)) \
	  $(if $(SEED),--seed $(SEED)) $(if $(MINUTES),--minutes $(MINUTES)) $(if $(ONLY),--only $(ONLY))

fmt: setup ## format Python and Rust
	$(BIN)/ruff check --fix --quiet $(PYTHON_CODE) || true
	$(BIN)/ruff format $(PYTHON_CODE)
	$(CARGO) fmt --all
