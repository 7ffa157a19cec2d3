// What the reader is looking at lives in the URL's hash, so that a copied link shows the same thing:
// #run=2&g=/web&z=1000000-2000000&theme=dark&q=filter&diff=1&sort=main:4:-1
const state = {};
const listeners = [];

function readHash() {
	for (const key of Object.keys(state))
		delete state[key];
	for (const part of location.hash.slice(1).split('&')) {
		const at = part.indexOf('=');
		if (at < 1)
			continue;
		try {
			state[part.slice(0, at)] = decodeURIComponent(part.slice(at + 1));
		} catch {
			// a mangled link: that part is ignored
		}
	}
}

function writeHash() {
	const text = Object.keys(state).sort().filter((key) => state[key] !== undefined && state[key] !== '')
		.map((key) => `${key}=${encodeURIComponent(state[key]).replaceAll('%2F', '/').replaceAll('%3A', ':')}`).join('&');
	history.replaceState(null, '', text ? `#${text}` : location.pathname + location.search);
}

function setState(change, quiet) {
	Object.assign(state, change);
	writeHash();
	if (!quiet)
		for (const listener of listeners)
			listener(change);
}

function zoomRange(duration) {
	const match = /^(\d+)-(\d+)$/.exec(state.z ?? '');
	const from = match ? Number(match[1]) : 0, to = match ? Number(match[2]) : duration;
	return to - from >= 2 && from < duration ? [from, Math.min(to, duration)] : [0, duration];
}

function make(tag, attributes = {}, ...children) {
	const element = document.createElement(tag);
	for (const [name, value] of Object.entries(attributes)) {
		if (name.startsWith('on'))
			element.addEventListener(name.slice(2), value);
		else if (value !== undefined)
			element.setAttribute(name, value);
	}
	element.append(...children); // strings become text nodes: names stay text
	return element;
}

function colour(name) {
	return getComputedStyle(document.documentElement).getPropertyValue('--' + name).trim();
}
