// Joins the page's assets and writes their CSP hashes: node build.mjs SOURCE-FOLDER NODE-MODULES OUTPUT-FOLDER
// The hash must cover exactly the bytes between <script> and </script>, so it is taken from the joined file here and
// from nowhere else.
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const [source, modules, output] = process.argv.slice(2);
const read = (...path) => readFileSync(join(...path), 'utf8').trimEnd() + '\n';
const comment = (text) => '/*! ' + text.replaceAll('*/', '* /') + ' */\n';

const licence = comment('uPlot ' + JSON.parse(read(modules, 'uplot', 'package.json')).version + '\n' +
	read(modules, 'uplot', 'LICENSE'));
const parts = ['state.js', 'data.js', 'charts.js', 'lanes.js', 'latency.js', 'sweep.js', 'missratio.js', 'tables.js', 'main.js'];
const script = licence + read(modules, 'uplot', 'dist', 'uPlot.iife.min.js') +
	'(() => {\n"use strict";\n' + parts.map((name) => read(source, 'js', name)).join('\n') + '})();\n';
const style = licence + read(modules, 'uplot', 'dist', 'uPlot.min.css') + read(source, 'report.css');

for (const [name, text] of [['script', script], ['style', style]])
	if (new RegExp('</' + name, 'i').test(text))
		throw new Error(`the joined ${name} contains </${name}, which would end it early`);

const hash = (text) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
writeFileSync(join(output, 'report.js'), script);
writeFileSync(join(output, 'report.css'), style);
writeFileSync(join(output, 'report.html'), read(source, 'report.html'));
writeFileSync(join(output, 'csp.txt'), `default-src 'none'; script-src ${hash(script)}; style-src ${hash(style)}; ` +
	`base-uri 'none'; form-action 'none'`);
