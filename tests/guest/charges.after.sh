# charges.after.sh OUT BUILD: what the kprobes of the guest recorded, added up per cgroup, beside the kernel's own
# counters at the end (memory.peak, memory.stat): within 1 %.
set -eu
out=$1 build=$2
"$build/cgreplay" import "$out/charges.dat" -o "$out/charges.db"
"$build/cgreplay" info "$out/charges.db" | grep -q 'none lost' || { echo "events were lost"; exit 1; }
"$build/cgreplay" verify --tolerance 1 "$out/charges.db"
