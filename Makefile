# SPDX-License-Identifier: Apache-2.0
# Two commands for a newcomer, as root on Debian 12 with nothing installed: `make run` and `make test`.
SHELL := /bin/bash
.DEFAULT_GOAL := help
JOBS ?= $(shell nproc)
RELEASE := build/release
MODEL_URL ?=
MODEL ?=
MODEL_KEY_FILE ?=

.PHONY: package help deps deps-build deps-package programs build run test test-unit test-long test-fuzz bench asan tsan tidy format check-format clean

help: ## what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-12s %s\n", $$1, $$2 }'

deps: ## install what is missing from cmake/packages.txt (apt-get, as root); other targets install what they need of it
	@scripts/install-packages

deps-build:
	@scripts/install-packages build

deps-package:
	@scripts/install-packages build package

# Without GoogleTest this configures no tests; `make build` has it installed and demands it.
programs: deps-build ## build the programs of the release preset into build/release/bin
	@echo "==> building (build/release)"
	@mkdir -p build
	@cmake --preset release -DAGENTOS_TESTS=AUTO > $(RELEASE).log 2>&1 || { cat $(RELEASE).log; exit 1; }
	@cmake --build --preset release -j $(JOBS) --target src/all

build: deps programs ## the programs, their tests and benches
	@cmake --preset release -DAGENTOS_TESTS=ON > $(RELEASE).log 2>&1 || { cat $(RELEASE).log; exit 1; }
	@cmake --build --preset release -j $(JOBS)

package: deps-package programs ## agentd_VERSION_ARCH.deb and agentd-VERSION.tar.gz, in build/release
	@echo "==> packing"
	@scripts/make-package $(RELEASE)

run: programs ## a company of five agents at work, before your eyes (MODEL_URL=… MODEL=… for a real model)
	@demo/run --bin $(RELEASE)/bin $(if $(MODEL_URL),--model-url $(MODEL_URL)) $(if $(MODEL),--model $(MODEL)) \
	    $(if $(MODEL_KEY_FILE),--model-key-file $(MODEL_KEY_FILE))

test: build ## build and pass every test: unit, integration, crash, a machine (tests/vm), then a minute of each fuzz target
	@echo "==> tests"
	@ctest --preset release -LE long
	@$(MAKE) --no-print-directory test-fuzz

test-unit: build ## the tests that need no root
	@ctest --preset release -L unit

test-vm: build ## install the package on a systemd machine of its own and try it there (AGENTD_SKIP_VM=1 leaves it out)
	@ctest --preset release -L vm -LE long

test-long: build ## the soaks and the loops (docs/testing.md)
	@AGENTOS_LONG=1 ctest --preset release -L long --output-on-failure

test-fuzz: deps ## each fuzz target for AGENTOS_FUZZ_SECONDS (60)
	@echo "==> fuzzing"
	@cmake --preset fuzz > build/fuzz.log 2>&1 || { cat build/fuzz.log; exit 1; }
	@cmake --build --preset fuzz -j $(JOBS)
	@ctest --test-dir build/fuzz -j $(JOBS) --output-on-failure

bench: build ## what docs/measurements.md reports, measured here
	@bench/run $(RELEASE)/bin

asan tsan: deps ## every test under a sanitizer
	@cmake --preset $@ > build/$@.log 2>&1 || { cat build/$@.log; exit 1; }
	@cmake --build --preset $@ -j $(JOBS)
	@ctest --preset $@ -LE long

tidy: build ## clang-tidy over our sources, warnings are errors
	@scripts/tidy $(RELEASE)

format: ## clang-format everything
	@git ls-files '*.cpp' '*.h' | xargs clang-format-19 -i

check-format:
	@git ls-files '*.cpp' '*.h' | xargs clang-format-19 --dry-run -Werror

clean: ## remove what was built
	rm -rf build
