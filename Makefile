# Every task of the project. `make help` lists them.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help demo test lint openapi bench fuzz docs build clean

# Writes the generated pages of docs/ (error codes, settings, the command line).
DOCS := scripts/docs

help: ## list the tasks
	@sed -nE 's/^([a-z]+):[^#]*## (.*)/  make \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 16

demo: ## run the example marketplace and show how to call it
	@scripts/demo

test: ## run every test, on SQLite and on a private PostgreSQL
	@scripts/tools cargo-nextest
	cargo test --quiet --doc --workspace
	scripts/postgres run -- cargo nextest run --workspace

lint: ## check format, clippy, the crates' edges, licences and generated docs
	@scripts/tools rustfmt clippy cargo-deny
	cargo fmt --all --check
	cargo clippy --quiet --workspace --all-targets -- -D warnings
	cargo run --quiet -p mainstay-edges
	cargo deny check --hide-inclusion-graph bans licenses sources
	@if [[ -x scripts/docs ]]; then scripts/docs --check; fi

openapi: ## hold the API's description to a validator, a fuzzer and the TypeScript compiler
	@scripts/openapi

bench: ## measure against hand-written programs on the same database
	@bench/run

fuzz: ## fuzz each target for FUZZ_SECONDS (default 60)
	@scripts/tools cargo-fuzz
	@scripts/fuzz

docs: ## write the generated pages of docs/
	$(DOCS)

build: ## build the release binary, target/release/mainstay
	cargo build --release -p mainstay

clean: ## stop the test database and remove everything that was built
	@scripts/postgres stop
	cargo clean
