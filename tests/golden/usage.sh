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
