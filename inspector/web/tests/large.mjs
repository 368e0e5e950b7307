// A bundle of a gigabyte in a headless Chromium: requests and bytes until its first graph, and memory while it is looked at.
//
//     cargo bench -p vecdelta-inspector --bench served      makes target/tmp/large.vdpack
//     scripts/node.sh run inspector/web/tests/large.mjs [FILE]
import assert from 'node:assert/strict';
import { existsSync, openSync, readFileSync, readSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { extname } from 'node:path';

const root = new URL('../../../', import.meta.url);
const { chromium } = createRequire(new URL('target/tools/npm/package.json', root))('playwright-core');
const dist = new URL('inspector/web/dist/', root);
const path = process.argv[2] ?? new URL('target/tmp/large.vdpack', root).pathname;
const [length, file] = [statSync(path).size, openSync(path)];
const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.wasm': 'application/wasm' };
const asked = { requests: 0, bytes: 0 };

const server = createServer((request, response) => {
    const name = new URL(request.url, 'http://x').pathname;
    const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '');
    if (name === '/large.vdpack' && range) {
        const begin = Number(range[1]), end = Math.min(Number(range[2]) + 1, length);
        const part = Buffer.alloc(end - begin);
        readSync(file, part, 0, part.length, begin);
        asked.requests += 1;
        asked.bytes += part.length;
        response.writeHead(206, { 'Content-Range': `bytes ${begin}-${end - 1}/${length}`, 'Content-Length': part.length, ETag: '"1"' });
        return response.end(part);
    }
    const found = new URL(`.${name === '/' ? '/index.html' : name}`, dist);
    if (!existsSync(found)) return response.writeHead(404).end();
    response.writeHead(200, { 'Content-Type': TYPES[extname(name === '/' ? '.html' : name)] ?? 'text/html' }).end(readFileSync(found));
});
await new Promise((done) => server.listen(0, '127.0.0.1', done));
const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--use-angle=swiftshader', '--enable-unsafe-swiftshader', '--disable-background-networking'],
});

const mib = (bytes) => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
const page = await browser.newPage({ viewport: { width: 1280, height: 720 } });
const state = () => page.evaluate(() => window.__vecdelta?.state());
async function until(holds) {
    for (const deadline = Date.now() + 60_000; ;) {
        const now = await state();
        if (now && holds(now)) return now;
        assert.ok(Date.now() < deadline, JSON.stringify(now));
        await page.waitForTimeout(20);
    }
}
async function memory(what) {
    const { worker, page: own, held } = await page.evaluate(() => ({ ...window.__vecdelta.memory(), held: window.__vecdelta.fetched().held }));
    console.log(`${what}: worker ${mib(worker)} of which ${mib(held)} of the bundle, window ${mib(own)}`);
    return worker + own;
}

await page.goto(`http://127.0.0.1:${server.address().port}/?open=large.vdpack`);
const opened = await until((now) => now.ready);
const first = await page.evaluate(() => window.__vecdelta.firstGraph());
console.log(`${mib(length)}, ${opened.commits} commits: first graph after ${first.requests} requests, ${mib(first.bytes)}`);
let most = await memory('at the first graph');
const rests = (now) => now.ready && !now.busy;
await until(rests);
for (const view of ['changes', 'vector', 'drift']) {
    await page.locator('#canvas').focus();
    await page.keyboard.press('Home');
    const seen = new Set([(await until((now) => now.path.place + 1 === now.path.length && rests(now))).commit]);
    for (let step = 1; step <= 20; step++) {
        // Ten commits back, and another vector there.
        await page.keyboard.press('Shift+ArrowLeft');
        const { commit } = await until((now) => !seen.has(now.commit));
        seen.add(commit);
        const vector = `rows/row-${String(step * 997).padStart(6, '0')}`;
        await page.evaluate((link) => { location.hash = link; }, `#c=${commit}&view=${view}&vec=${vector}`);
        const now = await until((now) => now.view === view && now.vector === vector && now.commit === commit && rests(now));
        assert.equal(now.trouble, null);
    }
    most = Math.max(most, await memory(`after 20 commits in the view ${view}`));
}
console.log(`largest memory: ${mib(most)}; ${asked.requests} requests, ${mib(asked.bytes)} in all`);
await browser.close();
server.close();
// Only now, so that all figures are seen.
assert.ok(most <= 256 * 2 ** 20, 'more memory than the page may have');
assert.ok(first.requests <= 3 && first.bytes <= 1e6, `the first graph takes ${first.requests} requests and ${first.bytes} bytes`);
