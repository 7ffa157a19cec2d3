#!/usr/bin/env bash
# cli.sh CGREPLAY STORES-FOLDER: report, check and compare as CI scripts use them. Prints TAP.
set -u
cgreplay=$(readlink -f "$1")
stores=$(readlink -f "$2")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 4
export NO_COLOR=1 LC_ALL=C
number=0 failed=0

expect() { # NAME STATUS COMMAND...: runs, keeps stdout in out and stderr in err
	local name=$1 want=$2 got
	shift 2
	"$@" >out 2>err
	got=$?
	number=$((number + 1))
	if [ $got = "$want" ]; then echo "ok $number - $name"; else
		failed=1
		echo "not ok $number - $name: exit $got, expected $want"
		sed 's/^/# /' out err | head -n 20
	fi
}
has() { # NAME FILE TEXT
	number=$((number + 1))
	if grep -qF -- "$3" "$2"; then echo "ok $number - $1"; else
		failed=1
		echo "not ok $number - $1: no '$3' in $2"
		sed 's/^/# /' "$2" | head -n 20
	fi
}
rules() { printf '%s\n' "$@" >rules.yaml; }

# --- report
expect 'report writes a page' 0 "$cgreplay" report "$stores/good.db" -o page.html
expect 'the same bytes again' 0 "$cgreplay" report "$stores/good.db" -o page2.html
has 'the page says how it was made' page.html 'cgreplay report '
sed -i 's/page2.html/page.html/' page2.html
expect 'byte-stable' 0 cmp page.html page2.html
expect 'report writes CSV' 0 "$cgreplay" report "$stores/sweep.db" --csv sheets
has 'metrics.csv has its columns' sheets/metrics.csv 'run,cgroup,metric,unit,recorded,predicted,low,high,class'
expect 'twelve runs' 0 test "$(tail -n +2 sheets/runs.csv | wc -l)" = 12
expect 'one run of many' 0 "$cgreplay" report "$stores/sweep.db" --run memory.max=32M
has 'its verdict' out 'not safe: 1 killed'
expect 'JSON on stdout' 0 "$cgreplay" report "$stores/good.db" --format json
has 'schema version' out '"schema_version": 1'
expect 'an unknown run' 2 "$cgreplay" report "$stores/good.db" --run nonsense
expect 'a missing store' 3 "$cgreplay" report missing.db -o x.html
expect 'no page left behind' 1 test -e x.html
echo 'not a store' >junk.db
expect 'a file that is no store' 3 "$cgreplay" report junk.db -o x.html
expect 'a folder that cannot be written' 4 "$cgreplay" report "$stores/good.db" -o no/such/folder/x.html
expect 'no argument' 2 "$cgreplay" report

# --- check
rules 'rules:' '  - name: nothing is killed' '    metric: memory.events.oom_kill' '    max: 0'
expect 'a rule kept' 0 "$cgreplay" check "$stores/good.db" --rules rules.yaml
expect 'a rule broken by one of many runs' 1 "$cgreplay" check "$stores/sweep.db" --rules rules.yaml --junit junit.xml
has 'facts in the table' out 'BROKEN nothing is killed: memory.max=32M /web memory.events.oom_kill 1 <= 0'
expect 'JUnit is XML' 0 xmllint --noout junit.xml
expect 'one failure in JUnit' 0 test "$(xmllint --xpath 'count(//testcase/failure)' junit.xml)" = 1
has 'facts in the body' junit.xml 'actual: 1'
expect 'TAP' 1 "$cgreplay" check "$stores/sweep.db" --rules rules.yaml --format tap
has 'TAP version' out 'TAP version 14'
has 'TAP failure' out 'not ok 2 - nothing is killed'
expect 'CSV' 1 "$cgreplay" check "$stores/sweep.db" --rules rules.yaml --format csv
has 'its columns' out 'passed,rule_line,rule,run,cgroup,metric,unit,actual,low,high,base,limit'
has 'its failure' out '0,2,nothing is killed,memory.max=32M,/web,memory.events.oom_kill,count,1,'
rules 'rules:' '  - metric: cpu.stat.throttled_usec' '    cgroup: /web' '    against: baseline'
expect 'baseline equal to itself' 0 "$cgreplay" check "$stores/good.db" --rules rules.yaml --baseline "$stores/good.db"
expect 'noise is no regression' 0 "$cgreplay" check "$stores/noise.db" --rules rules.yaml --baseline "$stores/good.db"
expect 'a regression is' 1 "$cgreplay" check "$stores/worse.db" --rules rules.yaml --baseline "$stores/good.db"
has 'with its change' out '+80.0 %'
expect 'getting better is fine' 0 "$cgreplay" check "$stores/good.db" --rules rules.yaml --baseline "$stores/worse.db"
expect 'no baseline given' 2 "$cgreplay" check "$stores/good.db" --rules rules.yaml
rules 'rules:' '  - metric: cpu.stat.throttled_usec' '    against: baseline' '    tolerance: 100%' '    cgroup: /web'
expect 'a wider tolerance' 0 "$cgreplay" check "$stores/worse.db" --rules rules.yaml --baseline "$stores/good.db"
expect 'update the baseline' 0 "$cgreplay" check "$stores/worse.db" --rules rules.yaml --baseline base.db --update-baseline
rules 'rules:' '  - metric: cpu.stat.throttled_usec' '    against: baseline' '    cgroup: /web' '    strict: true' '    tolerance: 0%' '    slack: 0'
expect 'which now is the new one' 0 "$cgreplay" check "$stores/worse.db" --rules rules.yaml --baseline base.db
expect 'strict means strict' 1 "$cgreplay" check "$stores/noise.db" --rules rules.yaml --baseline "$stores/good.db"
rules 'rules:' '  - metric: memory.peak' '    cgroup: /web' '    max: 256M' '  - metric: cpu.stat.throttled_usec' '    cgroup: /web' '    max: 8s'
expect 'limits with units' 0 "$cgreplay" check "$stores/good.db" --rules rules.yaml
rules 'rules:' '  - metric: cpu.stat.throttled_usec' '    against: baseline' '    cgroup: /web' '    worse: lower'
expect 'a direction of its own' 1 "$cgreplay" check "$stores/good.db" --rules rules.yaml --baseline "$stores/worse.db"
for pattern in '/w* 1' 'web 0' 'w*b 1' '/web/* 0' '/web/** 1' '/* 2' '* 3'; do # as in a scenario
	rules 'rules:' '  - metric: memory.peak' "    cgroup: '${pattern% *}'" '    min: 1'
	"$cgreplay" check "$stores/good.db" --rules rules.yaml --format csv >found 2>/dev/null
	expect "pattern ${pattern% *} takes ${pattern#* } cgroups" 0 test "$(grep -c '^1,' found)" = "${pattern#* }"
