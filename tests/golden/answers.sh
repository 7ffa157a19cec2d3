# report, compare and check on runs written by hand: every byte
. "$SOURCE/tests/golden/lib.bash"
for store in good noise worse sweep; do cp "$STORES/$store.db" .; done
show() { echo "--- $*"; "$CGREPLAY" "$@"; echo "exit $?"; }
show report good.db
show report good.db --format csv
show compare good.db worse.db
show compare good.db noise.db
show compare good.db worse.db --format csv
"$CGREPLAY" report good.db --format json | head -n 80
"$CGREPLAY" compare good.db worse.db --format json | head -n 60
show compare sweep.db memory.max=512M memory.max=32M --format csv
printf '%s\n' 'rules:' '  - {name: nothing is killed, metric: memory.events.oom_kill, max: 0}' \
	'  - {metric: cpu.stat.throttled_usec, cgroup: /web, against: baseline}' >rules.yaml
show check worse.db --rules rules.yaml --baseline good.db --junit junit.xml
show check worse.db --rules rules.yaml --baseline good.db --format tap
echo '--- junit.xml'; cat junit.xml
