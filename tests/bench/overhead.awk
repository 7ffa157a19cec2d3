# Rounds "KEY off|on WALL CPU" -> how much longer with the recorder: overhead.sh
function sort(a, n,  i, j, t) {
	for (i = 2; i <= n; i++) { t = a[i]; for (j = i - 1; j > 0 && a[j] > t; j--) a[j + 1] = a[j]; a[j + 1] = t }
}
function quantile(a, n, p) { sort(a, n); return a[1 + int(p * (n - 1) + 0.5)] }
# ratio of the rounds listed in pick[1..n], by column: kind "median" of the rounds' ratios, "quartile" or "fastest" of all runs
function ratio(n, column, kind,  i, k, off, on, x, y, z) {
	for (i = 1; i <= n; i++) {
		k = pick[i]
		z[i] = (value[k, "on", 1, column] + value[k, "on", 2, column]) / (value[k, "off", 1, column] + value[k, "off", 2, column])
		for (off = 1; off <= 2; off++) { x[2 * i - 2 + off] = value[k, "off", off, column]; y[2 * i - 2 + off] = value[k, "on", off, column] }
	}
	if (kind == "median") { sort(z, n); return (z[int((n + 1) / 2)] + z[int(n / 2) + 1]) / 2 }
	off = kind == "quartile" ? quantile(x, 2 * n, 0.25) : quantile(x, 2 * n, 0)
	on = kind == "quartile" ? quantile(y, 2 * n, 0.25) : quantile(y, 2 * n, 0)
	return off > 0 ? on / off : 0
}
function told(column, kind, resamplings,  i, j, middle, b) {
	for (i = 1; i <= rounds; i++) pick[i] = whole[i]
	middle = ratio(rounds, column, kind)
	for (j = 1; j <= resamplings; j++) {
		for (i = 1; i <= rounds; i++) pick[i] = whole[1 + int(rand() * rounds)]
		b[j] = ratio(rounds, column, kind)
	}
	if (!resamplings) return sprintf("%+.1f %%", (middle - 1) * 100)
	return sprintf("%+.1f %% (%+.1f..%+.1f)", (middle - 1) * 100, (quantile(b, resamplings, 0.025) - 1) * 100, (quantile(b, resamplings, 0.975) - 1) * 100)
}
{ if (!($1 in number)) number[$1] = ++rounds
	k = number[$1]
	n = ++runs[k, $2]
	value[k, $2, n, 1] = $3; value[k, $2, n, 2] = $4 }
END {
	for (i = 1; i <= rounds; i++) # the last one of a run that was ended is not whole
		if (runs[i, "off"] >= 2 && runs[i, "on"] >= 2) whole[++complete] = i
	rounds = complete
	srand(1)
	quartile = told(1, "quartile", 300)
	printf "%s --preset %s: %d rounds, bound %d %%, calibration %s %% of the machine\n", what, preset, rounds, bound, share
	printf "  clock     median %-24s quartile %-24s fastest %s\n", told(1, "median", 300), quartile, told(1, "fastest", 0)
	printf "  CPU time  median %-24s quartile %-24s fastest %s\n", told(2, "median", 300), told(2, "quartile", 300), told(2, "fastest", 0)
}
