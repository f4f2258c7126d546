# saltern: build, check and show. Every target works on a bare Debian 12 with Go and make.
# `make help` lists them.

export GOTOOLCHAIN := local

GO        ?= go
FUZZTIME  ?= 60s
BENCH     ?= .
BENCHTIME ?= 1s
SOAK      ?= 30m

VERSION := $(shell sed -n 's/^const Version = "\(.*\)"/\1/p' internal/version/version.go)
COMMIT  := $(shell git rev-parse --short=12 HEAD 2>/dev/null)
ARCH    := $(shell $(GO) env GOARCH 2>/dev/null)
LDFLAGS := -X github.com/saltern-io/saltern/internal/version.commit=$(COMMIT)

TOOLS       := $(CURDIR)/bin/tools
GOFUMPT     := $(TOOLS)/gofumpt-v0.12.0
STATICCHECK := $(TOOLS)/staticcheck-v0.8.2
NFPM        := $(TOOLS)/nfpm-v2.43.0

# What cgo needs: libzmq for the sockets, OpenSSL for the private-key operations.
DEB_PACKAGES := gcc libc6-dev pkg-config libzmq3-dev libssl-dev

.DEFAULT_GOAL := build
.PHONY: help build demo demo-broker test check check-long lint fuzz bench interop soak stats docs stage package package-test clean deps

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 12

