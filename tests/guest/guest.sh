#!/bin/bash
# A guest with Debian's own 6.1 kernel (CFS, cgroup v2, kprobes, MGLRU, zram swap) under QEMU's emulator.
#   guest.sh                      every test in tests/guest/*.test.sh, each in a boot of its own
#   guest.sh test NAME...         those
#   guest.sh run SCRIPT [OPTION]  boot, run SCRIPT with bash as root in /job, bring /out back
#     --with PATH    copy PATH into /job as well (again and again)
#     --out DIR      where /out of the guest goes (default build/guest/out)
#     --seconds N    give up after so long (default $CGR_GUEST_SECONDS or 500)
#     --memory MIB   of the guest (default 1024)        --append TEXT  more kernel command line
#     --steady       one CPU whose time is counted in instructions (2 ns each) instead of taken from the host's clock:
#                    nothing else that runs on the host shows inside
# Nothing of the kernel is kept in the repository: the package comes from apt by name.
set -euo pipefail
here=$(cd "$(dirname "$(readlink -f "$0")")" && pwd)
build=${CGR_BUILD:-$here/../../build}
[ -x "$build/cgreplay" ] || { echo "guest.sh: $build/cgreplay is not there; run ./dev build first" >&2; exit 2; }
build=$(readlink -f "$build")
work=${CGR_GUEST_DIR:-$build/guest}
modules=(virtio virtio_ring virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci virtio_blk zsmalloc zram lzo-rle)

skip() { echo "SKIP: $*" >&2; [ -z "${CGR_TRUTH_REQUIRED:-}" ] || exit 1; exit 77; }
need() { local tool; for tool in "$@"; do command -v "$tool" >/dev/null || skip "$tool is not installed (./dev guest installs it)"; done; }

