#!/usr/bin/env bash
# run.sh BUILDDIR SECONDS [TARGET...]: fuzzes every target that long, starting from the kept corpus. What is found is
# printed and left in BUILDDIR/fuzz/TARGET; new inputs go to BUILDDIR/fuzz/TARGET/corpus and are kept by hand with
# `fuzz_TARGET -merge=1 tests/fuzz/corpus/TARGET BUILDDIR/fuzz/TARGET/corpus`.
set -u
build=$(readlink -f "$1") seconds=$2
shift 2
here=$(readlink -f "$(dirname "$0")")
targets=${*:-tracedat perf store options}
status=0
for target in $targets; do
	work=$build/fuzz/$target
	mkdir -p "$work/corpus"
	echo "fuzz_$target: $seconds s"
	(cd "$work" && ASAN_OPTIONS=allocator_may_return_null=1 "$build/tests/fuzz_$target" -max_total_time="$seconds" -timeout="${CGR_FUZZ_TIMEOUT:-20}" \
		-rss_limit_mb=2048 -malloc_limit_mb=1500 -max_len=131072 -print_final_stats=1 corpus "$here/corpus/$target" \
		>log 2>&1 </dev/null)
	rc=$?
	grep -E '^(stat::number_of_executed_units|stat::new_units_added|SUMMARY|==.*ERROR)' "$work/log"
	if [ $rc != 0 ]; then
		echo "fuzz_$target: FOUND something, see $work/log"
		status=1
	fi
done
exit $status
