# Bitflow. `make help` lists what there is; the two commands to know are `make run` and `make test`.
SHELL := /bin/bash
OS := $(shell uname -s | tr A-Z a-z)
ARCH := $(shell uname -m | sed 's/x86_64/x64/; s/aarch64/arm64/')
BINARY := bin/bitflow-$(OS)-$(ARCH)
SOURCES := $(shell find src build -name bin -prune -o -name obj -prune -o -type f -print) Directory.Build.props Directory.Packages.props global.json

export DOTNET_CLI_TELEMETRY_OPTOUT := 1
export DOTNET_NOLOGO := 1

.DEFAULT_GOAL := build

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z][a-z-]*:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

.PHONY: build
build: $(BINARY) ## build the program: one file that needs nothing else

$(BINARY): $(SOURCES)
	@mkdir -p bin
	@echo "building $@: a minute or two, once"
	dotnet publish src/Bitflow.App -c Release -r $(OS)-$(ARCH) -o artifacts/publish -v quiet
	@cp artifacts/publish/bitflow $@.new && mv $@.new $@
	@ln -sf $(@F) bin/bitflow
	@ls -l $@ | awk '{ printf "%s: %.0f MB\n", "$@", $$5 / 1048576 }'

.PHONY: run
run: build ## build and serve config.example.yaml beside an echo target
	@scripts/run $(BINARY)

.PHONY: test
test: ## install what the tests need, and run everything
	@scripts/test

.PHONY: check
check: ## white space, analyzers, laws and the transport: before every commit
	@scripts/check

.PHONY: format
format: ## format the sources
	dotnet format whitespace Bitflow.sln

.PHONY: package
package: build ## a Debian package, under artifacts/
	@scripts/package $(BINARY)

.PHONY: spec
spec: ## run the laws and list them with their number of cases (CASES=1000000 runs them long)
	@scripts/spec

.PHONY: bench
bench: build ## compare with haproxy, nginx, hitch and stunnel (WORKLOAD=connect,start ROUNDS=7 CONTENDER=bitflow,nginx)
	@BITFLOW=$(CURDIR)/$(BINARY) bench/run

.PHONY: bench-smoke
bench-smoke: build ## a hundredth of it: does the benchmark still work?
	@BITFLOW=$(CURDIR)/$(BINARY) bench/run smoke

.PHONY: bench-micro
bench-micro: ## nanoseconds and bytes allocated of the core's parsers and choices (ARGS="--filter *Hello*")
	@dotnet run --project bench/Bitflow.MicroBench -c Release -v q -- $(or $(ARGS),--filter '*')

.PHONY: bench-report
bench-report: ## the report of the last measurements again: bench/results/latest.md and .svg, and their part of README.md
	@bench/run report

.PHONY: clean
clean: ## remove what was built
	rm -rf bin artifacts
	find src spec tests bench -type d \( -name bin -o -name obj \) -prune -exec rm -rf {} +
