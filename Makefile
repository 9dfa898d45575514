# Every command that a person or CI runs. `make` alone lists them.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help run test test-s3-engines test-python-stores events fuzz-api fuzz-events advisories check format lint docs boundaries cycles licences model \
	simulate chaos release release-lambda bench-local bench-cold bench-memory bench-s3 bench-http bench-growth bench-herd bench-inline \
	bench-client bench-load bench-json clean-tools deploy-tools \
	validate build build-lambda deploy local-lambda replay

PYTHON ?= python3
SIMULATION_SCHEDULES ?= 100000
MODEL_SCHEDULES ?= 20000
OPERATIONS ?= 10000
EVENT_MUTATIONS ?= 100000
ENGINE_OPERATIONS ?= 2000
SEED ?= 1
BENCH_SECONDS ?= 5
BENCH_STARTS ?= 20
HERD ?= 1000
STAGE ?= dev

help: ## Lists these commands.
	@grep -E '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## /\1\t/' | expand -t 14

run: export CACHE__SERVICE__STORAGE_MODE ?= local_disk
run: export CACHE__SERVICE__LOCAL_DISK_PATH ?= ./.mgraph-cache
run: export CACHE__SERVICE__TEST_ROUTES ?= true
run: ## Serves on http://127.0.0.1:10017, stores in ./.mgraph-cache, and prints what to try. Ctrl-C stops it.
	@cargo build --quiet --package cache-lambda --features embedded
	@exec target/debug/cache-lambda

test: ## Runs all tests (MGRAPH_TEST_BACKENDS=all: the service also on SQLite and ZIP). Python clients and S3 take part when tools/tools.sh can set them up in .tools/.
	@tools/tools.sh || echo "not set up: see above. The tests that need it are left out"
	cargo test --workspace --all-features

test-s3-engines: ## Runs what needs S3 on Ceph (Debian's packages, as root) instead of on moto (ENGINE_OPERATIONS=n).
	OPERATIONS=$(ENGINE_OPERATIONS) tools/test_s3_engines.sh

test-python-stores: ## Lets the Python service write stores on disk, SQLite and moto, and compares how both answer (about ten minutes).
	@tools/tools.sh
	MGRAPH_TEST_PYTHON_STORES=1 cargo test --workspace --all-features --test it -- python_store --nocapture

events: ## Writes the sample events anew, after a change of events/requests.json.
	WRITE_EVENTS=1 cargo test --quiet --package cache-tests --test it event_files

fuzz-api: ## Walks /openapi.json against the running server with every check that schemathesis knows.
	@tools/tools.sh || echo "not set up: see above"
	tools/fuzz_api.sh

fuzz-events: ## Sends 100,000 mutated events of each front door to the application, and to the binary (EVENT_MUTATIONS=n).
	EVENT_MUTATIONS=$(EVENT_MUTATIONS) cargo test --workspace --all-features --lib --test it mutated

check: format lint docs boundaries cycles licences ## Checks formatting, lints, docs, dependencies between crates and modules, and licences.

format: ## Part of check: rustfmt changes nothing.
	cargo fmt --all --check

lint: ## Part of check: clippy has nothing to say.
	cargo clippy --workspace --all-targets --all-features -- -D warnings

docs: ## Part of check: every link in the docs leads somewhere.
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items --quiet

# What a crate may not be linked with, however indirectly: $(call absent,PACKAGE,PATTERN,REASON)
absent = @tree=$$(cargo tree --package $(1) --edges normal --prefix none); \
	if grep -E '^($(2))' <<<"$$tree"; then echo "error: $(1) depends on the above, but $(3)"; exit 1; fi

