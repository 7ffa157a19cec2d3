#!/usr/bin/env bash
# pipeline.sh CGREPLAY LOAD: takes the commands of docs/ci/github.yml and gitlab.yml as they stand there and runs them like a
# runner would, in a checkout with a load test of ours: the first run becomes the baseline, an unchanged one passes, one that
# burns half as much again is stopped. Needs root and tracefs.
set -u
cgreplay=$(readlink -f "$1") load=$(readlink -f "$2")
source=$(readlink -f "$(dirname "$0")/../..")
export LAB_TOP=loadtest
# shellcheck source=tests/truth/lab.sh
. "$source/tests/truth/lab.sh"
lab_find
[ -w /sys/kernel/tracing/instances ] || lab_skip "needs tracefs at /sys/kernel/tracing"
for dir in $(lab_dirs ''); do [ ! -e "$dir" ] || lab_skip "this machine has a cgroup /loadtest already"; done
work=$(mktemp -d)
trap 'lab_remove; rm -rf "$work"' EXIT
number=0 failed=0
mkdir -p "$work/bin"
ln -s "$cgreplay" "$work/bin/cgreplay"
printf '#!/bin/sh\nexec "$@"\n' >"$work/bin/sudo" # a container has none, and this is root
chmod +x "$work/bin/sudo"
export PATH=$work/bin:$PATH LOAD=$load

# What a runner runs: `run: LINE` of GitHub's steps, the list below `script:` of GitLab's job.
commands() { # FILE
	case $1 in
	*github.yml) sed -n 's/^ *run: //p' "$1" ;;
	*) awk '/^ *script:/ { on = 1; next } on && /^ *- / { sub(/^ *- /, ""); print; next } { on = 0 }' "$1" ;;
	esac
}
job() { # FILE BURN_USEC: status of the job, which ends at the first command that fails
	local line
	lab_remove
	lab_make ''
	# the load test of the project: it moves itself into its cgroup, takes memory and works
	cat >run-load-test.sh <<SH
#!/bin/sh
for dir in $(lab_dirs '' | tr '\n' ' '); do echo \$\$ >"\$dir/cgroup.procs"; done
"\$LOAD" ramp mib=16 >/dev/null # so that the peak is not that of the program's own file, which another may have paid for
exec "\$LOAD" periodic threads=1 burn_usec=$2 sleep_usec=3000 count=150 >/dev/null
SH
	chmod +x run-load-test.sh
	while IFS= read -r line; do
		sh -e -c "$line" >out 2>err </dev/null || return
	done < <(commands "$1")
}
expect() { # NAME WANTED GOT
	number=$((number + 1))
	if [ "$2" = "$3" ]; then echo "ok $number - $1"; else
		failed=1
		echo "not ok $number - $1: exit $3, expected $2"
		sed 's/^/# /' out err | head -n 40
	fi
}

for file in github.yml gitlab.yml; do
	rm -rf "$work/checkout"
	mkdir -p "$work/checkout/docs" "$work/checkout/ci"
	cp -r "$source/docs/ci" "$work/checkout/docs/ci"
	cp "$source/docs/ci/rules.yaml" "$work/checkout/ci/rules.yaml"
	# bounds for a machine that does other work beside
	sed -i 's/tolerance: 5%/tolerance: 50%/; s/tolerance: 10%/tolerance: 25%/' "$work/checkout/ci/rules.yaml"
	cd "$work/checkout" || exit 4
	[ "$(commands "docs/ci/$file" | wc -l)" = 2 ] || { echo "Bail out! docs/ci/$file has not two commands"; exit 1; }
	job "docs/ci/$file" 4000; expect "$file: the first run becomes the baseline" 0 $?
	job "docs/ci/$file" 4000; expect "$file: an unchanged run passes" 0 $?
	job "docs/ci/$file" 6000; expect "$file: half as much CPU again stops it" 1 $?
	[ -s report.html ] && [ -s check.xml ]; expect "$file: report and JUnit are there to be kept" 0 $?
done
echo "1..$number"
exit $failed
