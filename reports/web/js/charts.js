// Synchronised charts over time. What is drawn follows from the names and units of the series, so a model's new
// metric gets its chart without a change here.
const syncKey = uPlot.sync('cgr');
let charts = [];
let zooming = false;

const gauges = /^(memory\.(current|max|high|low|min|swap\.current|swap\.max|peak|stat\.(anon|file|kernel))|cpu\.(usage|max|weight))$/;
const styles = {
	recorded: { colour: 'recorded', dash: [5, 4], width: 1.6 },
	held: { colour: 'recorded', dash: [5, 4], width: 1.6, step: true }, // as read: nothing is known of the way between
	predicted: { colour: 'predicted', width: 2 },
	limit: { colour: 'limit', dash: [9, 4], width: 1.6, step: true, stays: true },
	waslimit: { colour: 'was-limit', dash: [2, 4], width: 1.6, step: true, stays: true },
	anon: { colour: 'anon', width: 1.3, fill: true },
	file: { colour: 'file', width: 1.3, fill: true },
	throttle: { colour: 'throttle', width: 1.8 },
};

function line(series, style, label, unit) {
	return { times: series.times, values: series.values, style, label, unit, of: series.of, kept: series.times.length };
}

function memoryChart(list) {
	const find = (name, recorded) => list.find((s) => s.n === name && s.r === recorded);
	const lines = [];
	for (const [name, style] of [['memory.stat.file', 'file'], ['memory.stat.anon', 'anon']])
		if (find(name, 0))
			lines.push(line(find(name, 0), style, style + ' predicted', 'bytes'));
	for (const [name, recorded, style, label] of [['memory.current', 1, 'held', 'recorded'],
		['memory.current', 0, 'predicted', 'predicted'], ['memory.max', 1, 'waslimit', 'memory.max recorded'],
		['memory.max', 0, 'limit', 'memory.max'], ['memory.high', 0, 'limit', 'memory.high']]) {
		const series = find(name, recorded);
		if (series && series.values.some((value) => value !== null))
			lines.push(line(series, style, label, 'bytes'));
	}
	return lines.length ? { title: 'Memory', note: 'against its limit', unit: 'bytes', lines, kills: true } : null;
}

function cpuChart(list) {
	const lines = [];
	for (const recorded of [1, 0]) {
		const usage = list.find((s) => s.n === 'cpu.usage' && s.r === recorded);
		const total = list.find((s) => s.n === 'cpu.stat.usage_usec' && s.r === recorded);
		const style = recorded ? 'recorded' : 'predicted';
		if (usage)
			lines.push(line(usage, style, style, 'cpus'));
		else if (total && total.times.length > 1)
			lines.push({ ...line(total, style, style, 'cpus'), ...rateOf(total, 400) });
	}
	for (const recorded of [1, 0]) {
		const quota = list.find((s) => s.n === 'cpu.max' && s.r === recorded);
		if (quota && quota.values.some((value) => value !== null))
			lines.push(line(quota, recorded ? 'waslimit' : 'limit', recorded ? 'cpu.max recorded' : 'cpu.max', 'cpus'));
	}
	return lines.length ? { title: 'CPU', note: 'against its quota', unit: 'cpus', lines, throttles: true } : null;
}

// Everything else: one chart per name, counters as rates.
function otherCharts(list, duration) {
	const shown = [];
	const names = [...new Set(list.map((s) => s.n))].filter((name) => !gauges.test(name) && name !== 'cpu.stat.usage_usec');
	for (const name of names) {
		const lines = [];
		let unit = 'count';
		for (const series of list.filter((s) => s.n === name)) {
			const grows = series.u !== 'bytes' && series.u !== 'ppm' && series.values.length > 1 && series.values.every((v, i) => v !== null && (i === 0 || v >= series.values[i - 1]));
			const style = series.r ? (grows ? 'recorded' : 'held') : name.includes('throttled') ? 'throttle' : 'predicted';
			unit = grows ? (series.u === 'usec' ? 'usec/s' : series.u + '/s') : series.u;
			lines.push({ ...line(series, style, series.r ? 'recorded' : 'predicted', unit),
				...(grows ? rateOf(series, rateBins(duration)) : {}) });
		}
		if (lines.some((l) => l.values.some((v) => v)))
			shown.push({ title: name, note: unit === 'usec/s' ? 'share of the time' : unit.endsWith('/s') ? 'per second' : '', unit, lines });
	}
	return shown;
}

