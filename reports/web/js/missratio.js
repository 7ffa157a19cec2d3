// Misses of the page cache by its size: recorded look-ups through an LRU of every size.
function drawMissRatio(parent, run, cgroup) {
	const entry = run.curves.find((curve) => curve.g === cgroup);
	if (!entry)
		return;
	const x = decode(entry.x), y = decode(entry.y).map((misses) => misses / entry.of * 100);
	const plot = make('div', { class: 'plot' });
	const note = `of ${format(entry.of, 'count')} look-ups, in an LRU of that size; a limit holds anonymous memory beside it`;
	parent.append(make('div', { class: 'chart', 'data-chart': 'Miss ratio' }, make('h3', {}, 'Miss ratio', make('small', {}, note)), plot));
	const axis = { stroke: colour('dim'), grid: { stroke: colour('grid'), width: 1 }, ticks: { show: false },
		font: `12px ${getComputedStyle(document.body).fontFamily}` };
	const last = x[x.length - 1];
	const limit = (u, at, name, word, row) => {
		if (at !== null && at > 0 && at < last)
			markLine(u, at, name, word, row);
	};
	charts.push(new uPlot({
		width: plot.clientWidth || 480, height: 210, cursor: { drag: { x: false, y: false } },
		scales: { x: { time: false, range: () => [0, last] }, y: { range: () => [0, 100] } },
		axes: [{ ...axis, values: (u, ticks) => ticks.map((tick) => format(tick, 'bytes')), incrs: byteSteps, space: 60 },
			{ ...axis, size: 52, values: (u, ticks) => ticks.map((tick) => `${tick} %`) }],
		series: [{ label: 'size', value: (u, value) => value === null ? '–' : format(value, 'bytes') },
			{ label: 'misses', stroke: colour('file'), fill: colour('file') + '20', width: 2, paths: uPlot.paths.stepped({ align: 1 }),
				points: { show: false }, value: (u, value) => value === null ? '–' : `${value.toFixed(1)} %` }],
		hooks: { draw: [(u) => {
			limit(u, entry.limits[0], 'limit', 'memory.max', 0);
			if (entry.limits[1] !== entry.limits[0])
				limit(u, entry.limits[1], 'was-limit', 'memory.max recorded', 1);
		}] },
	}, [x, y], plot));
	charts[charts.length - 1].own = true;
}
