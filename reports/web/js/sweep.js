// Curves over one knob: prediction with its interval, the knee marked.
let curves = [];

function knobUnit(knob) {
	return knob === 'cpu.max' ? 'cpus' : knob.startsWith('memory.') && knob !== 'memory.swappiness' ? 'bytes' : 'count';
}

// A dashed line with its word at the top; words of several lines stand below each other.
function markLine(u, at, name, word, line) {
	const { ctx, bbox } = u, x = u.valToPos(at, 'x', true), pixel = devicePixelRatio;
	ctx.save();
	ctx.strokeStyle = ctx.fillStyle = colour(name);
	ctx.lineWidth = 1.5 * pixel;
	ctx.setLineDash(line ? [] : [4 * pixel, 4 * pixel]);
	ctx.beginPath();
	ctx.moveTo(x, bbox.top);
	ctx.lineTo(x, bbox.top + bbox.height);
	ctx.stroke();
	ctx.setLineDash([]);
	ctx.font = `600 ${11 * pixel}px ${getComputedStyle(document.body).fontFamily}`;
	const right = x + 8 * pixel + ctx.measureText(word).width > bbox.left + bbox.width;
	ctx.textAlign = right ? 'right' : 'left';
	ctx.fillText(word, x + (right ? -8 : 8) * pixel, bbox.top + (12 + 14 * line) * pixel);
	ctx.restore();
}

// The same through a point of the curve.
function markPoint(u, at, value, name, word, line) {
	const { ctx } = u, pixel = devicePixelRatio;
	markLine(u, at, name, word, line);
	ctx.save();
	ctx.strokeStyle = colour(name);
	ctx.lineWidth = 1.5 * pixel;
	ctx.beginPath();
	ctx.arc(u.valToPos(at, 'x', true), u.valToPos(value, 'y', true), (6 + 3 * line) * pixel, 0, 7);
	ctx.stroke();
	ctx.restore();
}

function drawCurve(parent, sweep, curve) {
	const plot = make('div', { class: 'plot' });
	const unit = knobUnit(sweep.knob);
	const note = `over ${sweep.knob}` + (curve.knee === null ? '' : `; bends at ${format(sweep.x[curve.knee], unit)}`);
	parent.append(make('div', { class: 'chart', 'data-chart': curve.metric }, make('h3', {}, curve.metric, make('small', {}, note)), plot));
	const axis = { stroke: colour('dim'), grid: { stroke: colour('grid'), width: 1 }, ticks: { show: false },
		font: `12px ${getComputedStyle(document.body).fontFamily}` };
	const value = (u, v) => v === null ? '–' : format(v, curve.unit);
	curves.push(new uPlot({
		width: plot.clientWidth || 480, height: 230, cursor: { drag: { x: false, y: false } },
		scales: { x: { time: false, range: (u, low, high) => [low - (high - low) * 0.02, high + (high - low) * 0.02] },
			y: { range: (u, low, high) => [0, high * 1.08 || 1] } },
		axes: [{ ...axis, values: (u, ticks) => ticks.map((tick) => format(tick, unit)), incrs: unit === 'bytes' ? byteSteps : undefined, space: 60 },
			{ ...axis, size: 66, values: (u, ticks) => ticks.map((tick) => format(tick, curve.unit)), incrs: curve.unit === 'bytes' ? byteSteps : undefined }],
		series: [{ label: sweep.knob, value: (u, v) => v === null ? '–' : format(v, unit) },
			{ label: 'predicted', stroke: colour('predicted'), width: 2, points: { show: true, size: 5, fill: colour('predicted') }, value },
			{ label: 'low', stroke: 'transparent', points: { show: false }, value },
			{ label: 'high', stroke: 'transparent', points: { show: false }, value }],
		bands: [{ series: [3, 2], fill: colour('predicted') + '26' }],
		hooks: { draw: [(u) => {
			if (curve.knee !== null)
				markPoint(u, sweep.x[curve.knee], curve.y[curve.knee], 'limit', 'knee', 0);
			if (sweep.recommended !== null)
				markPoint(u, sweep.x[sweep.recommended], curve.y[sweep.recommended], 'good', 'recommended', 1);
		}] },
	}, [sweep.x, curve.y, curve.low, curve.high], plot));
}

// The questions people ask of a sweep, in that order; then whatever moves most.
const asked = ['memory.events.oom_kill', 'completion_usec', 'completion', 'memory.stat.workingset_refault_file',
	'cpu.stat.throttled_usec', 'wakeup_latency.p99_usec', 'cpu.stat.nr_throttled', 'memory.failcnt'];
const CURVES_SHOWN = 4;

function curveRank(curve) {
	const known = asked.indexOf(curve.metric);
	const values = curve.y.filter((value) => value !== null), high = Math.max(...values), low = Math.min(...values);
	return known >= 0 ? known - 100 : (curve.worse ? 0 : 2) - (high > 0 ? (high - low) / high : 0);
}

function drawSweeps() {
	const list = document.getElementById('sweep-list');
	for (const curve of curves)
		curve.destroy();
	curves = [];
	list.replaceChildren();
	document.getElementById('sweeps').hidden = data.sweeps.length === 0;
	for (const sweep of data.sweeps) {
		const grid = make('div', { class: 'grid2' });
		const ranked = [...sweep.curves].sort((a, b) => curveRank(a) - curveRank(b));
		const shown = state.curves === 'all' ? ranked : ranked.slice(0, CURVES_SHOWN);
		list.append(make('h3', {}, `${sweep.knob} of ${sweep.cgroup || 'the machine'}, ${sweep.x.length} values` + (sweep.fixed.length ? `, with ${sweep.fixed.join(' and ')}` : '')));
		if (sweep.recommended !== null)
			list.append(make('p', {}, `Recommended: ${format(sweep.x[sweep.recommended], knobUnit(sweep.knob))}, the smallest tried that keeps ${sweep.requirements.join(' and ')}`));
		list.append(grid);
		for (const curve of shown)
			drawCurve(grid, sweep, curve);
		if (ranked.length > CURVES_SHOWN)
			list.append(make('button', { type: 'button', 'aria-pressed': String(state.curves === 'all'),
				onclick: () => setState({ curves: state.curves === 'all' ? undefined : 'all' }) }, `All ${ranked.length} curves`));
	}
}
