# Every job by name; `make help` lists them. Each sets up what it needs by itself.

DIR ?= /usr/include
PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
PYTHON ?= python3
PYTHONS ?= $(PYTHON)
CC ?= cc
FUZZ_SECONDS ?= 60
CHAOS_SEEDS ?= 3
# What a program is read out of: more bytes than the most steps have say nothing.
FUZZ_LEN := 774
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)

RELEASE := target/release
VENV := .venv
EXAMPLES := target/examples
# One way to run tests: nextest gives each its own process and a table; cargo's own harness is as good.
NEXTEST := $(shell command -v cargo-nextest 2>/dev/null)
CARGO_TEST := cargo $(if $(NEXTEST),nextest run,test) --no-fail-fast
EXAMPLE_FLAGS = -O2 -g -Iinclude -L$(RELEASE) -Wl,-rpath,$(CURDIR)/$(RELEASE)

.DEFAULT_GOAL := help
.PHONY: help lib so header wheel wheels sdist run run-c run-python test test-unit test-models test-programs test-switch-context \
	test-examples test-python test-cpython test-cpython-in-task asan tsan valgrind fuzz fuzz-httpd fuzz-kvd chaos bench check fmt clean install need

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | awk -F '\t' '{ printf "  %-20s %s\n", $$1, $$2 }'

# ---------------------------------------------------------------- building

lib: so header ## build target/release/libgmp.so and libgmp.a, and bring include/gmprt.h up to date

so: need
	cargo build --release -p gmp-capi
	scripts/link-so.sh $(RELEASE)

need:
	@scripts/need.sh cargo cc

header: need ## regenerate include/gmprt.h from gmp-capi
	GMP_BLESS=1 cargo test -q -p gmp-tests --test abi header_is_current

wheel: lib $(VENV)/ready ## build the wheel for the python in use (PYTHON=) into dist/
	scripts/wheel.sh $(VENV)/bin/python $(RELEASE) dist

wheels: lib ## a wheel for each of PYTHONS="python3.11 python3.12 ...", each with an environment of its own
	for python in $(PYTHONS); do \
		$(MAKE) wheel PYTHON=$$python VENV=.venv-$$($$python -c 'import sys; print("%d.%d" % sys.version_info[:2])') || exit 1; done

sdist: $(VENV)/ready ## the source distribution into dist/: the repository as it is committed
	$(VENV)/bin/python -m maturin sdist --out dist

$(VENV)/ready: tests/python/requirements.txt scripts/venv.sh
	@PYTHON=$(PYTHON) scripts/need.sh python-venv
	scripts/venv.sh $(PYTHON) $(VENV)
	touch $@

# ---------------------------------------------------------------- the main job

run: run-c run-python ## the main job: SHA-256 of every file below DIR=/usr/include, in C and in Python

run-c: $(EXAMPLES)/gsum
	$(EXAMPLES)/gsum $(DIR)

run-python: wheel
	$(VENV)/bin/python -m pip install --quiet --force-reinstall --no-index --find-links dist gmp-py
	$(VENV)/bin/python examples/python/gsum.py $(DIR)

$(EXAMPLES)/gsum: examples/c/gsum.c lib
	@scripts/need.sh pkg-config openssl
	@mkdir -p $(@D)
	$(CC) $(EXAMPLE_FLAGS) $< -o $@ -lgmp $$(pkg-config --cflags --libs libcrypto)

