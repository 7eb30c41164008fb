# make test   installs what the tests need from Debian and runs everything
# make demo   replays the incidents with Go alone
SHELL       := /bin/bash
GO          ?= go
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
FUZZTIME    ?= 5s
export GOFLAGS := -buildvcs=false

.PHONY: test deps lint build unit fuzz demo soak

test: deps lint build unit fuzz

deps:
	./.ci/deps

lint:
	@files=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$files" ]; then echo "gofmt would change: $$files"; exit 1; fi
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...
	$(GO) mod tidy -diff

# Everything builds everywhere; what only Linux can do says so when it is asked.
build:
	for os in linux darwin windows; do CGO_ENABLED=0 GOOS=$$os $(GO) build ./... || exit 1; done

unit:
	$(GO) test -race -timeout 40m ./...

fuzz:
	./.ci/fuzz $(FUZZTIME)

demo:
	$(GO) run ./examples/tales

# Each benchmark runs beside its yardstick; the ratio is what counts.
BENCH_imagecache := -bench . -benchtime 5x ./imagecache
BENCH_mtu        := -bench . -benchtime 5x ./mtu ./examples/mtu
BENCH_bpdu       := -bench . -benchtime 1x ./bpdu
BENCH_dhcp       := -bench . -benchtime 3x ./dhcp
BENCH_ceph       := -bench . -benchtime 1x ./ceph
BENCH_pglog      := -bench . -benchtime 3x ./ceph/pglog
BENCH_watchdog   := -bench . ./ceph/watchdog
BENCH_consolelog := -bench . -benchtime 1x -timeout 60m ./consolelog
BENCH_dbarchive  := -bench . -benchtime 1x -timeout 60m ./dbarchive
BENCH_bootvolume := -bench . -benchtime 5x -timeout 30m ./bootvolume
BENCH_logtail    := -bench . ./internal/logtail

bench-%: deps
	$(GO) test -run '^$$' $(BENCH_$*)

# The long forms of the tests that kill archivers.
soak: deps
	$(GO) test -timeout 3h -run 'Kill|Random' ./dbarchive -soak
