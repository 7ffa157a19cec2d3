# What the other guest tests rely on: cgroup v2 with its controllers, kprobes, tracefs, MGLRU switch, zram swap,
# throttling as on hardware, and a program of ours that runs.
set -eu
. /job/truth/lab.sh
lab_find
[ "$LAB_MODE" = v2 ]
echo "kernel $(uname -r), controllers: $(cat /sys/fs/cgroup/cgroup.controllers)"
echo 'p:cgrlab/charge try_charge_memcg memcg=$arg1 gfp=$arg2:u32 nr=$arg3:u32' >>/sys/kernel/tracing/kprobe_events
[ -d /sys/kernel/tracing/events/cgrlab/charge ]
echo '-:cgrlab/charge' >>/sys/kernel/tracing/kprobe_events
echo "mglru $(cat /sys/kernel/mm/lru_gen/enabled)"
swap_on 256
grep -q zram0 /proc/swaps
cgreplay --version
lab_make ''
lab_set '' cpu.max '50000 100000'
(echo 0 >/sys/fs/cgroup/cgrlab/cgroup.procs; exec cgr-load periodic burn_usec=5000 sleep_usec=3000 msec=3000)
lab_counters '' | tee "$OUT/counters"
lab_remove
awk '$1 == "cpu.stat.nr_periods" { p = $2 } $1 == "cpu.stat.nr_throttled" { t = $2 } END { exit !(p >= 28 && t > p * 0.8) }' "$OUT/counters"
