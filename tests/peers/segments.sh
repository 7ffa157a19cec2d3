#!/usr/bin/env bash
# segments.sh BINARY LOAD: a recording in numbered segments is imported as one. The events of the set are those trace-cmd
# counts in its files, in one unbroken chain of switches; a hole, what the recorder removed, files of another recording
# and a killed recorder are told. Needs root, tracepoints and trace-cmd; says SKIP with the reason where one is missing.
set -u
binary=$(readlink -f "$1") load=$(readlink -f "$2")
skip() { echo "SKIP: $1"; exit 77; }
fail() { echo "segments: $1"; status=1; }
[ "$(id -u)" = 0 ] || skip "not root"
command -v trace-cmd >/dev/null || skip "no trace-cmd"
command -v sqlite3 >/dev/null || skip "no sqlite3"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
status=0
record() { # NAME ROUNDS
	"$binary" record -o "$1" --preset cpu --segment 400K -- "$load" pingpong rounds="$2" parent_usec=0 child_usec=0 \
		>/dev/null 2>record.err || skip "record does not work here: $(tail -n 1 record.err)"
}
ask() { sqlite3 -separator ' ' "$1" "$2"; }

rounds=30000
until record web.dat $rounds; [ -e web.dat.0004 ]; do
	rounds=$((rounds * 2)); rm -f web.dat.0*
	[ $rounds -lt 1000000 ] || { fail "no four segments of 400 KiB with $rounds round trips"; exit 1; }
done
"$binary" import web.dat -o all.db 2>notes || { cat notes; exit 1; }
theirs=0
for file in web.dat.0*; do
	theirs=$((theirs + $(trace-cmd report "$file" 2>/dev/null | grep -cE '\[[0-9]+\] +[0-9.]+: ')))
done
ours=$(ask all.db 'SELECT sum(count) FROM source_count')
[ "$ours" = "$theirs" ] || fail "$ours events, trace-cmd counts $theirs"
[ "$(ask all.db 'SELECT count(*) FROM lost')" = 0 ] || fail "events lost between segments"
[ "$(ask all.db "SELECT count(*) FROM import_log WHERE text LIKE '%cut by lost%' OR text LIKE '%clock went back%'")" = 0 ] ||
	fail "the segments do not join: $(ask all.db 'SELECT * FROM import_log')"
grep -q "segments of one recording" notes || fail "no word about segments: $(cat notes)"
"$binary" info --check all.db >/dev/null 2>&1 || fail "info --check"

# named one by one, in any order: the same store to the byte, but for the name of its source
"$binary" import -q $(printf '%s\n' web.dat.0* | sort -r) -o named.db || fail "import of named segments"
for table in sched_switch sched_wakeup task membership counter knob stream_block; do
	[ "$(ask all.db "SELECT * FROM $table" | cksum)" = "$(ask named.db "SELECT * FROM $table" | cksum)" ] ||
		fail "$table differs when the segments are named in another order"
done

# a hole: told, counted as lost, and no more
mkdir hole && cp web.dat.0* hole && rm hole/web.dat.0002
"$binary" import hole/web.dat -o hole.db 2>notes || { cat notes; fail "import with a hole"; }
grep -q "1 between them is missing" notes || fail "the hole is not told: $(cat notes)"
ask hole.db 'SELECT text FROM import_log' | grep -q "segment 2 of the recording is missing" || fail "the log does not name segment 2"
[ "$(ask hole.db 'SELECT count(*) FROM lost')" -ge 1 ] || fail "no lost span for the hole"
"$binary" import -q --max-lost 0 hole/web.dat -o no.db 2>notes
[ $? = 3 ] && [ ! -e no.db ] || fail "--max-lost 0 let the hole through: $(cat notes)"
rm hole/web.dat.0001
"$binary" import -q hole/web.dat -o late.db || fail "import without the first two"
ask late.db 'SELECT text FROM import_log' | grep -q "segments 1 to 2 of the recording are not there" || fail "removed segments are not told"
[ "$(ask late.db 'SELECT count(*) FROM lost')" = 0 ] || fail "removed segments counted as lost"

# another recording under the same name: the later one is taken; both together are refused
record web.dat 2000
later=$(printf '%s\n' web.dat.0* | tail -n 1)
"$binary" import -q web.dat -o later.db || fail "import of the later recording"
ask later.db 'SELECT text FROM import_log' | grep -q "earlier recordings" || fail "the earlier recording is not told"
"$binary" import -q web.dat.0001 "$later" -o no.db 2>notes
[ $? = 3 ] && grep -q "not segments of one recording" notes || fail "two recordings taken for one: $(cat notes)"
"$binary" import -q web.dat.0001 web.dat.0001 -o no.db 2>notes
[ $? = 3 ] && grep -q "both have the same number" notes || fail "one segment twice: $(cat notes)"
"$binary" import -q nothing.dat -o no.db 2>notes
[ $? = 3 ] && grep -q "nothing.dat: cannot open" notes || fail "a name that is not there: $(cat notes)"
[ $status = 0 ] && echo "segments: $ours events of $(printf '%s\n' web.dat.0* | wc -l) files, as trace-cmd counts them"
exit $status
