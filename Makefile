# make run: the archive, with something in it.   make test: everything is checked.

SWIFT ?= swift
# Where `make run` keeps its data; further flags of `wado up`, such as UP="--dicom-port 0 --http-port 0".
DATA ?= ./var
UP ?=

# The first ones are what Swift itself needs: a linker, the headers of C and C++, libraries of the toolchain. The last
# ones are for trying the archive by hand.
BUILD_PACKAGES = git g++ libncurses6 libsqlite3-0 pkg-config libxml2-dev libyaml-dev libpq-dev libdeflate-dev \
	zlib1g-dev libmicrohttpd-dev libmariadb-dev librdkafka-dev postgresql curl dcmtk
TEST_PACKAGES = python3 python3-venv chromium openjdk-17-jre-headless
BENCH_PACKAGES = libdcmtk-dev nginx wrk orthanc orthanc-postgresql orthanc-dicomweb

# One build for all: programs and tests, in release mode.
BUILD = $(SWIFT) build -c release --build-tests
PROGRAMS = .build/release
VENV = .build/venv
SOURCES = Sources Plugins Tests Package.swift

.PHONY: run build test test-swift test-doris test-clients test-project bench bench-migration format lint ci packages test-packages clean

run: packages
	@.ci/quietly "building (some minutes the first time)" $(SWIFT) build -c release
	@exec $(PROGRAMS)/wado up --sample --data $(DATA) $(UP)

packages:
	@.ci/packages $(BUILD_PACKAGES)

test-packages: packages
	@.ci/packages $(TEST_PACKAGES)

build: packages
	@.ci/quietly "building programs and tests" $(BUILD)

test: test-packages build $(VENV)/ready
	@$(MAKE) --no-print-directory test-swift test-doris test-clients test-project

# Swift's tests; of one module: make test-swift ONLY=DICOMCoreTests
test-swift:
	WADO_PYTHON=$(abspath $(VENV)/bin/python3) $(SWIFT) test -c release --skip-build $(if $(ONLY),--filter $(ONLY))

# The stand-in for Doris that Swift's tests use, against the rules of Doris; some of it: make test-doris ONLY=seed
test-doris:
	cd Tests/DorisStandIn && $(abspath $(VENV)/bin/python3) -m pytest $(if $(ONLY),-k $(ONLY))

# Clients from outside against a running archive; some of them: make test-clients ONLY=dcmtk
test-clients:
	cd Tests/Clients && WADO_PROGRAMS=$(abspath $(PROGRAMS)) $(abspath $(VENV)/bin/python3) -m pytest $(if $(ONLY),-k $(ONLY))

# Tests that change and build a copy of the project: random specs, and the walk-through of adding a tag.
test-project:
	cd Tests/Project && SWIFT=$(SWIFT) $(abspath $(VENV)/bin/python3) -m pytest $(if $(ONLY),-k $(ONLY))

# Playwright drives Debian's chromium; it must not bring a browser of its own.
$(VENV)/ready: $(wildcard Tests/*/requirements.txt)
	@mkdir -p .build
	@.ci/quietly "making the Python environment of the tests" sh -c '\
		python3 -m venv $(VENV) && \
		PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 $(VENV)/bin/python3 -m pip install --quiet --disable-pip-version-check \
			$(addprefix -r ,$^)'
	@touch $@

# Beside dcmtk, Orthanc and nginx. BENCH="--rounds 3" and such go to Benchmarks/archive.py.
bench: packages $(VENV)/ready
	@.ci/packages $(BENCH_PACKAGES)
	@.ci/quietly "building" $(SWIFT) build -c release
	WADO_PYTHON=$(abspath $(VENV)/bin/python3) Benchmarks/run $(BENCH)

# How long adding an indexed column to 5 million series holds writers up. BENCH="--series 1000000" does less.
bench-migration: packages
	@.ci/quietly "building" $(SWIFT) build -c release --product wado
	Benchmarks/migration.py --programs $(PROGRAMS) $(BENCH)

format:
	$(SWIFT) format format --in-place --recursive --parallel $(SOURCES)

lint:
	@$(SWIFT) format lint --strict --recursive --parallel $(SOURCES)
	@echo "format: as it should be"

ci: packages lint test

clean:
	rm -rf .build