$(EXAMPLES)/httpd: examples/c/httpd.c $(wildcard examples/c/httpd/*) lib
	@mkdir -p $(@D)
	flags=$$(scripts/llhttp.sh) && $(CC) $(EXAMPLE_FLAGS) $(filter %.c,$^) -o $@ -lgmp $$flags

$(EXAMPLES)/kvd: $(wildcard examples/c/kvd/*) lib
	@mkdir -p $(@D)
	$(CC) $(EXAMPLE_FLAGS) $(filter %.c,$^) -o $@ -lgmp

$(EXAMPLES)/tls_echo: examples/c/tls_echo.c lib
	@mkdir -p $(@D)
	$(CC) $(EXAMPLE_FLAGS) $< -o $@ -lgmp $$(pkg-config --cflags --libs openssl)

$(EXAMPLES)/%: examples/c/%.c lib
	@mkdir -p $(@D)
	$(CC) $(EXAMPLE_FLAGS) $< -o $@ -lgmp

# ---------------------------------------------------------------- tests

test: test-unit test-models test-programs test-switch-context test-examples test-python ## everything but the long ones

test-unit: need ## the unit tests and doc tests of the crates
	$(CARGO_TEST) -p gmp-core -p gmp-capi
	cargo test --doc -p gmp-core

test-models: need ## the loom models of every protocol, bounded
	RUSTFLAGS="--cfg loom" CARGO_TARGET_DIR=target/loom cargo test -p gmp-core --lib --release model

test-programs: lib ## the C and C++ programs, the crash tests, the ABI and the house rules
	@scripts/need.sh c++
	$(CARGO_TEST) -p gmp-tests

test-switch-context: need ## the same core on the switch of the `context` crate
	CARGO_TARGET_DIR=target/switch-context cargo test -p gmp-core --features switch-context
	CARGO_TARGET_DIR=target/switch-context cargo build --release -p gmp-capi --features gmp-core/switch-context
	scripts/link-so.sh target/switch-context/release
	GMP_TEST_LIB_DIR=target/switch-context/release GMP_TEST_SWITCH=context $(CARGO_TEST) -p gmp-tests --test programs

test-examples: lib ## the examples and the guide's programs, run; gsum compared with sha256sum
	$(CARGO_TEST) -p gmp-tests --test examples
	cargo run --release -q -p gmp-examples --bin hello
	cargo run --release -q -p gmp-examples --bin squares
	cargo run --release -q -p gmp-examples --bin sieve 100
	cargo run --release -q -p gmp-examples --bin proxy

test-python: wheel ## pytest on the wheel, in .venv
	$(VENV)/bin/python -m pip install --quiet --force-reinstall --no-index --find-links dist gmp-py
	$(VENV)/bin/python -m pytest -q tests/python
	scripts/compare-gsum.sh $(VENV)/bin/python examples/python/gsum.py

test-cpython-in-task: wheel ## CPython's own tests in a task without patches against a plain run, 36 modules (not in `make test`; 10 minutes)
	$(VENV)/bin/python -m pip install --quiet --force-reinstall --no-index --find-links dist gmp-py
	$(VENV)/bin/python tests/python/cpython_bare.py

test-cpython: wheel ## CPython's own tests under the patches against a plain run, whole (not in `make test`; 15 minutes)
	$(VENV)/bin/python -m pip install --quiet --force-reinstall --no-index --find-links dist gmp-py
	$(VENV)/bin/python tests/python/cpython_patched.py

asan: lib ## the C and C++ programs, compiled for AddressSanitizer, and its planted bugs (not in `make test`)
	GMP_TEST_TOOL=asan cargo test -p gmp-tests --test watched

tsan: lib ## the same for ThreadSanitizer (not in `make test`)
	GMP_TEST_TOOL=tsan cargo test -p gmp-tests --test watched

valgrind: lib ## those of them that are not too slow under Valgrind (not in `make test`)
	@command -v valgrind >/dev/null || { echo "missing: valgrind" >&2; exit 1; }
	for part in sanitizer/ c/task_ c/mutex c/chan_order cpp/; do \
		GMP_TEST_TOOL=valgrind cargo test -p gmp-tests --test watched -- $$part || exit 1; done

fuzz: need ## programs of a fuzzer's making on the library and on a model, for FUZZ_SECONDS=60
	@scripts/need.sh c++
	@command -v cargo-fuzz >/dev/null || { echo "missing: cargo-fuzz -- cargo install cargo-fuzz" >&2; exit 1; }
	mkdir -p fuzz/corpus/differential
	cargo fuzz run --sanitizer none differential fuzz/corpus/differential fuzz/seeds -- \
		-max_total_time=$(FUZZ_SECONDS) -max_len=$(FUZZ_LEN) -timeout=120

fuzz-httpd: ## the glue between httpd and its parser, with gcc's sanitizers and coverage, for FUZZ_SECONDS=60
	scripts/fuzz-c.sh httpd run $(FUZZ_SECONDS)

fuzz-kvd: ## conversations with kvd, the same way
	scripts/fuzz-c.sh kvd run $(FUZZ_SECONDS)

chaos: need ## the stress programs with threads held up at random, CHAOS_SEEDS=3 times, after they have seen planted bugs
	CARGO_TARGET_DIR=target/chaos cargo build --release -p gmp-capi --features chaos
	scripts/link-so.sh target/chaos/release
	scripts/chaos.sh target/chaos/release $(CHAOS_SEEDS)

bench: lib wheel ## ours beside the peers that are installed: medians, ratios, a CSV and plots
	$(VENV)/bin/python benches/run.py $(BENCH)

# ---------------------------------------------------------------- care

check: lib ## what a reviewer's machine would say: formatting, clippy, the header
	cargo fmt --all --check
	cargo clippy --all-targets -p gmp-core -p gmp-capi -p gmp-tests -p gmp-examples -- -D warnings
	$(CARGO_TEST) -p gmp-tests --test abi --test house

fmt: ## format the Rust sources
	cargo fmt --all

clean: ## remove everything that was built
	rm -rf target dist $(VENV)

install: lib ## install below PREFIX=/usr/local (DESTDIR= for packagers)
	scripts/install.sh $(RELEASE) $(VERSION) "$(DESTDIR)" "$(PREFIX)" "$(LIBDIR)" "$(INCLUDEDIR)"
