#!/usr/bin/env bash
# clean-root.sh BUILD SOURCE: installs the Debian packages with apt into a fresh Debian 12 root (debootstrap), dependencies from
# the same mirror as this machine's, and uses them there: man, completion in three shells, a replay, a model built against the
# dev package. Takes minutes and needs root, debootstrap and a package source, so it is a command of its own (./dev package
# --clean-root) and no part of ./dev test. Prints TAP.
set -u
build=$(readlink -f "$1") source=$(readlink -f "$2")
[ "$(id -u)" = 0 ] || { echo '1..0 # SKIP needs root'; exit 77; }
command -v debootstrap >/dev/null || { echo '1..0 # SKIP no debootstrap here'; exit 77; }
mirror=${CGR_MIRROR:-$(cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null |
	sed -nE 's/^(deb +(\[[^]]*\] +)?|URIs: *)([a-z+]+:[^ ]+).*/\3/p' | head -n 1)}
[ -n "$mirror" ] || { echo '1..0 # SKIP no package source found; set CGR_MIRROR'; exit 77; }
work=$(mktemp -d)
root=$work/root
finish() {
	umount "$root/proc" 2>/dev/null
	rm -rf --one-file-system "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM
number=0 failed=0
check() { # NAME COMMAND...
	local name=$1
	shift
	number=$((number + 1))
	if "$@" >"$work/log" 2>&1; then echo "ok $number - $name"; else
		failed=1
		echo "not ok $number - $name"
		tail -n 15 "$work/log" | sed 's/^/# /'
	fi
}
inside() { chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C DEBIAN_FRONTEND=noninteractive "$@"; }

check 'cpack makes the packages' sh -c "cd '$build' && cpack -G DEB -B '$work/out'"
check 'a fresh Debian 12' debootstrap --variant=minbase bookworm "$root" "$mirror"
mount -t proc proc "$root/proc"
cp /etc/apt/apt.conf.d/*proxy* "$root/etc/apt/apt.conf.d/" 2>/dev/null
# a minimal root leaves the manual out of every package
rm -f "$root"/etc/dpkg/dpkg.cfg.d/*
mkdir -p "$root/packages"
cp "$work"/out/*.deb "$root/packages/"
check 'apt installs both with what they depend on' inside sh -c 'apt-get update -qq && apt-get install -y -qq --no-install-recommends /packages/*.deb'
check 'tools to look at them with' inside apt-get install -y -qq --no-install-recommends man-db bash-completion zsh fish gcc libc6-dev pkg-config
check 'the program runs' inside cgreplay --version
check 'man cgreplay-replay' inside sh -c 'man cgreplay-replay | col -b 2>/dev/null | grep -q -- --until || man cgreplay-replay | grep -q until'
check 'man 5 cgreplay-rules' inside sh -c 'man 5 cgreplay-rules | grep -q against'
# shellcheck disable=SC2016
check 'bash completes' inside bash -c '. /usr/share/bash-completion/bash_completion; . /usr/share/bash-completion/completions/cgreplay
	COMP_WORDS=(cgreplay check --base) COMP_CWORD=2; _cgreplay; [ "${COMPREPLY[*]}" = --baseline ]'
check 'fish completes' inside fish -c 'complete -C "cgreplay check --base" | string match -q -- "--baseline*"'
check 'zsh finds the completion' inside zsh -fc 'fpath=(/usr/share/zsh/vendor-completions $fpath); autoload -Uz compinit; compinit -u; [[ -n ${_comps[cgreplay]} ]]'
cp "$source/samples/periodic-service.dat" "$root/root/"
check 'import and replay' inside sh -c 'cd && cgreplay import -q periodic-service.dat -o s.db && cgreplay replay -q s.db --set "/cgrlab:cpu.max=30000 100000" --seeds 1 -o runs.db && cgreplay report runs.db -o report.html && test -s report.html'
sed 's/cgr_cpu_fifo/cgr_cpu_outside/g; s/\.name = "fifo"/.name = "outside"/' "$source/model/cpu/fifo.c" >"$root/root/outside.c"
echo 'CGR_MODEL_PLUGIN(cgr_cpu_outside);' >>"$root/root/outside.c"
check 'a model against the dev package' inside sh -c 'cd && gcc -std=gnu17 -Wall -Wextra -Werror -fPIC -shared $(pkg-config --cflags cgr-model) -o outside.so outside.c && cgreplay replay -q s.db --model ./outside.so --seeds 1 >/dev/null'
check 'apt takes them away again' inside apt-get purge -y -qq cgreplay cgreplay-dev
echo "1..$number"
exit $failed
