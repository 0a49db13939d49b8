# SPDX-License-Identifier: GPL-2.0
#
# The commands of a developer; the work is done by the scripts in harness/.

MAKEFLAGS += --no-print-directory --no-builtin-rules
# From the command line or the environment: KDIR=DIR another Linux 6.12.y, DEBUG=1 debug options,
# DEBUG=race others, see harness/variant.
export KDIR DEBUG
export JOBS ?= $(shell nproc)

.PHONY: help deps tree refresh run test kunit vm bench bench-quick baseline compare mutants series clean

help:
	@echo 'make run       build the patched kernel, boot it, show the owners at work'
	@echo 'make test      all checks and tests, one line each'
	@echo 'make tree      make the patched source, build/linux'
	@echo 'make refresh   write the work done in build/linux back to patches/ and the new files'
	@echo 'make kunit     the KUnit tests, on um and x86_64'
	@echo 'make vm        a shell in the booted kernel'
	@echo 'make bench     measure the patched kernel and the base, into bench/RESULTS.md'
	@echo 'make bench-quick   of that only what is exact, one line each'
	@echo 'make baseline  run the tests of the plain kernel and record their verdicts'
	@echo 'make compare   run the tests of FUSE on the plain kernel and on the patched one'
	@echo 'make mutants    take out what the KUnit tests are for, one by one: they must fail'
	@echo 'make series    the patches as mails, build/series'
	@echo 'make clean     remove build/, unless it holds work of yours'
	@echo
	@echo 'KDIR=DIR takes another Linux 6.12.y than Debian'\''s, DEBUG=1 adds debug options, DEBUG=race looks for data races, JOBS=N compiles N files at once.'

deps:
	@harness/deps

tree: deps
	@harness/tree

refresh series: deps
	@harness/$@

run test kunit baseline mutants: tree
	@harness/$@

vm: tree
	@harness/build && harness/vm shell

compare: tree
	@harness/tree base && harness/build && harness/kernel base && harness/vm compare

bench: tree
	@harness/deps bench
	@harness/tree base && harness/bench full

bench-quick: tree
	@harness/tree base && harness/bench quick

# Work that is only there is not thrown away.
clean:
	@[ ! -e build/linux ] || harness/refresh --check
	rm -rf build
