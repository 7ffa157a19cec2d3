// node report.test.mjs NODE-MODULES-PARENT PAGES-FOLDER [CHROMIUM]: opens report-one.html and report-many.html from the
// file system, as a colleague would, and fails on the first thing that is not as promised.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { existsSync, mkdirSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';

const [modules, pages, chromiumPath] = process.argv.slice(2);
const { chromium } = createRequire(join(resolve(modules), 'package.json'))('playwright-core');
if (!chromiumPath || !existsSync(chromiumPath)) {
	console.log('1..0 # SKIP no Chromium found (Debian package chromium)');
	process.exit(process.env.CI ? 1 : 0);
}
const shots = join(pages, 'screenshots');
mkdirSync(shots, { recursive: true });
const address = (name) => 'file://' + resolve(pages, name);
const browser = await chromium.launch({ executablePath: chromiumPath, args: ['--no-sandbox'] });
let number = 0;

// Every page is watched: a request to anywhere, a console error, a script error or a dialog fails the test.
async function open(name, { hash = '', ...options } = {}) {
	const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
	const page = await context.newPage();
	const trouble = [];
	page.on('request', (request) => request.url().startsWith('file:') && request.isNavigationRequest() || trouble.push(`request ${request.url()}`));
	page.on('console', (message) => ['error', 'warning'].includes(message.type()) && trouble.push(`console: ${message.text()}`));
	page.on('pageerror', (error) => trouble.push(`script: ${error.message}`));
	page.on('dialog', (dialog) => { trouble.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
	await page.goto(address(name) + hash);
	await page.waitForTimeout(150);
	return { page, close: async () => { await context.close(); assert.deepEqual(trouble, []); } };
}

async function test(name, body) {
	await body();
	console.log(`ok ${++number} - ${name}`);
}

// The span shown by the first chart's time axis, as the page keeps it in its link, and what is drawn.
const pixels = (page, selector) => page.$$eval(selector, (all) => all.map((canvas) => canvas.toDataURL().length + ':' +
	[...canvas.toDataURL()].reduce((sum, char) => (sum * 31 + char.charCodeAt(0)) | 0, 0)));
const plot = (title) => `.chart[data-chart="${title}"] .u-over`;

async function drag(page, title, from, to) {
	const over = page.locator(plot(title));
	await over.scrollIntoViewIfNeeded();
	const box = await over.boundingBox();
	await page.mouse.move(box.x + box.width * from, box.y + box.height / 2);
	await page.mouse.down();
	await page.mouse.move(box.x + box.width * to, box.y + box.height / 2, { steps: 6 });
	await page.mouse.up();
	await page.waitForTimeout(100);
}

await test('the page says its verdict and shows its charts without a request or an error', async () => {
	const { page, close } = await open('report-one.html');
	assert.match(await page.textContent('.verdict h2'), /safe but slower/i);
	const titles = await page.$$eval('.chart', (charts) => charts.map((chart) => chart.dataset.chart));
	for (const title of ['Memory', 'CPU', 'Throttled', 'Wake-up latency', 'Miss ratio', 'Schedule 1', 'memory.stat.workingset_refault_file'])
		assert.ok(titles.includes(title), `${title} among ${titles}`);
	await close();
});

await test('hostile names stay text', async () => {
	const { page, close } = await open('report-one.html');
	assert.equal(await page.locator('img').count(), 0);
	const name = '/web/</script><img src=x onerror=alert(1)>';
	assert.ok((await page.$$eval('.numbers td:first-child', (cells) => cells.map((cell) => cell.textContent))).includes(name));
	await page.selectOption('#pick-cgroup', name);
	assert.equal(await page.locator('img').count(), 0);
	await close();
});

await test('zoom is shared by all charts and kept in the link', async () => {
	const { page, close } = await open('report-one.html');
	const before = await pixels(page, '.chart canvas');
	await drag(page, 'Memory', 0.25, 0.5);
	const zoom = new URL(page.url()).hash.match(/z=(\d+)-(\d+)/);
	assert.ok(zoom, page.url());
	assert.ok(Math.abs(Number(zoom[1]) - 15e6) < 1e6 && Math.abs(Number(zoom[2]) - 30e6) < 1e6, zoom[0]);
	const after = await pixels(page, '.chart canvas');
	const titles = await page.$$eval('.chart', (charts) => charts.map((chart) => chart.dataset.chart));
	titles.forEach((title, i) => {
		const timeless = ['Wake-up latency', 'Miss ratio'].includes(title) || title.startsWith('Schedule');
		assert.equal(before[i] === after[i], timeless, `${title} ${timeless ? 'must not' : 'must'} follow the zoom`);
	});
	const shared = page.url();
	await page.keyboard.press('0');
	assert.ok(!page.url().includes('z='));
	await page.waitForTimeout(100);
	assert.deepEqual(await pixels(page, '.chart canvas'), before, 'key 0 goes back to the whole recording');
	await close();
	const again = await open('report-one.html', { hash: new URL(shared).hash });
	assert.deepEqual(await pixels(again.page, '.chart canvas'), after, 'the link shows the same span');
	await again.close();
});

await test('sorting and filtering work, and the order survives in the link', async () => {
	const { page, close } = await open('report-one.html');
	const column = (n) => page.$$eval(`.numbers tbody tr:not([hidden]) td:nth-child(${n})`, (cells) => cells.map((cell) => cell.dataset.v ?? cell.textContent));
	await page.click('.numbers th:nth-child(4) button');
	const falling = (await column(4)).map(Number);
	assert.deepEqual(falling, [...falling].sort((a, b) => b - a));
	await page.click('.numbers th:nth-child(4) button');
	const rising = (await column(4)).map(Number);
	assert.deepEqual(rising, [...rising].sort((a, b) => a - b));
	assert.equal(await page.getAttribute('.numbers th:nth-child(4)', 'aria-sort'), 'ascending');
	await page.keyboard.press('/');
	await page.keyboard.type('batch memory');
	assert.deepEqual(await column(1).then((cells) => cells.length), 1);
	const link = new URL(page.url()).hash;
	await close();
	const again = await open('report-one.html', { hash: link });
	assert.equal(await again.page.inputValue('.numbers input'), 'batch memory');
	assert.equal(await again.page.getAttribute('.numbers th:nth-child(4)', 'aria-sort'), 'ascending');
	await again.close();
});

await test('readable with JavaScript off', async () => {
	const { page, close } = await open('report-one.html', { javaScriptEnabled: false });
	const text = await page.textContent('main');
	for (const words of ['safe but slower', 'memory.peak', '412M', '256M', 'workingset_refault_file', '3 of 3', 'cgreplay report runs.db'])
		assert.ok(text.includes(words), words);
	assert.ok(await page.isVisible('.numbers tbody tr:first-child'));
	assert.ok(await page.isVisible('.tree svg.bar'));
	const curve = page.locator('.curves figure:first-of-type');
	assert.ok(await curve.locator('svg.curve').isVisible());
	assert.match(await curve.textContent(), /memory\.max 256M/);
	assert.match(await curve.textContent(), /1M look-ups of 300M of file pages; 10\.0.% were first ones/);
	await page.screenshot({ path: join(shots, 'no-javascript.png'), fullPage: true });
	await close();
});

await test('printed: dark ink on white paper, whatever the screen was', async () => {
	const { page, close } = await open('report-one.html');
	await page.emulateMedia({ media: 'screen', colorScheme: 'dark' });
	const colours = () => page.evaluate(() => [getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color, getComputedStyle(document.querySelector('.card')).backgroundColor]);
	assert.notEqual((await colours())[0], 'rgb(255, 255, 255)');
	await page.emulateMedia({ media: 'print', colorScheme: 'dark' });
	assert.deepEqual(await colours(), ['rgb(255, 255, 255)', 'rgb(23, 32, 44)', 'rgb(255, 255, 255)']);
	await page.evaluate(() => { document.documentElement.dataset.theme = 'dark'; });
	assert.deepEqual(await colours(), ['rgb(255, 255, 255)', 'rgb(23, 32, 44)', 'rgb(255, 255, 255)']);
	await close();
});

await test('many runs: the overview picks the run, curves mark the knee', async () => {
	const { page, close } = await open('report-many.html');
	assert.equal(await page.locator('#runs tbody tr').count(), 12);
	assert.equal(await page.locator('section.run:visible').count(), 2);
	await page.click('#runs tbody tr:nth-child(2)');
	assert.match(await page.textContent('section.run:not([hidden]) .verdict h2'), /not safe/i);
	assert.match(page.url(), /run=1/);
	const beyond = await page.$$eval('.chart .u-wrap', (all) => all.filter((wrap) => wrap.getBoundingClientRect().width > wrap.closest('.plot').clientWidth + 1).length);
	assert.equal(beyond, 0, 'no chart is wider than its place');
	const curve = page.locator('#sweep-list .chart[data-chart="memory.stat.workingset_refault_file"]');
	assert.match(await curve.textContent(), /bends at/);
	await page.screenshot({ path: join(shots, 'many.png'), fullPage: true });
	await close();
});

await test('keyboard: cgroups, zoom, help, theme', async () => {
	const { page, close } = await open('report-one.html');
	const first = await page.inputValue('#pick-cgroup');
	await page.keyboard.press('j');
	assert.notEqual(await page.inputValue('#pick-cgroup'), first);
	await page.keyboard.press('k');
	assert.equal(await page.inputValue('#pick-cgroup'), first);
	await page.keyboard.press('+');
	assert.match(page.url(), /z=15000000-45000000/);
	await page.keyboard.press('ArrowRight');
	assert.match(page.url(), /z=22500000-52500000/);
	await page.keyboard.press('?');
	assert.ok(await page.isVisible('#help'));
	await page.keyboard.press('Escape');
	await page.waitForSelector('#help', { state: 'hidden' }); // the dialog takes keys until it has closed
	const light = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
	await page.keyboard.press('d');
	await page.waitForFunction((before) => getComputedStyle(document.body).backgroundColor !== before, light);
	await close();
});

await test('no sideways scrolling on a phone; light, dark and print look alike in content', async () => {
	for (const [name, options] of [['phone', { viewport: { width: 390, height: 844 } }], ['light', {}], ['dark', { colorScheme: 'dark' }]]) {
		const { page, close } = await open('report-one.html', options);
		const [wide, view] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
		assert.ok(wide <= view, `${name}: ${wide} > ${view}`);
		await page.screenshot({ path: join(shots, `${name}.png`), fullPage: true });
		await close();
	}
	const { page, close } = await open('report-one.html');
	await page.pdf({ path: join(shots, 'print.pdf'), format: 'A4' });
	assert.ok(statSync(join(shots, 'print.pdf')).size > 20000);
	await close();
});

await browser.close();
console.log(`1..${number}`);