done
rules 'rules:' '  - metric: memory.peek' '    max: 1'
expect 'unknown metric' 2 "$cgreplay" check "$stores/good.db" --rules rules.yaml
has 'place, what is wrong, remedy' err "rules.yaml:2:5: unknown metric 'memory.peek'; did you mean 'memory.peak'?"
rules 'rules:' '  - metric: memory.peak' '    cgroup: /nobody' '    max: 1'
expect 'empty match' 2 "$cgreplay" check "$stores/good.db" --rules rules.yaml
rules 'rules: []'
expect 'zero rules' 2 "$cgreplay" check "$stores/good.db" --rules rules.yaml
rules 'rules:' '  - metric: memory.peak'
expect 'a rule that checks nothing' 2 "$cgreplay" check "$stores/good.db" --rules rules.yaml
rules 'rules:' '  - metric: memory.peak' '    maxx: 3'
expect 'unknown key' 2 "$cgreplay" check "$stores/good.db" --rules rules.yaml
has 'place and remedy' err "rules.yaml:3:5: unknown key 'maxx' in a rule; did you mean max?"
rules 'rules:' '  - metric: [memory.peak' '    max: 3'
expect 'not YAML' 2 "$cgreplay" check "$stores/good.db" --rules rules.yaml
rules 'rules:' '  - metric: memory.peak' '    max: 3' '    max: 4'
expect 'a key twice' 2 "$cgreplay" check "$stores/good.db" --rules rules.yaml
has 'both places' err "rules.yaml:4:5: 'max' stands here already, in line 3"
expect 'no rules file' 2 "$cgreplay" check "$stores/good.db"

# --- compare
expect 'a run with itself' 0 "$cgreplay" compare "$stores/good.db" "$stores/good.db"
expect 'noise' 0 "$cgreplay" compare "$stores/good.db" "$stores/noise.db"
expect 'a difference' 1 "$cgreplay" compare "$stores/good.db" "$stores/worse.db"
has 'worse' out 'worse'
expect 'two runs of one store' 1 "$cgreplay" compare "$stores/sweep.db" memory.max=512M memory.max=32M
has 'kills' out 'memory.events.oom_kill'
expect 'CSV' 1 "$cgreplay" compare "$stores/good.db" "$stores/worse.db" --format csv
has 'columns' out 'cgroup,metric,unit,a,a_low,a_high,b,b_low,b_high,verdict'
expect 'JSON' 1 "$cgreplay" compare "$stores/good.db" "$stores/worse.db" --format json
has 'verdict' out '"verdict": "worse"'
expect 'many runs need names' 2 "$cgreplay" compare "$stores/sweep.db" "$stores/good.db"
expect 'two arguments at least' 2 "$cgreplay" compare "$stores/good.db"

echo "1..$number"
exit $failed
