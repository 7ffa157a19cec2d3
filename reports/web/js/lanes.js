// Lanes on the time axis of the charts: when each CPU of a cgroup was throttled, and who ran where.
let lanes = [];
const LANE = 16, GAP = 5, LEFT = 66;

function laneView(parent, title, note, rows, range, draw, describe, ownRange) {
	const canvas = make('canvas', { role: 'img', 'aria-label': title, tabindex: '0' });
	const tip = make('div', { class: 'tip', hidden: '' });
	const plot = make('div', { class: 'plot' }, canvas, tip);
	parent.append(make('div', { class: 'chart lanes', 'data-chart': title }, make('h3', {}, title, make('small', {}, note)), plot));
	const view = { canvas, plot, rows, range, draw, ownRange };
	canvas.addEventListener('mousemove', (event) => {
		const box = canvas.getBoundingClientRect(), [from, to] = view.range();
		const t = from + (event.clientX - box.left - LEFT) / Math.max(1, box.width - LEFT) * (to - from);
		const text = describe(Math.floor((event.clientY - box.top) / (LANE + GAP)), t);
		tip.hidden = !text;
		tip.textContent = text;
		tip.style.left = `${Math.min(event.clientX - box.left + 12, box.width - tip.offsetWidth - 4)}px`;
		tip.style.top = `${event.clientY - box.top + 14}px`;
	});
	canvas.addEventListener('mouseleave', () => { tip.hidden = true; });
	lanes.push(view);
	return view;
}

function drawLane(view) {
	const ratio = devicePixelRatio, width = view.plot.clientWidth, height = view.rows.length * (LANE + GAP) + 18;
	const { canvas } = view, ctx = canvas.getContext('2d');
	canvas.width = Math.round(width * ratio);
	canvas.height = Math.round(height * ratio);
	canvas.style.height = `${height}px`;
	ctx.scale(ratio, ratio);
	ctx.font = `12px ${getComputedStyle(document.body).fontFamily}`;
	ctx.textBaseline = 'middle';
	const [from, to] = view.range();
	const x = (t) => LEFT + (t - from) / (to - from) * (width - LEFT);
	view.rows.forEach((label, row) => {
		ctx.fillStyle = colour('dim');
		ctx.textAlign = 'right';
		ctx.fillText(label, LEFT - 8, row * (LANE + GAP) + LANE / 2);
		ctx.fillStyle = colour('soft');
		ctx.fillRect(LEFT, row * (LANE + GAP), width - LEFT, LANE);
	});
	ctx.save();
	ctx.beginPath();
	ctx.rect(LEFT, 0, width - LEFT, height);
	ctx.clip();
	view.draw(ctx, x, (row) => row * (LANE + GAP));
	ctx.restore();
	ctx.fillStyle = colour('dim');
	for (const [share, align] of [[0, 'left'], [0.5, 'center'], [1, 'right']]) {
		ctx.textAlign = align;
		const t = from + (to - from) * share;
		ctx.fillText(formatUsec(view.ownRange ? t / 1000 : t), LEFT + (width - LEFT) * share, height - 8);
	}
}

function drawLanes() {
	for (const view of lanes)
		drawLane(view);
}

function throttleLanes(parent, run, cgroup) {
	const prefix = run.cgroups[cgroup].replace(/\/?$/, '/');
	const mine = run.lanes.filter(([g]) => g === cgroup || run.cgroups[g]?.startsWith(prefix));
	if (mine.length === 0)
		return;
	const cpus = [...new Set(mine.map((lane) => lane[1]))].sort((a, b) => a - b);
	const total = mine.reduce((sum, lane) => sum + lane[3], 0);
	laneView(parent, 'Throttled', `${mine.length} times, ${formatUsec(total)} over all CPUs`,
		cpus.map((cpu) => `CPU ${cpu}`), () => zoomRange(run.duration), (ctx, x, y) => {
			ctx.fillStyle = colour('throttle');
			for (const [, cpu, from, length] of mine) {
				const a = x(from), b = x(from + length);
				ctx.fillRect(a, y(cpus.indexOf(cpu)), Math.max(b - a, 0.7), LANE);
			}
		}, (row, t) => {
			const hit = mine.find(([, cpu, from, length]) => cpu === cpus[row] && t >= from && t <= from + length);
			return hit ? `${run.cgroups[hit[0]]} throttled on CPU ${hit[1]} for ${formatUsec(hit[3])} at ${formatUsec(hit[2])}` : '';
		});
}

// Hues spread by the golden angle tell neighbours apart; the task's number decides, not its name.
function taskColour(index) {
	const dark = getComputedStyle(document.documentElement).colorScheme === 'dark';
	return `hsl(${(index * 137.508) % 360} 55% ${dark ? 62 : 52}%)`;
}

function scheduleLanes(parent, run, cgroup) {
	run.schedule.forEach((window, number) => {
		const cpus = [...new Set(window.s.map((span) => span[0]))].sort((a, b) => a - b);
		const ended = ['preempted', 'blocked', 'throttled', 'exited'];
		if (cpus.length === 0)
			return;
		const inside = (task) => {
			const g = window.tasks[task]?.[1];
			return g === cgroup || run.cgroups[g]?.startsWith(run.cgroups[cgroup].replace(/\/?$/, '/'));
		};
		laneView(parent, `Schedule ${number + 1}`, `${formatUsec(window.from / 1000)} to ${formatUsec(window.to / 1000)}; tasks of this cgroup in colour`,
			cpus.map((cpu) => `CPU ${cpu}`), () => [window.from, window.to], (ctx, x, y) => {
				for (const [cpu, task, from, length, state] of window.s) {
					const a = x(window.from + from), b = x(window.from + from + length), top = y(cpus.indexOf(cpu));
					ctx.fillStyle = inside(task) ? taskColour(task) : colour('recorded') + '66';
					ctx.fillRect(a, top, Math.max(b - a - 0.4, 0.6), LANE);
					if (state === 2) {
						ctx.fillStyle = colour('throttle');
						ctx.fillRect(b - 2, top, 2.5, LANE);
					}
				}
			}, (row, t) => {
				const hit = window.s.find(([cpu, , from, length]) => cpu === cpus[row] && t >= window.from + from && t <= window.from + from + length);
				if (!hit)
					return '';
				const [tid, g, comm] = window.tasks[hit[1]];
				return `${comm} (${tid}) of ${run.cgroups[g]}: ${formatUsec(hit[3] / 1000)}, then ${ended[hit[4]]}`;
			}, true);
	});
}

function makeLanes(parent, run, cgroup) {
	lanes = [];
	throttleLanes(parent, run, cgroup);
	scheduleLanes(parent, run, cgroup);
	drawLanes();
}