function markPlugin(run, cgroup, kinds) {
	const inside = (g) => g === cgroup || run.cgroups[g]?.startsWith(run.cgroups[cgroup].replace(/\/?$/, '/'));
	const marks = run.marks.filter((mark) => inside(mark.g) && kinds.includes(mark.k));
	const lanes = kinds.includes('throttle') ? run.lanes.filter((lane) => inside(lane[0])) : [];
	return { hooks: { draw: [(u) => {
		const { ctx } = u, { left, top, width, height } = u.bbox, ratio = devicePixelRatio;
		ctx.save();
		ctx.beginPath();
		ctx.rect(left, top, width, height);
		ctx.clip();
		ctx.fillStyle = colour('throttle');
		for (const [, , from, length] of lanes) {
			const a = u.valToPos(from, 'x', true), b = u.valToPos(from + length, 'x', true);
			if (b >= left && a <= left + width)
				ctx.fillRect(a, top + height - 5 * ratio, Math.max(b - a, ratio), 5 * ratio);
		}
		let labelled = -Infinity; // kills in a row: a label only where there is room for it
		for (const mark of marks) {
			const x = u.valToPos(mark.t, 'x', true), size = 5 * ratio, kill = mark.k === 'oom_kill';
			if (x < left || x > left + width)
				continue;
			ctx.strokeStyle = ctx.fillStyle = colour(kill ? 'kill' : 'limit');
			ctx.lineWidth = (kill ? 1.6 : 1) * ratio;
			ctx.setLineDash(kill ? [] : [2 * ratio, 3 * ratio]);
			ctx.beginPath();
			ctx.moveTo(x, top);
			ctx.lineTo(x, top + height);
			ctx.stroke();
			ctx.setLineDash([]);
			if (!kill)
				continue;
			ctx.lineWidth = 2.4 * ratio;
			ctx.beginPath();
			ctx.moveTo(x - size, top + 3 * ratio);
			ctx.lineTo(x + size, top + 3 * ratio + 2 * size);
			ctx.moveTo(x + size, top + 3 * ratio);
			ctx.lineTo(x - size, top + 3 * ratio + 2 * size);
			ctx.stroke();
			ctx.font = `600 ${11 * ratio}px ${getComputedStyle(document.body).fontFamily}`;
			ctx.textAlign = x > left + width - 160 * ratio ? 'right' : 'left';
			const label = `killed ${mark.c}`, length = ctx.measureText(label).width + 10 * ratio;
			if ((ctx.textAlign === 'left' ? x : x - length) < labelled)
				continue;
			ctx.fillText(label, x + (ctx.textAlign === 'left' ? 10 : -10) * ratio, top + 13 * ratio);
			labelled = ctx.textAlign === 'left' ? x + length : x;
		}
		ctx.restore();
	}] } };
}

function setZoom(from, to) {
	const duration = currentRun().duration;
	from = Math.max(0, Math.round(from));
	to = Math.min(duration, Math.round(to));
	if (to - from < 2)
		return;
	setState({ z: from === 0 && to === duration ? undefined : `${from}-${to}` });
}

function applyZoom() {
	const [from, to] = zoomRange(currentRun().duration);
	zooming = true;
	for (const chart of charts.filter((one) => !one.own))
		chart.setScale('x', { min: from, max: to });
	zooming = false;
	drawLanes();
}

