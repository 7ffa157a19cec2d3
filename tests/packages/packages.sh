#!/usr/bin/env bash
# packages.sh BUILD SOURCE: makes the Debian packages, installs them into an empty root and uses what is there: the
# program, the manual, completion in three shells, the headers for models. Prints TAP.
set -u
build=$(readlink -f "$1") source=$(readlink -f "$2")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
number=0 failed=0
ok() { number=$((number + 1)); echo "ok $number - $1"; }
no() { number=$((number + 1)); failed=1; echo "not ok $number - $1"; shift; printf '# %s\n' "$@"; }
skip() { number=$((number + 1)); echo "ok $number - $1 # SKIP $2"; }
check() { local name=$1; shift; if "$@" >"$work/log" 2>&1; then ok "$name"; else no "$name" "$(tail -n 5 "$work/log")"; fi; }
command -v dpkg-deb >/dev/null || { echo '1..0 # SKIP no dpkg here'; exit 0; }
command -v dpkg-shlibdeps >/dev/null || { echo '1..0 # SKIP no dpkg-shlibdeps here (Debian package dpkg-dev)'; exit 0; }

check 'cpack makes the packages' sh -c "cd '$build' && cpack -G DEB -B '$work/out'"
runtime=$(echo "$work"/out/cgreplay_*.deb) dev=$(echo "$work"/out/cgreplay-dev_*.deb)
check 'runtime depends on its libraries' sh -c "dpkg-deb -f '$runtime' Depends | grep -q libsqlite3-0"
check 'dev depends on runtime of the same version' sh -c "dpkg-deb -f '$dev' Depends | grep -q '^cgreplay (= '"

# --- what Debian's own checker says
if command -v lintian >/dev/null; then
	for package in "$runtime" "$dev"; do
		lintian --allow-root --fail-on error,warning "$package" >"$work/log" 2>&1 && ok "lintian $(basename "$package")" ||
			no "lintian $(basename "$package")" "$(cat "$work/log")"
	done
else
	skip 'lintian' 'no lintian here'
fi

# --- into an empty root. The libraries are this machine's: dpkg is told not to look for their packages there.
mkdir -p "$root/var/lib/dpkg/updates" "$root/var/lib/dpkg/info" "$root/etc"
: >"$root/var/lib/dpkg/status"
if [ "$(id -u)" = 0 ]; then
	check 'dpkg installs both' dpkg --root="$root" --force-depends --force-script-chrootless --log=/dev/null -i "$runtime" "$dev"
	check 'both are installed' sh -c "[ \$(dpkg-query --admindir='$root/var/lib/dpkg' -W -f '\${db:Status-Status}\n' | grep -c '^installed$') = 2 ]"
else
	check 'unpacked (no root here)' sh -c "dpkg-deb -x '$runtime' '$root' && dpkg-deb -x '$dev' '$root'"
fi
export PATH="$root/usr/bin:$PATH"
check 'the installed program runs' sh -c "[ \$(command -v cgreplay) = '$root/usr/bin/cgreplay' ] && cgreplay --version"

# --- manual: a page for every command, every option in it, and no page for what does not exist
page() { zcat "$root/usr/share/man/man1/$1.1.gz" | man -l - 2>/dev/null | col -bx; }
if command -v man >/dev/null; then
	while IFS=$'\t' read -r command _; do
		if ! page "cgreplay-$command" >"$work/page" 2>/dev/null || [ ! -s "$work/page" ]; then
			no "man cgreplay-$command" 'no page'
			continue
		fi
		missing=
		while IFS=$'\x1f' read -r option letter _; do
			grep -qE -- "(^|[ ,])--$option( |$|,)" "$work/page" || missing+=" --$option"
			[ -z "$letter" ] || grep -qE -- "(^|[ ,])-$letter," "$work/page" || missing+=" -$letter"
		done < <(CGREPLAY_LIST_OPTIONS=1 cgreplay "$command" 2>/dev/null </dev/null | tr '\t' '\037')
		for section in NAME SYNOPSIS DESCRIPTION; do grep -q "^$section" "$work/page" || missing+=" $section"; done
		if [ -z "$missing" ]; then ok "man cgreplay-$command has every option"; else no "man cgreplay-$command" "missing:$missing"; fi
		page cgreplay | grep -q "^ *$command\$" || no "man cgreplay names $command" 'not in COMMANDS'
	done < <(cgreplay completion --commands)
	check 'the exit statuses are in the manual' sh -c "zcat '$root/usr/share/man/man1/cgreplay.1.gz' | man -l - | grep -q 'lossier'"
	check 'man cgreplay-rules' sh -c "zcat '$root/usr/share/man/man5/cgreplay-rules.5.gz' | man -l - | grep -q against"
