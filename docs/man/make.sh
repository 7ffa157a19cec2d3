#!/bin/sh
# make.sh CGREPLAY PAGE.scd: the page with its options put in from the command's own table, for scdoc. A page that says
# @OPTIONS@ cannot fall behind the program.
set -eu
cgreplay=$1 page=$2
name=$(basename "$page" .scd)
command=${name#cgreplay-}
if [ "$name" = cgreplay ]; then
	"$cgreplay" completion --commands
else
	CGREPLAY_LIST_OPTIONS=1 "$cgreplay" "$command" </dev/null || true
fi | awk -F '\t' -v page="$page" -v overview="$([ "$name" = cgreplay ] && echo 1)" '
function plain(text) { gsub(/[\\_*<>`~|#+-]/, "\\\\&", text); return text }
{
	if (overview)
		entry = "*" plain($1) "*\n\t" plain($2) ".\n\n"
	else {
		entry = ($2 != "" ? "*-" $2 "*, " : "") "*--" plain($1) "*" ($3 != "" ? " _" plain($3) "_" : "") "\n\t"
		entry = entry toupper(substr($4, 1, 1)) plain(substr($4, 2)) "."
		if ($5 != "") {
			choices = $5
			gsub(/\|/, ", ", choices)
			entry = entry " One of " plain(choices) "."
		}
		entry = entry "\n\n"
	}
	entries = entries entry
}
END {
	while ((getline line < page) > 0) {
		if (line == "@OPTIONS@" || line == "@COMMANDS@")
			printf "%s", entries
		else
			print line
	}
	if (!overview)
		print ""
}'
