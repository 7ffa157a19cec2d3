// Sorting and filtering of tables that are complete without it.
function cellKey(row, column) {
	const cell = row.cells[column];
	if (!cell)
		return '';
	const key = cell.dataset.v ?? cell.textContent.trim();
	return key !== '' && Number.isFinite(Number(key)) ? Number(key) : key;
}

function compareKeys(a, b) {
	if (typeof a === 'number' && typeof b === 'number')
		return a - b;
	if (typeof a !== typeof b)
		return typeof a === 'number' ? -1 : 1; // empty cells last
	return a < b ? -1 : a > b ? 1 : 0;
}

function sortTable(table, column, direction) {
	const body = table.tBodies[0];
	const rows = [...body.rows].map((row, index) => ({ row, index, key: cellKey(row, column) }));
	rows.sort((a, b) => compareKeys(a.key, b.key) * direction || a.index - b.index);
	body.append(...rows.map(({ row }) => row));
	for (const [index, head] of [...table.tHead.rows[0].cells].entries())
		if (index === column)
			head.setAttribute('aria-sort', direction > 0 ? 'ascending' : 'descending');
		else
			head.removeAttribute('aria-sort');
}

function makeSortable(table, name) {
	for (const [column, head] of [...table.tHead.rows[0].cells].entries()) {
		const button = make('button', { class: 'sort', type: 'button', onclick: () => {
			const numeric = head.classList.contains('n');
			const now = head.getAttribute('aria-sort');
			const direction = now ? (now === 'ascending' ? -1 : 1) : numeric ? -1 : 1;
			sortTable(table, column, direction);
			setState({ sort: `${name}:${column}:${direction}` }, true);
		} }, ...head.childNodes);
		head.replaceChildren(button);
	}
	const match = /^(.+):(\d+):(-?1)$/.exec(state.sort ?? '');
	if (match && match[1] === name && Number(match[2]) < table.tHead.rows[0].cells.length)
		sortTable(table, Number(match[2]), Number(match[3]));
}

function makeFilter(section) {
	const table = section.querySelector('table'), tools = section.querySelector('.tools');
	const input = make('input', { type: 'search', placeholder: 'Filter cgroup or metric  ( / )', 'aria-label': 'Filter the numbers', size: '30' });
	const only = make('button', { type: 'button', 'aria-pressed': 'false' }, 'Only differences');
	const all = make('button', { type: 'button', 'aria-pressed': 'false' }, 'All cgroups');
	const count = make('span', { class: 'dim' });
	const apply = () => {
		const words = (state.q ?? '').toLowerCase().split(/\s+/).filter(Boolean);
		let shown = 0;
		for (const row of table.tBodies[0].rows) {
			const text = row.cells[0].textContent.toLowerCase() + ' ' + row.cells[1].textContent.toLowerCase();
			// bystanders that nothing happens to wait until somebody asks for them
			const aside = row.classList.contains('aside') && state.all !== '1' && words.length === 0;
			row.hidden = aside || !words.every((word) => text.includes(word)) || (state.diff === '1' && row.classList.contains('same'));
			shown += !row.hidden;
		}
		count.textContent = `${shown} of ${table.tBodies[0].rows.length} rows`;
		only.setAttribute('aria-pressed', String(state.diff === '1'));
		all.setAttribute('aria-pressed', String(state.all === '1'));
		if (input.value !== (state.q ?? ''))
			input.value = state.q ?? '';
	};
	input.addEventListener('input', () => setState({ q: input.value }));
	all.addEventListener('click', () => setState({ all: state.all === '1' ? undefined : '1' }));
	only.addEventListener('click', () => setState({ diff: state.diff === '1' ? undefined : '1' }));
	tools.append(input, only, ...(table.querySelector('tr.aside') ? [all] : []), make('span', { class: 'spread' }), count);
	listeners.push((change) => {
		if ('q' in change || 'diff' in change || 'all' in change)
			apply();
	});
	apply();
}
