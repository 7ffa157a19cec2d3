# What the cases share. Predictions move when a model gets better, so goldens of replays keep the shape of the output
# and mask its numbers; that the numbers are the same each time is checked by comparing two runs.
mask() { sed -E 's/[0-9]+([.][0-9]+)?([eE]-?[0-9]+)?(us|ms|s|k|K|M|G|B| %|%)?/N/g; s/  +/ /g; s/ +$//'; }
sample() { "$CGREPLAY" import -q "$SOURCE/samples/$1.dat" -o "$1.db"; } # NAME: imports it here
twice() { # COMMAND...: the output of a command that must print the same bytes twice
	"$@" >first
	local status=$?
	"$@" >second
	cmp first second && cat first
	return $status
}
