# however a sweep is run (threads, shards, killed and resumed), its results store is the same file
. "$SOURCE/tests/golden/lib.bash"
sample periodic-service
grid=(sweep periodic-service.db --vary '/cgrlab:cpu.max=20000..80000/4' --vary '/cgrlab:cpu.weight=50,100' --seeds 2 -q)
"$CGREPLAY" "${grid[@]}" -j 1 -o one.db
"$CGREPLAY" "${grid[@]}" -j 2 -o two.db
cmp one.db two.db && echo 'threads: the same bytes'
for i in 1 2 3 4; do "$CGREPLAY" "${grid[@]}" --shard $i/4 -o part$i.db; done
"$CGREPLAY" merge part3.db part1.db part4.db part2.db -o merged.db
cmp one.db merged.db && echo 'shards: the same bytes'
# what a killed process left: the journal of a database that is gone, and a store half made by one of the same number
sqlite3 -cmd 'PRAGMA cache_size=1' orphan.db 'CREATE TABLE t(x)' 'BEGIN' \
	'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50) INSERT INTO t SELECT randomblob(9000) FROM n' \
	'.shell cp orphan.db-journal left.db-journal' 'ROLLBACK' >/dev/null
bash -c 'cp part1.db left.db.cgr-tmp-$$; cp left.db-journal left.db.cgr-tmp-$$-journal; exec "$0" merge part[1-4].db -o left.db' "$CGREPLAY"
cmp one.db left.db && [ "$(echo left.db*)" = left.db ] && echo 'beside what was left behind: the same bytes'
sqlite3 -readonly left.db 'PRAGMA integrity_check'
ln -s behind.db taken.db # a name that is taken, though nothing is there to open
"$CGREPLAY" merge part[1-4].db -o taken.db
[ -L taken.db ] && cmp one.db behind.db && [ "$(echo taken.db*)" = taken.db ] && echo 'a taken name is not replaced'
"$CGREPLAY" "${grid[@]}" -j 1 -o resumed.db &
until [ -s resumed.db ] && [ "$(sqlite3 -readonly resumed.db 'SELECT count(*) FROM run' 2>/dev/null || echo 0)" -ge 2 ] || ! kill -0 $! 2>/dev/null; do sleep 0.02; done
kill -KILL $! 2>/dev/null
wait $! 2>/dev/null
"$CGREPLAY" "${grid[@]}" -o resumed.db
cmp one.db resumed.db && echo 'killed and resumed: the same bytes'
"$CGREPLAY" report one.db --format csv | cut -d, -f1,2,3 | grep nr_throttled
sqlite3 one.db 'SELECT DISTINCT command FROM run'
echo '--- a sweep prints its runs when it is asked to'
"$CGREPLAY" "${grid[@]}" -o one.db --format csv | cut -d, -f1,2,3 | grep nr_throttled | head -n 1
"$CGREPLAY" "${grid[@]}" -o one.db --format json | grep -c '"run":'
echo '--- completion is called so in rules too'
printf 'rules:\n  - metric: completion\n    cgroup: /cgrlab\n    run: "*=20000*"\n    min: 1s\n' >rules.yaml
"$CGREPLAY" check one.db --rules rules.yaml | mask
echo '--- each curve of a grid says which line of it it is'
"$CGREPLAY" report one.db -o page.html && grep -oE '"fixed":\[[^]]*\]' page.html | sort -u | head -n 3
