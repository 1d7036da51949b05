# The same words for people and for CI. `make help` lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PREFIX ?= /usr/local
PYTHON ?= /usr/bin/python3
SECONDS_PER_TARGET ?= 30
VENV := build/venv
JOBS := $(shell nproc)
THREADED := net control edge daemon
space := $(subst ,, )

.PHONY: help setup build engines wheel sdist install demo test test-all test-unit test-python test-asan test-tsan \
        test-engine-asan test-other-pythons bench bench-quick bench-latency bench-memory bench-edge bench-hosted \
        bench-environments \
        soak siege differential fuzz fuzz-coverage format format-check lint clean hooks

help:  ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

setup:  ## system packages (packaging/debian-packages.txt), Python tools and git hooks; quick when all is there
	@scripts/setup

build: setup  ## the executable at build/release/serai, with its engine for $(PYTHON) beside it
	@PYTHON=$(PYTHON) scripts/build release

engines: build  ## the engine for every CPython found on this machine
	@scripts/engines

wheel: setup  ## the engine's wheel for PYTHON=/path/to/python, into dist/
	@$(VENV)/bin/uv build --wheel --quiet --python $(PYTHON) --out-dir dist . && ls dist/*.whl

sdist:  ## the engine's source distribution, with the libraries it needs beside OpenSSL, into dist/
	@scripts/sdist

install: build  ## to PREFIX (default /usr/local); DESTDIR is honoured
	@DESTDIR=$(DESTDIR) cmake --install build/release --prefix $(PREFIX)

demo: build  ## a private Serai hosting the example apps; stays until Ctrl-C on a terminal
	@$(VENV)/bin/python scripts/demo.py

test: build test-asan test-python test-tsan  ## every test that fits CI's time

test-all: build engines test-asan test-tsan test-engine-asan test-other-pythons fuzz-coverage  ## every test, on every CPython found; slow ones too
	@$(VENV)/bin/python -m pytest tests -m "" --every-python -o faulthandler_timeout=0

test-asan: build  ## unit tests and a part of the end-to-end tests under the address and undefined-behaviour sanitizers
	@scripts/build asan && ctest --preset asan -j $(JOBS)
	@mkdir -p build/asan-host && ln -f build/asan/serai build/asan-host/serai && ln -sfn ../release/lib build/asan-host/lib
	@SERAI=build/asan-host/serai $(VENV)/bin/python -m pytest tests/e2e/test_flask_site.py tests/edge -k "not costs_at_most"

test-tsan: setup  ## unit tests of the threaded folders under the thread sanitizer
	@scripts/build tsan $(THREADED:%=%_test) && ctest --preset tsan -j $(JOBS) -R '^($(subst $(space),|,$(THREADED)))/'

test-engine-asan: setup  ## the engine's tests under the address and undefined-behaviour sanitizers, inside CPython
	@scripts/sanitized-engine asan

test-other-pythons: setup  ## the engine's tests on CPython 3.14 and 3.15, in a root file system of Debian unstable
	@scripts/other-pythons

test-python: build  ## engine, serve, edge and end-to-end tests against the release build
	@$(VENV)/bin/python -m pytest tests

bench: build  ## the table of all servers; ROWS="asgi-hello 'wsgi-*'" for some rows, ARGS="--again …" for more options
	@scripts/bench table $(if $(ROWS),--rows $(ROWS)) $(ARGS)
bench-quick: build  ## the table's main rows beside the likely best peers, in under five minutes
	@scripts/bench table --quick $(if $(ROWS),--rows $(ROWS)) $(ARGS)
bench-latency: build  ## p50, p99 and p99.9 at half and four fifths of the capacity, beside the peers
	@scripts/bench latency $(ARGS)
bench-memory: build  ## memory after requests, per idle connection and per worker, beside the peers
	@scripts/bench memory $(ARGS)
bench-edge: build  ## CPU per request of the edge beside nginx
	@scripts/bench edge
bench-hosted: build  ## the whole hosted path beside nginx + uvicorn and nginx + gunicorn
	@scripts/bench hosted

bench-environments: build  ## start-up in each kind of environment, stage by stage, beside a plain import of the same app
	@$(VENV)/bin/python bench/environments.py $(ARGS)

soak: build  ## reloads, recycling and crashes under load, and memory over time; REQUESTS=1000000 RELOADS=200 CRASHES=20
	@$(VENV)/bin/python -m pytest tests/serve/test_soak.py tests/serve/test_growth.py -m slow -s -q -o faulthandler_timeout=0

siege: build  ## good clients beside bad ones, greedy applications, ten thousand idle connections; PAIRS=20
	@$(VENV)/bin/python -m pytest tests/serve/test_bad_clients.py tests/serve/test_greedy_apps.py tests/serve/test_many_connections.py -m "" -s -q -o faulthandler_timeout=0

differential: build  ## our HTTP/1 parser beside llhttp, httptools and h11 over MUTATIONS=1000000 of known requests
	@$(VENV)/bin/python -m pytest tests/differential -m slow -s -q -o faulthandler_timeout=0

fuzz: setup  ## each libFuzzer target for SECONDS_PER_TARGET seconds (default 30)
	@scripts/build fuzz && $(VENV)/bin/python tests/fuzz/run.py $(SECONDS_PER_TARGET)

fuzz-coverage: setup  ## branch coverage of the parsers over their corpora; fails below 90 %
	@$(VENV)/bin/python tests/fuzz/coverage.py

format: setup  ## rewrite the sources in the project's format
	@scripts/lint --fix

lint: setup  ## what the pre-commit hook and CI check
	@scripts/lint

clean:  ## removes build/ and dist/
	@rm -rf build dist
