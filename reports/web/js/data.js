// The embedded data, decoded on demand, and numbers in people's form (as the C side prints them).
const data = JSON.parse(document.getElementById('cgr-data').textContent);

function decode(differences) {
	let last = 0;
	return differences.map((difference) => difference === null ? null : (last += difference));
}

function seriesOf(run, cgroup) {
	return run.series.filter((series) => series.g === cgroup).map((series) => {
		series.times ??= decode(series.t);
		series.values ??= decode(series.v);
		return series;
	});
}

function scaled(value, base, suffixes) {
	let step = 0, size = Math.abs(value);
	while (size >= (base === 1024 ? 1024 : 1000) && step < suffixes.length - 1) {
		size /= base;
		step++;
	}
	const digits = step === 0 ? (Number.isInteger(value) ? 0 : 1) : size < 10 ? 2 : size < 100 ? 1 : 0;
	return (value < 0 ? '-' : '') + Number(size.toFixed(digits)) + suffixes[step];
}

function formatUsec(value) {
	const size = Math.abs(value);
	if (size < 1000)
		return `${Number(value.toFixed(1))}µs`;
	if (size < 1e6)
		return `${Number((value / 1000).toFixed(size < 1e4 ? 2 : 1))}ms`;
	return `${Number((value / 1e6).toFixed(size < 1e7 ? 3 : 2))}s`;
}

function format(value, unit) {
	if (value === null || value === undefined)
		return '–';
	switch (unit) {
	case 'bytes':
		return scaled(value, 1024, ['B', 'K', 'M', 'G', 'T', 'P']);
	case 'usec':
		return formatUsec(value);
	case 'ppm':
		return `${Number((value / 1e4).toFixed(1))} %`;
	case 'cpus':
		return `${Number((value / 1e6).toFixed(2))} CPU`;
	case 'usec/s':
		return `${Number((value / 1e4).toFixed(1))} %`;
	default:
		return scaled(value, 1000, ['', 'k', 'M', 'G', 'T', 'P']) + (unit.endsWith('/s') ? '/s' : '');
	}
}

// A counter that only grows becomes a rate per second on an even grid, so that uneven samples compare.
function rateOf(series, bins) {
	const { times, values } = series;
	const x = [], y = [];
	let at = 0;
	const valueAt = (t) => {
		while (at + 1 < times.length && times[at + 1] <= t)
			at++;
		if (t < times[0] || at + 1 >= times.length)
			return t < times[0] ? values[0] : values[values.length - 1];
		const part = (t - times[at]) / (times[at + 1] - times[at]);
		return values[at] + (values[at + 1] - values[at]) * part;
	};
	// no finer than the samples are: a rate between two samples is all that is known
	const start = times[0], length = times[times.length - 1] - start;
	const steps = Math.max(1, Math.min(bins, times.length - 1));
	let before = values[0];
	for (let i = 1; i <= steps && length > 0; i++) {
		const now = valueAt(start + length * i / steps);
		x.push(Math.round(start + length * (i - 0.5) / steps));
		y.push((now - before) * steps / (length / 1e6));
		before = now;
	}
	return { times: x, values: y };
}

// A rate over less than a period of the bandwidth controller (100 ms) shows the period and not the rate.
function rateBins(duration) {
	return Math.max(8, Math.min(200, Math.floor(duration / 1e5)));
}
