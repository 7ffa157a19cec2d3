# unknown commands and options get a hint and exit 2; nothing goes to standard output
"$CGREPLAY" complation; echo "exit $?"
"$CGREPLAY" completion --comands; echo "exit $?"
"$CGREPLAY" completion ksh; echo "exit $?"
"$CGREPLAY" --version