else
	skip 'manual' 'no man here (Debian package man-db)'
fi

# --- completion, as the shells load it from where the package puts it
bash_complete() { # WORD...: completes the last word
	bash --norc -c '
		source "$1"; shift
		COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
		_cgreplay; printf "%s\n" "${COMPREPLY[@]}"' - "$root/usr/share/bash-completion/completions/cgreplay" "$@"
}
check 'bash completes commands' sh -c '[ "$1" = report ]' - "$(bash_complete cgreplay repo)"
check 'bash completes options' sh -c '[ "$1" = --baseline ]' - "$(bash_complete cgreplay check --base)"
check 'bash completes choices' sh -c '[ "$1" = json ]' - "$(bash_complete cgreplay report --format j)"
touch "$work/some-file.db"
check 'bash completes files' sh -c '[ "$1" = "$2/some-file.db" ]' - "$(bash_complete cgreplay report "$work/some")" "$work"
if command -v fish >/dev/null; then
	fish_complete() { HOME=$work fish --no-config -c "source $root/usr/share/fish/vendor_completions.d/cgreplay.fish; complete -C '$1'" | cut -f1; }
	check 'fish completes commands' sh -c '[ "$1" = report ]' - "$(fish_complete 'cgreplay repo')"
	check 'fish completes options' sh -c '[ "$1" = --baseline ]' - "$(fish_complete 'cgreplay check --base')"
	check 'fish completes choices' sh -c 'echo "$1" | grep -qx json' - "$(fish_complete 'cgreplay report --format j')"
else
	skip 'fish completion' 'no fish here'
fi
if command -v zsh >/dev/null; then
	# compadd is what every completion ends in; here it prints what it was given
	zsh_complete() {
		zsh -f -c '
			compdef() { :; }; _files() { print files; }
			_describe() { local -a list; list=("${(@P)2}"); print -l -- ${list%%:*}; }
			source "$1"; shift
			words=("$@") CURRENT=$#
			_cgreplay' - "$root/usr/share/zsh/vendor-completions/_cgreplay" "$@"
	}
	check 'zsh completes commands' sh -c 'echo "$1" | grep -qx report' - "$(zsh_complete cgreplay repo)"
	check 'zsh completes options' sh -c 'echo "$1" | grep -qx -- --baseline' - "$(zsh_complete cgreplay check --base)"
	check 'zsh completes choices' sh -c 'echo "$1" | grep -qx json' - "$(zsh_complete cgreplay report --format j)"
else
	skip 'zsh completion' 'no zsh here'
fi

# --- a model built against the installed headers only, loaded by the installed program
export PKG_CONFIG_PATH=$root/usr/share/pkgconfig
check 'pkg-config finds the headers' pkg-config --exists cgr-model
sed 's/cgr_cpu_fifo/cgr_cpu_outside/g; s/\.name = "fifo"/.name = "outside"/' "$source/model/cpu/fifo.c" >"$work/outside.c"
echo 'CGR_MODEL_PLUGIN(cgr_cpu_outside);' >>"$work/outside.c"
# shellcheck disable=SC2046
check 'a model builds outside the tree' gcc -std=gnu17 -Wall -Wextra -Werror -fPIC -shared $(pkg-config --cflags cgr-model) -o "$work/outside.so" "$work/outside.c"
check 'and is loaded' sh -c "cgreplay models --model '$work/outside.so' | grep -q outside"
# a copy that kept the name of its table, as docs/writing-a-model.md has it, is the copy and not the program's own
sed 's/cgr_cpu_outside/cgr_cpu_fifo/' "$work/outside.c" >"$work/copy.c"
check 'under the name of an in-tree table, too' gcc -std=gnu17 -Wall -Wextra -Werror -fPIC -shared $(pkg-config --cflags cgr-model) -o "$work/copy.so" "$work/copy.c"
check 'and is the one that is loaded' sh -c "cgreplay models --model '$work/copy.so' | grep -q outside"

echo "1..$number"
exit $failed