boundaries: ## Part of check: core <- storage <- lambda -> api <- client <- cli, and core has no I/O, clock or random numbers.
	$(call absent,cache-core,tokio|mio|socket2|rustix|hyper|http|axum|reqwest|lambda|aws-|rusqlite|tempfile|getrandom|rand,core does no I/O)
	$(call absent,cache-core,utoipa,cache-api describes the JSON of requests and responses)
	$(call absent,cache-core,cache-storage|cache-lambda,arrows point to core)
	$(call absent,cache-access,tokio|hyper|axum|cache-api|cache-lambda,it is as pure as core)
	$(call absent,cache-storage,cache-lambda|axum|lambda_,storage knows no requests)
	$(call absent,cache-maintenance,cache-lambda|axum|lambda_,maintenance knows no requests)
	$(call absent,cache-api,cache-core|cache-storage|cache-lambda|tokio|hyper|axum,the API is shared with clients)
	$(call absent,mgraph-cache-client,cache-core|cache-storage|cache-lambda|axum|lambda_|aws-,only its feature testing has the server)
	$(call absent,cache-console,[^c]|c[^a]|cache-[^c]|cache-core,the console is files alone)
	$(call absent,cache-lambda,mgraph-cache-client|mgraph-cache-cli|reqwest|clap,the function is small and starts fast)
	@if cargo tree --edges normal,features --prefix none | grep -E '^mgraph-cache|float_roundtrip'; then \
		echo "error: the default members have the above, and the function is built together with them"; exit 1; fi
	@echo "core <- storage <- lambda -> api <- client <- cli: as it should be"

# Crates whose modules must not import each other in cycles.
ACYCLIC := crates/cache-access crates/cache-api crates/cache-cli crates/cache-client crates/cache-client-macros crates/cache-console crates/cache-core crates/cache-lambda \
	crates/cache-maintenance crates/cache-storage crates/cache-testing

cycles: ## Part of check: no cycle among the modules of a crate.
	$(PYTHON) tools/import_cycles.py $(ACYCLIC)

# The one on the PATH, else one of our own.
CARGO_DENY := $(or $(shell command -v cargo-deny),.tools/bin/cargo-deny)

.tools/bin/cargo-deny:
	cargo install cargo-deny --version 0.20.2 --locked --root .tools

licences: $(CARGO_DENY) ## Part of check: dependencies are what deny.toml allows.
	$(CARGO_DENY) check bans licenses sources

# The database is not part of the checkout, so this is no part of `check`.
advisories: $(CARGO_DENY) ## Looks for known vulnerabilities of the dependencies (RustSec; needs the network).
	@if $(CARGO_DENY) fetch db >/dev/null 2>&1; then $(CARGO_DENY) check advisories; \
	else echo "not run: the database of RustSec cannot be fetched"; fi

model: ## Runs 20,000 random schedules of the storage protocol's executable model (MODEL_SCHEDULES=n, SEED=n; BREAK=rule leaves one out).
	$(PYTHON) model/manifest_protocol.py $(MODEL_SCHEDULES) $(SEED)

simulate: ## Runs 100,000 random schedules with faults (SIMULATION_SCHEDULES=n, SIMULATION_SEED=n; SIMULATION_TRACE=1 shows every call).
	SIMULATION_SCHEDULES=$(SIMULATION_SCHEDULES) cargo test --profile simulation --package cache-core --test simulation -- --nocapture

chaos: ## Runs 10,000 random operations over an S3 that fails (OPERATIONS=n, SEED=n for another run; needs moto, as for test).
	@tools/tools.sh
	CHAOS_OPERATIONS=$(OPERATIONS) CHAOS_SEED=$(SEED) cargo test --package cache-tests --test it chaos -- --nocapture

release: ## Builds target/server/cache-lambda, for use as a server on this machine: with all backends, and compiled for speed.
	cargo build --profile server --package cache-lambda --features embedded

release-lambda: ## Builds target/release/cache-lambda as it is built for Lambda: without SQLite and ZIP.
	cargo build --release --package cache-lambda

bench-local: release ## Measures requests/s, start-up, memory and binary size (needs wrk; BENCH_SECONDS=n for each measurement).
	$(PYTHON) benches/bench_local.py target/server/cache-lambda $(BENCH_SECONDS)

bench-http: release ## Compares requests/s with nginx's, in memory and on disk (needs wrk and nginx; BENCH_SECONDS=n).
	$(PYTHON) benches/bench_http.py target/server/cache-lambda $(BENCH_SECONDS)

bench-growth: release ## Shows that an operation costs the same in a full store, and of a content with many versions (needs wrk).
	$(PYTHON) benches/bench_growth.py target/server/cache-lambda

bench-s3: release ## Measures each operation on a slow S3 beside the same bare calls (needs moto, as for test).
	@tools/tools.sh
	MGRAPH_SERVER_BIN=$(CURDIR)/target/server/cache-lambda cargo bench --package cache-tests --bench s3

