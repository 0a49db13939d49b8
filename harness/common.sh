# shellcheck shell=bash disable=SC2034
# SPDX-License-Identifier: GPL-2.0
# Sourced by the scripts of harness/: names of directories, and a command with visible progress.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=$root/build
logs=$build/logs
jobs=${JOBS:-$(nproc)}

# The same bytes on each build, so that ccache knows them again.
export KBUILD_BUILD_TIMESTAMP='Thu Jan  1 00:00:00 UTC 1970'
export KBUILD_BUILD_USER=folio_owner KBUILD_BUILD_HOST=build

cc=gcc
if command -v ccache >/dev/null; then
	cc='ccache gcc'
fi

die() {
	echo "$*" >&2
	exit 1
}

# which_kernel [base]: sets $tree, $arch, $flavour and $variant of the kernel in question, and $debug to
# what harness/variant says. In the environment, DEBUG asks for debug options on top; BENCH=bench,
# BENCH=bench-preempt and BENCH=bench-um for the kernels that harness/bench measures.
which_kernel() {
	tree=$build/linux variant='' arch=x86_64
	debug=$("$root/harness/variant")
	if [ "${1:-}" = base ]; then
		tree=$build/base variant=-base
	elif [ $# -gt 0 ]; then
		die "$0: no argument but 'base' is known, not '$1'"
	fi
	if [ "${BENCH:-}" = bench-um ]; then
		arch=um
	elif [ -z "${BENCH:-}" ] && [ -n "$debug" ]; then
		variant=-$debug$variant
	fi
	flavour=${BENCH:-x86_64}$variant
	[ -e "$tree/Makefile" ] || die "no kernel source in ${tree#"$root"/}: run 'harness/tree ${1:-}' first"
}

# progress LABEL COMMAND...: the output goes to build/logs/LABEL.log; a terminal sees a running
# line, a log file a line every half minute, and both see the errors when the command fails.
progress() {
	local label=$1 log=$logs/$1.log start=$SECONDS told=$SECONDS files=0 line status
	shift
	mkdir -p "$logs"
	set +e
	(set -e; "$@") </dev/null 2>&1 | tee "$log" | while true; do
		status=0
		IFS= read -r -t 5 line || status=$?
		if [ "$status" -gt 128 ]; then
			line='...'
		elif [ "$status" -ne 0 ]; then
			break
		fi
		case $line in
		'  CC '* | '  AS '* | '  HOSTCC '*) files=$((files + 1)) ;;
		esac
		if [ -t 2 ]; then
			printf '\r\033[K%s: %d files, %d s %.60s' "$label" "$files" $((SECONDS - start)) "$line" >&2
		elif [ $((SECONDS - told)) -ge 30 ]; then
			told=$SECONDS
			printf '# %s: %d files compiled, %d s\n' "$label" "$files" $((SECONDS - start)) >&2
		fi
	done
	status=${PIPESTATUS[0]}
	set -e
	[ ! -t 2 ] || printf '\r\033[K' >&2
	if [ "$status" -ne 0 ]; then
		grep -m 20 -E -A 3 'error:|Error |\*\*\*|undefined reference' "$log" >&2 || tail -n 5 "$log" >&2
		die "$label failed: see ${log#"$root"/}"
	fi
}
