# unknown commands and options get a hint and exit 2; nothing goes to standard output
"$CGREPLAY" complation; echo "exit $?"
"$CGREPLAY" completion --comands; echo "exit $?"
"$CGREPLAY" completion ksh; echo "exit $?"
"$CGREPLAY" replay web.db --set; echo "exit $?"
"$CGREPLAY" replay web.db --seeds many; echo "exit $?"
"$CGREPLAY" replay -Q; echo "exit $?"
"$CGREPLAY" import -; echo "exit $?"
"$CGREPLAY" import - -o web.db; echo "exit $?"
"$CGREPLAY" import "$SOURCE/samples/spinner.dat" -o - -q; echo "exit $?"
"$CGREPLAY" --version
# what a command reads it does not write over
cp "$SOURCE/samples/spinner.dat" keep.dat
"$CGREPLAY" import -q keep.dat -o ./keep.dat; echo "exit $?"
cp "$STORES/good.db" keep.db && touch rules.yaml && ln keep.db link.db
"$CGREPLAY" report keep.db -o link.db; echo "exit $?"
"$CGREPLAY" check keep.db --rules rules.yaml --junit rules.yaml; echo "exit $?"
"$CGREPLAY" check keep.db --rules rules.yaml --baseline rules.yaml --update-baseline; echo "exit $?"
"$CGREPLAY" export keep.db --run 1 --to trace -o keep.db; echo "exit $?"
cmp keep.dat "$SOURCE/samples/spinner.dat" && cmp keep.db "$STORES/good.db" && [ ! -s rules.yaml ] && echo kept
"$CGREPLAY" info keep.db; echo "exit $?"
# a store whose end was cut off
"$CGREPLAY" import -q keep.dat -o cut.db && truncate -s 100000 cut.db
for command in "info cut.db" "replay cut.db" "sql cut.db .tables"; do "$CGREPLAY" $command; echo "exit $?"; done
head -c 20000 "$STORES/good.db" >cut.db && "$CGREPLAY" report cut.db; echo "exit $?"
: >empty.db && "$CGREPLAY" info empty.db; echo "exit $?"
"$CGREPLAY" record -o none.dat -d 0; echo "exit $?"
"$CGREPLAY" import -q "$SOURCE/samples/oom-ramp.dat" -o ramp.db
"$CGREPLAY" replay ramp.db --memory recorded --set '/cgrlab:memory.max=1M'; echo "exit $?"
# a range takes the units of --set
"$CGREPLAY" import -q "$SOURCE/samples/spinner.dat" -o spinner.db
"$CGREPLAY" sweep spinner.db --vary '/cgrlab:cpu.max=20%..100%/3' --seeds 1 -o grid.db -q; echo "exit $?"
"$CGREPLAY" sql grid.db 'SELECT name FROM run ORDER BY id' --format csv
"$CGREPLAY" sweep spinner.db --vary '/cgrlab:cpu.max=20%..1000m/3' --seeds 1 -o grid.db -q; echo "exit $?"
# colour: at a terminal, and not where NO_COLOR is set or the terminal cannot
colour() { script -qec "env -u NO_COLOR TERM=xterm $1 '$CGREPLAY' report '$STORES/good.db'" /dev/null </dev/null | grep -q $'\033' && echo "$1 colour" || echo "$1 plain"; }
for setting in TERM=xterm NO_COLOR=1 NO_COLOR= TERM=dumb; do colour "$setting"; done