deps: ## install missing system packages (as root on Debian); nothing to do when all are there
	@if ! command -v $(GO) >/dev/null 2>&1; then \
	  echo "deps: Go is missing; install Go 1.26 or newer and put it on the PATH" >&2; exit 1; fi
	@if command -v gcc >/dev/null 2>&1 && pkg-config --exists libzmq libcrypto 2>/dev/null; then exit 0; fi; \
	if [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then \
	  echo "deps: the C compiler, libzmq or the OpenSSL headers are missing. Install them, on Debian:" >&2; \
	  echo "deps:   sudo apt-get install $(DEB_PACKAGES)" >&2; exit 1; fi; \
	echo "deps: installing $(DEB_PACKAGES)"; \
	export DEBIAN_FRONTEND=noninteractive; \
	apt-get install -y -q --no-install-recommends $(DEB_PACKAGES) >/dev/null 2>&1 || \
	  { apt-get update -q && apt-get install -y -q --no-install-recommends $(DEB_PACKAGES); } && \
	pkg-config --exists libzmq libcrypto

build: deps ## bin/saltern
	$(GO) build -trimpath -ldflags "$(LDFLAGS)" -o bin/saltern ./cmd/saltern

demo: build ## a whole tier on this machine: 2 masters of masters, 2 mid-tier hosts, 100 minions
	bin/saltern demo

demo-broker: build ## minions behind a broker with two masters, with and without zmq_filtering, one master killed
	bin/saltern demo --broker

test: deps ## vet and every test with the race detector, and pki with its pure Go build
	$(GO) vet ./...
	$(GO) test -race -shuffle=on -timeout 30m ./...
	$(GO) test -tags gorsa ./pki

check: lint test ## what has to be clean before a change lands

check-long: check fuzz interop ## check, plus the long forms of tests, every fuzz target and the stock releases
	SALTERN_LONG=1 $(GO) test -count=1 -timeout 60m ./...

lint: deps $(GOFUMPT) $(STATICCHECK) ## format, vet, static check
	@unformatted=$$(git ls-files -co --exclude-standard '*.go' | xargs -r $(GOFUMPT) -l); \
	if [ -n "$$unformatted" ]; then echo "not formatted by gofumpt:"; echo "$$unformatted"; exit 1; fi
	$(GO) vet ./...
	$(STATICCHECK) ./...

$(GOFUMPT):
	@mkdir -p $(TOOLS)
	GOBIN=$(TOOLS) $(GO) install mvdan.cc/gofumpt@v0.12.0
	@mv $(TOOLS)/gofumpt $@

$(STATICCHECK):
	@mkdir -p $(TOOLS)
	GOBIN=$(TOOLS) $(GO) install honnef.co/go/tools/cmd/staticcheck@v0.8.2
	@mv $(TOOLS)/staticcheck $@

$(NFPM):
	@mkdir -p $(TOOLS)
	GOBIN=$(TOOLS) $(GO) install github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.43.0
	@mv $(TOOLS)/nfpm $@

fuzz: deps ## every fuzz target, FUZZTIME (60s) each
	@set -e; n=0; \
	for pkg in $$($(GO) list ./...); do \
	  for target in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
	    n=$$((n+1)); echo "== $$pkg $$target"; \
	    $(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 100x $$pkg; \
	  done; \
	done; echo "fuzz: $$n targets, no finding"

bench: build ## the master beside its physical costs, 2 minutes; BENCH=pattern: Go benchmarks instead
ifeq ($(origin BENCH),file)
	$(GO) run ./internal/bench -saltern bin/saltern
else
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchtime $(BENCHTIME) -benchmem ./...
endif

interop: build ## every scenario against the stock releases in STOCK_SALT
	$(GO) run ./internal/stock/cmd/interop

soak: build ## a tier with one dead and one flapping master of masters, SOAK (30m); fails when anything grows or is lost
	$(GO) run ./internal/soak -saltern bin/saltern -for $(SOAK)

stats: ## lines of code and tests per package
	@git ls-files -co --exclude-standard '*.go' | xargs -r wc -l | awk ' \
	  $$2 == "total" { next } \
	  { d = $$2; if (!sub("/[^/]*$$", "", d)) d = "."; k = $$2 ~ /_test\.go$$/ ? "test" : "code"; n[d,k] += $$1; all[k] += $$1; dirs[d] = 1 } \
	  END { for (d in dirs) printf "%-32s %7d code %7d test\n", d, n[d,"code"], n[d,"test"] | "sort"; close("sort"); \
	        printf "%-32s %7d code %7d test\n", "all", all["code"], all["test"] }'

docs: ## the generated reference pages
	@mkdir -p docs/reference
	$(GO) run ./internal/config/gendoc > docs/reference/options.md

# The release as packages sort it: what comes before a release sorts before it.
PACKAGE_VERSION := $(subst -dev,~dev,$(VERSION))
STAGE           := dist/stage

stage: build
	@rm -rf dist && mkdir -p $(STAGE)/usr/bin $(STAGE)/usr/lib/saltern/bin $(STAGE)/usr/lib/systemd/system $(STAGE)/usr/share/doc/saltern dist/completions
	install -m 0755 bin/saltern $(STAGE)/usr/bin/saltern
	@for name in salt-master salt-syndic salt-broker salt-key salt; do \
	  ln -s saltern $(STAGE)/usr/bin/$$name; ln -s ../../../bin/saltern $(STAGE)/usr/lib/saltern/bin/$$name; done
	install -m 0644 packaging/systemd/*.service $(STAGE)/usr/lib/systemd/system/
	install -m 0644 packaging/logrotate/saltern $(STAGE)/usr/lib/saltern/logrotate
	install -m 0644 LICENSE $(wildcard README.md CHANGELOG.md) $(STAGE)/usr/share/doc/saltern/
	bin/saltern manual $(STAGE)/usr/share/man
	@gzip -9n $(STAGE)/usr/share/man/man?/*
	@for name in saltern salt-key salt; do for shell in bash zsh fish; do \
	  bin/saltern completion --name $$name $$shell > dist/completions/$$name.$$shell || exit 1; done; done
	install -D -m 0644 dist/completions/saltern.bash $(STAGE)/usr/share/bash-completion/completions/saltern
	install -D -m 0644 dist/completions/saltern.fish $(STAGE)/usr/share/fish/vendor_completions.d/saltern.fish
	install -D -m 0644 dist/completions/saltern.zsh $(STAGE)/usr/share/zsh/site-functions/_saltern
	@for role in master:"salt-master salt-key salt" syndic:salt-syndic; do \
	  name=$${role%%:*}; mkdir -p dist/scripts/$$name; \
	  for script in packaging/scripts/*.sh; do \
	    sed -e "/@PATHS@/{r packaging/scripts/paths-$$name" -e "d}" -e "s/@ROLE@/$$name/g" -e "s/@COMMANDS@/$${role#*:}/g" \
	      $$script > dist/scripts/$$name/$$(basename $$script); done; done

package: stage $(NFPM) ## .deb, .rpm and .tar.gz in dist/
	tar -C $(STAGE) --owner=0 --group=0 --sort=name -czf dist/saltern-$(VERSION)-linux-$(ARCH).tar.gz .
	@set -e; for name in saltern saltern-master saltern-syndic; do for format in deb rpm; do \
	  VERSION='$(PACKAGE_VERSION)' ARCH=$(ARCH) $(NFPM) package --config packaging/nfpm/$$name.yaml --packager $$format --target dist/ >/dev/null; done; done
	@rm -rf dist/stage dist/scripts dist/completions && ls -l dist

package-test: ## install, run, update, remove the packages on a throw-away Debian 12 with systemd: as root, with debootstrap and STOCK_SALT
	@rm -rf bin/next && mkdir -p bin/next
	$(MAKE) package PACKAGE_VERSION=99.0.0 && mv dist/*.deb dist/*.rpm bin/next/
	$(MAKE) package
	packaging/test/run.sh

clean: ## remove what was built
	rm -rf bin dist