function chartOptions(chart, run, cgroup, width) {
	const axis = { stroke: colour('dim'), grid: { stroke: colour('grid'), width: 1 }, ticks: { show: false },
		font: `12px ${getComputedStyle(document.body).fontFamily}` };
	const kinds = chart.kills ? ['oom_kill', 'limit_write'] : chart.throttles ? ['throttle', 'oom_kill', 'limit_write'] : ['oom_kill'];
	const [from, to] = zoomRange(run.duration);
	return {
		width, height: 210, pxAlign: 0,
		cursor: { sync: { key: syncKey.key }, drag: { x: true, y: false, setScale: false }, points: { size: 6 },
			bind: { dblclick: () => () => { setZoom(0, run.duration); return null; } } },
		scales: { x: { time: false, min: from, max: to, auto: false },
			y: { range: (u, low, high) => [0, high > 0 ? high * 1.06 : 1] } },
		axes: [
			{ ...axis, values: (u, ticks) => ticks.map((tick) => tick === 0 ? '0' : formatUsec(tick)), space: 80 },
			{ ...axis, size: 66, values: (u, ticks) => ticks.map((tick) => format(tick, chart.unit)), space: 34,
				incrs: chart.unit === 'bytes' ? byteSteps : undefined },
		],
		series: [{ label: 'time', value: (u, value) => value === null ? '–' : formatUsec(value) }, ...chart.lines.map((l) => {
			const style = styles[l.style];
			return { label: l.label, stroke: colour(style.colour), width: style.width, dash: style.dash, spanGaps: true,
				fill: style.fill ? colour(style.colour) + '2e' : undefined, points: { show: l.times.length < 3 && !style.step },
				paths: style.step ? uPlot.paths.stepped({ align: 1 }) : undefined,
				value: (u, value) => value === null || value === undefined ? '–' : format(value, chart.unit) };
		})],
		plugins: [markPlugin(run, cgroup, kinds)],
		hooks: { setSelect: [(u) => {
			if (u.select.width > 3) {
				setZoom(u.posToVal(u.select.left, 'x'), u.posToVal(u.select.left + u.select.width, 'x'));
				u.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
			}
		}] },
	};
}

const byteSteps = Array.from({ length: 50 }, (_, i) => 2 ** i);

// A recorded knob is known where it was read; it holds from there to the end.
function extend(l, duration) {
	const style = styles[l.style];
	if (!style.stays || l.times.length === 0 || l.times[l.times.length - 1] >= duration)
		return l;
	return { ...l, times: [...l.times, duration], values: [...l.values, l.values[l.values.length - 1]] };
}

function drawChart(chart, run, cgroup, parent) {
	const lines = chart.lines.map((l) => extend(l, run.duration));
	const from = lines.reduce((sum, l) => sum + (l.of ?? 0), 0), kept = lines.reduce((sum, l) => sum + (l.kept ?? 0), 0);
	const plot = make('div', { class: 'plot' });
	const note = [chart.note, kept < from ? `${kept} of ${from} points, extremes kept` : ''].filter(Boolean).join('; ');
	parent.append(make('div', { class: 'chart', 'data-chart': chart.title }, make('h3', {}, chart.title, make('small', {}, note)), plot));
	const table = uPlot.join(lines.map((l) => [l.times, l.values]));
	charts.push(new uPlot(chartOptions({ ...chart, lines }, run, cgroup, plot.clientWidth || 600), table, plot));
}

function drawCharts() {
	const list = document.getElementById('chart-list');
	for (const chart of charts)
		chart.destroy();
	charts = [];
	list.replaceChildren();
	const run = currentRun(), cgroup = currentCgroup();
	const series = seriesOf(run, cgroup), machine = seriesOf(run, -1);
	const shown = [memoryChart(series), cpuChart(series)].filter(Boolean);
	const wide = make('div', {}), small = make('div', { class: 'grid2' });
	list.append(wide, make('div', { id: 'lane-list' }), small);
	for (const chart of shown)
		drawChart(chart, run, cgroup, wide);
	for (const chart of [...otherCharts(series, run.duration), ...otherCharts(machine, run.duration)])
		drawChart(chart, run, cgroup, small);
	makeLanes(document.getElementById('lane-list'), run, cgroup);
	drawLatency(small, run, cgroup);
	drawMissRatio(small, run, cgroup);
	if (!list.querySelector('.chart'))
		list.append(make('p', { class: 'note' }, `Nothing was recorded or predicted over time for ${run.cgroups[cgroup]}.`));
}