bench-herd: release ## Stores one content by up to 100 processes at once over a slow S3, and simulates it by 1,000 (HERD=n).
	MGRAPH_SERVER_BIN=$(CURDIR)/target/server/cache-lambda cargo bench --package cache-tests --bench herd
	HERD=$(HERD) cargo test --profile simulation --package cache-core --test herd -- --nocapture

bench-load: release ## Greedy and slow clients, and what others notice of them (BENCH_SECONDS=n).
	$(PYTHON) benches/bench_load.py target/server/cache-lambda

bench-client: ## Measures the Rust client beside bare reqwest, within the process and over loopback.
	cargo bench --package mgraph-cache-client --features testing --bench overhead

bench-inline: ## Compares small contents in their manifest with contents beside it, by size (needs moto, as for test).
	@tools/tools.sh
	cargo bench --package cache-tests --bench inline

bench-cold: release-lambda ## Measures a cold start in Lambda beside a function that only says hello (Linux; BENCH_STARTS=n starts of each).
	cargo build --release --package hello-lambda
	$(PYTHON) benches/bench_cold.py target/release/cache-lambda target/release/hello-lambda $(BENCH_STARTS)

bench-memory: release-lambda ## Sends 5.9 MB of JSON of the worst shapes to every operation of the function: at most 128 MB (Linux).
	$(PYTHON) benches/bench_memory.py target/release/cache-lambda

bench-json: release ## Sends 60 MB of JSON of the worst shapes to every operation, and watches memory and other clients (Linux).
	$(PYTHON) benches/bench_json.py target/server/cache-lambda

# One environment for all three: cargo-lambda takes its linker (Zig) from it, and sam takes cargo-lambda.
.tools/deploy/ready:
	$(PYTHON) -m venv --clear .tools/deploy
	.tools/deploy/bin/pip install --quiet --disable-pip-version-check aws-sam-cli==1.170.0 cfn-lint==1.58.0 cargo-lambda==1.9.2
	touch $@

deploy-tools: .tools/deploy/ready ## Sets up sam, cfn-lint and cargo-lambda in .tools/deploy (needs Python 3.10).

# Private, so that the environment is not made with its own Python.
validate build build-lambda deploy local-lambda replay: private export PATH := $(CURDIR)/.tools/deploy/bin:$(PATH)
validate build build-lambda deploy local-lambda replay: private export SAM_CLI_TELEMETRY := 0

# Neither command asks AWS anything: the region only says whose resource types are known.
validate: deploy-tools ## Checks template.yaml and samconfig.toml, without an AWS account.
	sam validate --lint --region us-east-1 --config-env $(STAGE)
	cfn-lint template.yaml

# The command that sam gives for x86_64, so that after `make build-lambda STAGE=ci` there is nothing left to compile.
build: deploy-tools ## Builds the function for this machine's processor: target/lambda/cache-lambda/bootstrap.
	cargo lambda build --release --bin cache-lambda

build-lambda: deploy-tools ## Builds the function as it is deployed, into .aws-sam/ (STAGE=dev, prod or ci, from samconfig.toml).
	sam build --config-env $(STAGE)

deploy: validate build-lambda ## Builds and deploys to your AWS account (STAGE=dev or prod): see docs/deployment.md.
	sam deploy --config-env $(STAGE)

local-lambda: export CACHE__SERVICE__STORAGE_MODE ?= memory
local-lambda: export CACHE__SERVICE__TEST_ROUTES ?= true
local-lambda: export FAST_API__AUTH__API_KEY__NAME ?= x-api-key
local-lambda: export FAST_API__AUTH__API_KEY__VALUE ?= sample-key
local-lambda: deploy-tools ## Runs the function on http://localhost:9000 without AWS, as events/ expects it. Ctrl-C stops it.
	cargo lambda watch --package cache-lambda --invoke-address ::1

replay: build ## Sends the events in events/ to the built function under `cargo lambda watch`, and mutations of them by the thousand.
	$(PYTHON) tools/replay_events.py target/lambda/cache-lambda/bootstrap
	MGRAPH_SERVER_BIN=$(CURDIR)/target/lambda/cache-lambda/bootstrap cargo test --workspace --all-features --test it mutated

clean-tools: ## Removes .tools/: the Python environments, moto, cargo-deny and what deploys.
	rm -rf .tools
