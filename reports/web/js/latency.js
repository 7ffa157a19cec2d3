// Wake-up latency, recorded against predicted, as shares of the wake-ups on a logarithmic axis.
const EDGES = Array.from({ length: 49 }, (_, i) => 10 ** (i / 6)); // 1 µs to 100 s, six bars per decade

function shares(buckets) {
	const bars = new Array(EDGES.length).fill(0);
	let total = 0;
	for (const [low, high, count] of buckets) {
		const middle = Math.max(1, (low + high) / 2);
		const at = Math.min(EDGES.length - 1, Math.max(0, Math.floor(Math.log10(middle) * 6)));
		bars[at] += count;
		total += count;
	}
	return { bars: bars.map((count) => total ? count / total * 100 : null), total };
}

function quantile(buckets, share) {
	const total = buckets.reduce((sum, bucket) => sum + bucket[2], 0);
	let left = total * share;
	for (const [, high, count] of buckets) {
		left -= count;
		if (left <= 0)
			return high;
	}
	return 0;
}

function drawLatency(parent, run, cgroup) {
	const entry = run.latency.find((latency) => latency.g === cgroup);
	if (!entry)
		return;
	const recorded = shares(entry.r), predicted = shares(entry.p);
	let first = EDGES.length, last = 0;
	EDGES.forEach((_, i) => {
		if (recorded.bars[i] || predicted.bars[i]) {
			first = Math.min(first, i);
			last = Math.max(last, i);
		}
	});
	first = Math.max(0, first - 1);
	last = Math.min(EDGES.length - 1, last + 2);
	const x = EDGES.slice(first, last + 1);
	const words = [];
	for (const [name, buckets] of [['recorded', entry.r], ['predicted', entry.p]])
		if (buckets.length)
			words.push(`${name} p50 ${formatUsec(quantile(buckets, 0.5))}, p99 ${formatUsec(quantile(buckets, 0.99))}`);
	const plot = make('div', { class: 'plot' });
	parent.append(make('div', { class: 'chart', 'data-chart': 'Wake-up latency' }, make('h3', {}, 'Wake-up latency', make('small', {}, words.join('; '))), plot));
	const axis = { stroke: colour('dim'), grid: { stroke: colour('grid'), width: 1 }, ticks: { show: false },
		font: `12px ${getComputedStyle(document.body).fontFamily}` };
	const style = (label, name, dash) => ({ label, stroke: colour(name), fill: colour(name) + (dash ? '1c' : '30'), width: dash ? 1.6 : 2, dash,
		paths: uPlot.paths.stepped({ align: 1 }), points: { show: false }, value: (u, value) => value === null ? '–' : `${value.toFixed(1)} %` });
	charts.push(new uPlot({
		width: plot.clientWidth || 480, height: 210,
		cursor: { drag: { x: false, y: false } },
		scales: { x: { time: false, distr: 3, log: 10, range: () => [x[0], x[x.length - 1]] }, y: { range: (u, low, high) => [0, high * 1.08 || 1] } },
		axes: [{ ...axis, values: (u, ticks) => ticks.map((tick) => Math.abs(Math.log10(tick) % 1) < 1e-9 ? formatUsec(tick) : null) },
			{ ...axis, size: 52, values: (u, ticks) => ticks.map((tick) => `${Number(tick.toFixed(1))} %`) }],
		series: [{ label: 'from', value: (u, value) => value === null ? '–' : formatUsec(value) },
			style('recorded', 'recorded', [5, 4]), style('predicted', 'predicted')],
	}, [x, recorded.bars.slice(first, last + 1), predicted.bars.slice(first, last + 1)], plot));
	charts[charts.length - 1].own = true;
}
