function currentRun() {
	return data.runs.find((run) => String(run.run) === state.run) ?? data.runs[0];
}

function currentCgroup() {
	const run = currentRun();
	const named = run.cgroups.indexOf(state.g);
	if (named >= 0)
		return named;
	if (run.asked.length > 0)
		return run.asked[0];
	const first = run.series.find((series) => series.g >= 0 && run.cgroups[series.g] !== '/');
	return first ? first.g : 0;
}

// Only cgroups that have something to draw; what was asked about first.
function drawable(run) {
	const has = new Set([...run.series.map((s) => s.g), ...run.lanes.map((l) => l[0]), ...run.latency.map((l) => l.g)]);
	has.delete(-1);
	for (const g of run.asked)
		has.add(g);
	return [...has].sort((a, b) => run.asked.includes(b) - run.asked.includes(a) || a - b);
}

function fillTools() {
	const run = currentRun(), cgroup = currentCgroup(), tools = document.getElementById('chart-tools');
	const runs = make('select', { 'aria-label': 'Run', onchange: (event) => setState({ run: event.target.value }) },
		...data.runs.map((one) => make('option', { value: one.run, ...(one === run ? { selected: '' } : {}) }, one.name)));
	const groups = make('select', { 'aria-label': 'cgroup', id: 'pick-cgroup', onchange: (event) => setState({ g: event.target.value }) },
		...drawable(run).map((g) => make('option', { value: run.cgroups[g], ...(g === cgroup ? { selected: '' } : {}) }, run.cgroups[g])));
	const [from, to] = zoomRange(run.duration);
	tools.replaceChildren(
		...(data.runs.length > 1 ? [make('label', {}, 'run', runs)] : []), make('label', {}, 'cgroup', groups),
		make('button', { type: 'button', id: 'zoom-reset', onclick: () => setZoom(0, run.duration), title: 'key 0' }, 'Whole recording'),
		make('span', { class: 'dim', id: 'zoom-text' }, `${formatUsec(from)} to ${formatUsec(to)}`), make('span', { class: 'spread' }),
		make('button', { type: 'button', onclick: () => document.getElementById('help').showModal() }, 'Keys  ?'));
}

function showRun() {
	const run = currentRun();
	for (const section of document.querySelectorAll('section.run'))
		section.hidden = Number(section.dataset.run) !== run.run;
	for (const row of document.querySelectorAll('#runs tbody tr'))
		row.classList.toggle('current', Number(row.dataset.run) === run.run);
}

function setTheme() {
	if (state.theme === 'dark' || state.theme === 'light')
		document.documentElement.dataset.theme = state.theme;
	else
		delete document.documentElement.dataset.theme;
}

function drawAll() {
	fillTools();
	drawCharts();
	drawSweeps();
	resize(); // the first chart of a grid was measured before its neighbours and the scroll bar were there
}

function toggleTheme() {
	const dark = getComputedStyle(document.documentElement).colorScheme === 'dark';
	setState({ theme: dark ? 'light' : 'dark' });
}

function resize() {
	for (const chart of [...charts, ...curves])
		chart.setSize({ width: chart.root.parentElement.clientWidth, height: chart.height });
	drawLanes();
}

function step(list, now, by) {
	const at = list.indexOf(now);
	return list[Math.min(list.length - 1, Math.max(0, at + by))];
}

function onKey(event) {
	if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest('input, select, dialog'))
		return;
	const run = currentRun(), [from, to] = zoomRange(run.duration), width = to - from, middle = (from + to) / 2;
	const shift = (by) => {
		const start = Math.max(0, Math.min(run.duration - width, from + by));
		setZoom(start, start + width);
	};
	const cgroups = drawable(run);
	const keys = {
		'0': () => setZoom(0, run.duration), '+': () => setZoom(middle - width / 4, middle + width / 4), '=': () => keys['+'](),
		'-': () => setZoom(middle - width, middle + width), ArrowLeft: () => shift(-width / 4), ArrowRight: () => shift(width / 4),
		j: () => setState({ g: run.cgroups[step(cgroups, currentCgroup(), 1)] }),
		k: () => setState({ g: run.cgroups[step(cgroups, currentCgroup(), -1)] }),
		d: toggleTheme, '?': () => document.getElementById('help').showModal(),
		'/': () => document.querySelector('section.run:not([hidden]) .numbers input')?.focus(),
	};
	if (!keys[event.key])
		return;
	event.preventDefault();
	keys[event.key]();
}

function onChange(change) {
	if ('theme' in change)
		setTheme();
	if ('run' in change)
		showRun();
	if ('curves' in change) {
		drawSweeps();
		resize();
	}
	if ('run' in change || 'g' in change || 'theme' in change)
		drawAll();
	else if ('z' in change) {
		fillTools();
		applyZoom();
	}
}

document.documentElement.classList.add('js');
readHash();
setTheme();
for (const [index, table] of document.querySelectorAll('table.sortable').entries())
	makeSortable(table, table.classList.contains('main') ? 'main' : `t${index}`);
for (const section of document.querySelectorAll('section.numbers'))
	makeFilter(section);
for (const row of document.querySelectorAll('#runs tbody tr.open')) {
	row.classList.add('pick');
	row.addEventListener('click', () => setState({ run: row.dataset.run }));
}
for (const row of document.querySelectorAll('.tree tr[data-cgroup]')) {
	row.classList.add('pick');
	row.addEventListener('click', () => {
		setState({ g: currentRun().cgroups[row.dataset.cgroup] });
		document.getElementById('charts').scrollIntoView();
	});
}
document.getElementById('top-tools').append(make('button', { type: 'button', onclick: toggleTheme, title: 'key d' }, 'Dark / light'));
listeners.push(onChange);
showRun();
drawAll();
addEventListener('keydown', onKey);
addEventListener('resize', resize);
addEventListener('hashchange', () => {
	readHash();
	setTheme();
	showRun();
	drawAll();
});
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', drawAll);
matchMedia('print').addEventListener('change', drawAll);