fetch_kernel() { # sets kernel (image) and module_root; downloads and unpacks the package once
	local package file
	mkdir -p "$work/package"
	file=$(find "$work/package" -name 'linux-image-*.deb' | head -n 1)
	if [ -z "$file" ]; then
		package=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/.*Depends: \(linux-image-6[^ ]*\)$/\1/p' | head -n 1)
		[ -n "$package" ] || skip "apt knows no linux-image-cloud-amd64"
		(cd "$work/package" && apt-get download "$package" >/dev/null 2>&1) || skip "cannot download $package"
		file=$(find "$work/package" -name 'linux-image-*.deb' | head -n 1)
	fi
	[ -d "$work/kernel/boot" ] || { rm -rf "$work/kernel.tmp"; dpkg -x "$file" "$work/kernel.tmp"; mv "$work/kernel.tmp" "$work/kernel"; }
	kernel=$(find "$work/kernel/boot" -name 'vmlinuz-*')
	release=${kernel##*/vmlinuz-}
}

copy_program() { # PATH [NAME]: a program and the libraries it is linked with
	local library
	cp -L "$1" "$root/bin/${2:-${1##*/}}"
	{ ldd "$1" 2>/dev/null | grep -o '/[^ ]*' || true; } | while read -r library; do
		[ -e "$root$library" ] || { mkdir -p "$root${library%/*}"; cp -L "$library" "$root$library"; }
	done
}

copy_modules() {
	local name file from=$work/kernel/lib/modules/$release to=$root/lib/modules/$release
	mkdir -p "$to"
	cp "$from"/modules.builtin "$from"/modules.order "$to"
	for name in "${modules[@]}"; do
		file=$(find "$from" -name "$name.ko")
		[ -z "$file" ] || cp "$file" "$to/"
	done
	# what those need in turn; two rounds reach everything
	for _ in 1 2; do
		for name in $(find "$to" -name '*.ko' -exec modinfo -F depends {} + | tr ',' ' '); do
			[ -e "$to/$name.ko" ] || cp "$(find "$from" -name "$name.ko" -o -name "${name//_/-}.ko" | head -n 1)" "$to/$name.ko"
		done
	done
	cp "$from"/modules.builtin.modinfo "$to" 2>/dev/null || true
	depmod -b "$root" "$release"
}

make_initramfs() { # the files of the guest; kept out of the repository
	local name
	root=$work/root
	rm -rf "$root"
	mkdir -p "$root"/{bin,sbin,proc,sys,dev,tmp,out,data,etc,lib,lib64,usr/bin,run} "$root/job/truth"
	copy_program "$(command -v busybox)" busybox
	for name in $(busybox --list); do [ -e "$root/bin/$name" ] || ln -s busybox "$root/bin/$name"; done
	rm -f "$root/bin/bash" "$root/bin/find"
	copy_program "$(command -v bash)"
	copy_program "$(command -v find)" # -exec {} + as the laboratory uses it
	copy_program "$build/cgreplay"
	copy_program "$build/tests/cgr-load"
	for name in flock xz sqlite3 redis-server redis-benchmark redis-cli; do
		command -v "$name" >/dev/null || continue
		rm -f "$root/bin/$name"
		copy_program "$(command -v "$name")"
	done
	cp -r "$here"/../truth/{lab.sh,truth.sh,make-source.sh} "$root/job/truth/"
	cp "$here"/../truth/*.cases "$here"/../truth/*.sql "$root/job/truth/"
	cp "$here/init" "$root/init"
	echo 'root:x:0:0:root:/:/bin/bash' >"$root/etc/passwd"
	copy_modules
}

run_guest() { # SCRIPT OPTION...
	local script=$1 with=() out=$work/out seconds=${CGR_GUEST_SECONDS:-500} memory=1024 append= name
	local cpus=(-accel 'tcg,thread=multi' -smp 2)
	shift
	while [ $# -gt 0 ]; do
		case $1 in
		--with) with+=("$2") ;;
		--out) out=$2 ;;
		--seconds) seconds=$2 ;;
		--memory) memory=$2 ;;
		--append) append=$2 ;;
		--steady) cpus=(-accel 'tcg,thread=single' -icount shift=1,sleep=off -smp 1); shift; continue ;;
		*) echo "guest.sh: unknown option $1" >&2; exit 2 ;;
		esac
		shift 2
	done
	name=$(basename "$script" .sh)
	mkdir -p "$work" "$out"
	make_initramfs
	cp "$script" "$root/job/run.sh"
	for file in "${with[@]}"; do # as seen from the caller, or from here
		[ -e "$file" ] || file=$here/$file
		cp -r "$file" "$root/job/"
	done
	(cd "$root" && find . | cpio -o -H newc -R 0:0 --quiet | gzip -1) >"$work/$name.initramfs"
	truncate -s 0 "$work/$name.disk" "$work/$name.data"
	truncate -s 256M "$work/$name.disk"   # /out comes back as a tar on a raw disk
	truncate -s 2G "$work/$name.data"     # a file system for page cache that reclaim can really drop
	mkfs.ext4 -q -F "$work/$name.data"
	timeout "$seconds" qemu-system-x86_64 "${cpus[@]}" -cpu max -m "$memory" -nographic -no-reboot \
		-kernel "$kernel" -initrd "$work/$name.initramfs" -append "console=ttyS0 panic=-1 loglevel=3 cgroup_no_v1=all psi=1 $append" \
		-drive "file=$work/$name.disk,format=raw,if=virtio,cache=unsafe" \
		-drive "file=$work/$name.data,format=raw,if=virtio,cache=unsafe" -net none </dev/null |
		tee "$work/$name.console" | tr -d '\r' | sed -n 's/^guest| //p'
	rm -rf "${out:?}"/* "$work/$name.initramfs" "$work/$name.data"
	tar -C "$out" -xf "$work/$name.disk" 2>/dev/null || { tail -n 15 "$work/$name.console" >&2; echo "guest.sh: the guest left no output" >&2; return 4; }
	rm -f "$work/$name.disk"
	[ -s "$out/status" ] || { echo "guest.sh: the guest did not finish" >&2; return 4; }
	return "$(<"$out/status")"
}

need qemu-system-x86_64 busybox cpio dpkg-deb apt-get depmod modinfo mkfs.ext4
mkdir -p "$work"
fetch_kernel
command=${1:-test}
[ $# -eq 0 ] || shift
case $command in
run) run_guest "$@" ;;
test)
	status=0
	[ $# -gt 0 ] || for test in "$here"/*.test.sh; do test=${test##*/}; set -- "$@" "${test%.test.sh}"; done
	for test in "$@"; do
		rc=0
		# a test says in a line "# guest: OPTION..." what else its boot needs
		mapfile -t options < <(sed -n 's/^# guest: //p' "$here/$test.test.sh" | tr ' ' '\n')
		run_guest "$here/$test.test.sh" --out "$work/$test" "${options[@]}" || rc=$?
		[ $rc = 0 ] && echo "ok $test" || { echo "not ok $test (status $rc; console: $work/$test.test.console)"; status=1; }
		[ ! -e "$here/$test.after.sh" ] || bash "$here/$test.after.sh" "$work/$test" "$build" || { echo "not ok $test, on the host"; status=1; }
	done
	exit $status ;;
*) sed -n '2,11s/^# //p' "$0" >&2; exit 2 ;;
esac
