#!/usr/bin/env bash
# docs.sh CGREPLAY SOURCE: runs what the documents tell a reader to run, command by command, in an empty folder beside a link
# to the samples, and compares what is seen with what they print. Numbers are masked: predictions move when a model gets
# better. In an indented block a line "$ COMMAND" is run (a heredoc ends with END), the lines after it are its output, "..."
# stands for any lines or words. "# COMMAND" is run too where this is root with tracefs, in a cgroup of its own and for a
# second. Prints TAP.
set -u
cgreplay=$(readlink -f "$1") source=$(readlink -f "$2")
export LC_ALL=C NO_COLOR=1 PATH=$(dirname "$cgreplay"):$PATH
# shellcheck source=tests/golden/lib.bash
. "$source/tests/golden/lib.bash"
work=$(mktemp -d)
number=0 failed=0 group=cgrdocs-$$ memory=
finish() {
	[ -z "$memory" ] || rmdir "$memory/$group" 2>/dev/null
	rm -rf "$work"
}
trap finish EXIT

root_ready() {
	[ "$(id -u)" = 0 ] || return 1
	[ -n "$(awk '$3 == "tracefs" { print $2; exit }' /proc/mounts)" ] || return 1
	memory=$(awk '$3 == "cgroup" && $4 ~ /(^|,)memory(,|$)/ { print $2; exit } $3 == "cgroup2" { two = $2 } END { if (two) print two }' /proc/mounts | head -n 1)
	[ -n "$memory" ] && mkdir -p "$memory/$group" 2>/dev/null
}

matches() { # GOT-FILE EXPECTED-FILE: line by line; "..." alone is any number of lines, inside a line any words
	mask <"$1" >"$work/.got"
	mask <"$2" >"$work/.want"
	awk '
		function like(line, glob) {
			gsub(/[][\\.^$*+?(){}|]/, "\\\\&", glob)
			gsub(/\\\.\\\.\\\. /, "(.* )?", glob); gsub(/ \\\.\\\.\\\./, "( .*)?", glob)
			return line ~ "^" glob "$"
		}
		NR == FNR { want[++wanted] = $0; next }
		{ got[++found] = $0 }
		function fits(i, j) { # got from i on against want from j on
			if (j > wanted) return i > found
			if (want[j] ~ /^ *\.\.\.$/) {
				for (; i <= found + 1; i++) if (fits(i, j + 1)) return 1
				return 0
			}
			return i <= found && like(got[i], want[j]) && fits(i + 1, j + 1)
		}
		END { exit !fits(1, 1) }' "$work/.want" "$work/.got"
}

run() { # FILE:LINE PROMPT COMMAND; expected output in $work/.expected
	local command=$3
	if [ "$2" = '#' ]; then
		if ! root_ready; then
			number=$((number + 1)); echo "ok $number - $1 # SKIP needs root, tracefs and a memory cgroup"
			return
		fi
		command=${command//\/web/\/$group}
		command=${command/-d 60s/-d 1s}
	fi
	number=$((number + 1))
	(cd "$work/here" && bash -c "$command") >"$work/.out" 2>&1 </dev/null
	if matches "$work/.out" "$work/.expected"; then echo "ok $number - $1 $command" | head -n 1; else
		failed=1
		echo "not ok $number - $1 $command" | head -n 1
		diff "$work/.want" "$work/.got" | sed 's/^/# /' | head -n 40
	fi
}

walk() { # FILE: its blocks from top to bottom
	local line prompt= command= at=0 n=0 here=
	mkdir -p "$work/here"
	ln -sfn "$source/samples" "$work/here/samples"
	while IFS= read -r line || [ -n "$line" ]; do
		n=$((n + 1))
		if [ -n "$here" ]; then
			command+=$'\n'${line#    }
			[ "$line" != '    END' ] || here=
			continue
		fi
		if [[ $line == '    '[\$\#]' '* || ( -n $line && $line != '    '* ) ]] && [ -n "$prompt" ]; then
			# blank lines at the end belong to the text, not to the output
			sed -i -e :a -e '/^\n*$/{$d;N;ba' -e '}' "$work/.expected"
			run "$1:$at" "$prompt" "$command"
			prompt=
		fi
		if [[ $line == '    '[\$\#]' '* ]]; then
			prompt=${line:4:1} command=${line:6} at=$n
			: >"$work/.expected"
			[[ $command != *"<<'END'"* ]] || here=1
		elif [ -n "$prompt" ]; then
			printf '%s\n' "${line#    }" >>"$work/.expected"
		fi
	done <"$source/$1"
	rm -rf "$work/here"
}

for file in README.md docs/tutorial.md; do walk "$file"; done
echo "1..$number"
exit $failed
