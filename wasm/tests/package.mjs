// The package under Node: the same bytes as the native program, typed errors, and nothing that traps.
//
//     scripts/node.sh run --test wasm/tests/package.mjs
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { History, VecdeltaError, WasmDelta, WasmDeltaDetector, WasmDeltaStream, ready } from '../dist/index.js';

const shared = (name) => readFileSync(new URL(`shared/${name}`, import.meta.url));
const json = (name) => JSON.parse(shared(name).toString());
const bytes = (hex) => (hex === null ? undefined : Uint8Array.from(Buffer.from(hex, 'hex')));
const hex = (some) => Buffer.from(some).toString('hex');
const code = (expected) => (error) => error instanceof VecdeltaError && error.code === expected && error.message.length > 5;

await ready();

test('deltas are the native ones, byte for byte', () => {
    const all = json('deltas.json');
    assert.equal(all.length, 36);
    for (const d of all) {
        const [old, next] = [bytes(d.old), bytes(d.new)];
        const made = WasmDelta.between(d.element, d.dims, d.source, old, next, d.millis);
        assert.equal(hex(made.toBytes()), d.delta);
        const read = WasmDelta.fromBytes(bytes(d.delta));
        assert.equal(hex(read.toBytes()), d.delta);
        assert.deepEqual([read.idHex(), read.source, read.element, read.dims, read.timestamp], [d.id, d.source, d.element, d.dims, d.millis]);
        assert.deepEqual(read.applyTo(old), next);
        assert.deepEqual(read.applyTo(next), next, 'the second time it changes nothing');
        read.verifyChain();
        if (hex(old ?? []) !== hex(next ?? [])) {
            const back = read.invert(d.millis + 1);
            assert.deepEqual(back.applyTo(next), old);
            back.verifyChain(read);
        }
    }
});

test('every bit of a vector of f32 comes through', () => {
    const patterns = new Uint32Array([0, 0x80000000, 1, 0x7f800000, 0xff800000, 0x7fc00001, 0x7f800001, 0xffffffff, 0x3f800000]);
    const old = new Float32Array(patterns.buffer), now = new Float32Array(new Uint32Array(patterns).reverse().buffer);
    const delta = new WasmDelta('a/b', old, now, 5);
    const row = new Float32Array(patterns.slice().buffer);
    delta.apply(row);
    assert.deepEqual(new Uint32Array(row.buffer), new Uint32Array(now.buffer));
    assert.equal(delta.changedDims, delta.indices().length);
});

test('a stream follows itself, composes and comes back from its bytes', () => {
    const states = [];
    const dims = 300;
    let seed = 7;
    const random = () => (seed = (seed * 1103515245 + 12345) % 2147483648) / 2147483648;
    for (let i = 0; i < 20; i++) {
        const last = states.at(-1) ?? new Float32Array(dims);
        states.push(last.map((v) => (random() < 0.1 || i === 0 ? random() * 2 - 1 : v)));
    }
    const stream = new WasmDeltaStream();
    states.forEach((s, i) => assert.equal(stream.append(new WasmDelta('a/b', states[i - 1], s, 1000)), i));
    assert.equal(stream.length, 20);
    stream.verifyChain();
    const row = new Float32Array(dims);
    stream.applyAll(row);
    assert.deepEqual(row, states[19]);
    const later = states[4].slice();
    stream.applyFrom(5, later);
    assert.deepEqual(later, states[19]);
    assert.throws(() => stream.applyFrom(5, states[7].slice()), code('conflict'));
    assert.throws(() => stream.applyFrom(21, row), code('argument'));
    assert.throws(() => stream.append(new WasmDelta('a/c', states[19], states[0], 1)), code('chain'));
    assert.throws(() => stream.append(new WasmDelta('a/b', states[3], states[0], 1)), code('chain'));
    const whole = stream.toBytes();
    const again = WasmDeltaStream.fromBytes(whole);
    assert.deepEqual(again.toBytes(), whole);
    assert.throws(() => WasmDeltaStream.fromBytes(whole.slice(0, -1)), code('damaged'));
    const one = again.compact();
    assert.equal(again.length, 1);
    const fresh = new Float32Array(dims);
    one.apply(fresh);
    assert.deepEqual(fresh, states[19]);
    const pair = stream.at(1).compose(stream.at(2)), state = states[0].slice();
    pair.apply(state);
    assert.deepEqual(state, states[2]);
    assert.throws(() => stream.at(1).compose(stream.at(4)), code('chain'));
    const expected = Math.hypot(...states[0].map((v, i) => states[1][i] - v));
    assert.ok(Math.abs(stream.at(1).magnitude(states[0]) - expected) < 1e-6 * expected);
});

test('a delta says what it is and which one it follows', () => {
    const [old, now] = [new Float32Array([1, 2]), new Float32Array([1, 3])];
    const first = new WasmDelta('a/"ü"', undefined, old, 1), next = new WasmDelta('a/"ü"', old, now, 2);
    assert.deepEqual([first.change, first.changedDims, first.parent, first.source], ['insert', 2, undefined, 'a/"ü"']);
    const alone = next.idHex();
    next.setParent(first.id);
    assert.deepEqual([next.change, next.changedDims, next.parent], ['update', 1, first.idHex()]);
    assert.notEqual(next.idHex(), alone);
    next.verifyChain(first);
    assert.equal(WasmDelta.fromBytes(next.toBytes()).parent, String(first.id));
    next.setParent();
    assert.deepEqual([next.idHex(), next.parent], [alone, undefined]);
});

test('a detector passes over what is small and sees slow drift', () => {
    const detector = new WasmDeltaDetector('a/b', 0.5, 0.05);
    const first = detector.detect(new Float32Array([1, 2, 3]), 1);
    assert.equal(first.change, 'insert');
    assert.equal(detector.detect(new Float32Array([1.01, 2, 3]), 2), undefined, 'below both limits');
    assert.equal(detector.detect(new Float32Array([1.3, 2, 3]), 3), undefined, 'below the threshold');
    const found = detector.detect(new Float32Array([1.6, 2.01, 3]), 4);
    assert.deepEqual([...found.indices()], [0], 'the drift added up; a component that hardly moved keeps its bits');
    found.verifyChain(first);
    assert.ok(detector.detect(new Float32Array([NaN, 2, 3]), 5), 'what cannot be measured counts');
    assert.throws(() => detector.detect(new Float32Array(4), 6), code('length'));
    detector.reset();
    assert.equal(detector.detect(new Float32Array([9]), 7).change, 'insert');
    const exact = new WasmDeltaDetector('a/b', 0, 0);
    exact.detect(new Float32Array([0]), 1);
    assert.equal(exact.detect(new Float32Array([-0]), 2).changedDims, 1, 'at 0 every bit counts');
    assert.equal(exact.detect(new Float32Array([-0]), 3), undefined);
});

test('arguments are checked, nothing is cut off in silence', () => {
    const row = new Float32Array(3);
    assert.throws(() => new WasmDelta('no-slash', row, row, 1), code('argument'));
    assert.throws(() => new WasmDelta('a/b', row, new Float32Array(4), 1), code('length'));
    assert.throws(() => new WasmDelta('a/b', undefined, undefined, 1), (e) => e instanceof VecdeltaError);
    for (const time of [-1, 1.5, NaN, 2 ** 53]) assert.throws(() => new WasmDelta('a/b', row, row, time), code('argument'));
    assert.throws(() => WasmDelta.between('f33', 3, 'a/b', undefined, new Uint8Array(12), 1), code('argument'));
    assert.throws(() => WasmDelta.between('f32', 2 ** 32 - 1, 'a/b', undefined, new Uint8Array(12), 1), code('length'));
    assert.throws(() => new WasmDelta('a/b', row, row.map(() => 1), 1).apply(new Float32Array(2)), code('length'));
    assert.throws(() => new WasmDeltaDetector('a/b', -1, 0), code('argument'));
});

test('hostile bytes of deltas are errors', () => {
    for (const d of json('deltas.json')) {
        const good = bytes(d.delta);
        for (let cut = 0; cut < good.length; cut++) assert.throws(() => WasmDelta.fromBytes(good.slice(0, cut)), code('damaged'));
        for (let at = 0; at < good.length; at++) {
            const bad = good.slice();
            bad[at] ^= 1 << at % 8;
            assert.throws(() => WasmDelta.fromBytes(bad), VecdeltaError);
        }
    }
});

const bundle = shared('small.vdpack');
const tables = json('small.json');

async function compare(history) {
    for (const { commit, rows } of tables) {
        for (const [source, row] of Object.entries(rows)) {
            const vector = await history.vector(source, commit);
            assert.equal(hex(vector.bytes), row);
            assert.equal(vector.values.length, vector.dims);
            if (/^f(32|64)$/.test(vector.element)) assert.equal(hex(new Uint8Array(vector.values.buffer)), row);
        }
        await assert.rejects(history.vector('a/never', commit), code('not-found'));
    }
}

test('what compares and checks is loaded when it is called, and not before', async () => {
    const exported = (file) => WebAssembly.Module.exports(new WebAssembly.Module(readFileSync(new URL(`../dist/${file}`, import.meta.url)))).map((e) => e.name);
    const [first, second] = [exported('vecdelta_wasm_bg.wasm'), exported('vecdelta_checks_bg.wasm')];
    for (const name of ['wasmhistory_diff', 'wasmhistory_verify']) assert.deepEqual([first.includes(name), second.includes(name)], [false, true], name);
    const history = await History.fromBytes(bundle);
    await ready(undefined, new URL('nowhere.wasm', import.meta.url));
    await assert.rejects(history.diff('main~1', 'main'), /nowhere/);
    assert.equal((await history.log({ limit: 1 })).length, 1, 'the rest is of use without it');
    await ready(undefined, new URL('../dist/vecdelta_checks_bg.wasm', import.meta.url));
    assert.ok((await history.diff('main~1', 'main')).count > 0, 'it is asked for again');
    await assert.rejects(history.diff('main', 'nowhere'), code('not-found'));
    history.free();
});

test('a bundle in memory is read like its repository', async () => {
    const history = await History.fromBytes(bundle);
    const summary = await history.summary();
    assert.equal(summary.commits, tables.length);
    await compare(history);
    const log = await history.log({ limit: 3 });
    assert.equal(log.length, 3);
    assert.equal(log[0].commit, summary.head);
    assert.equal(await history.resolve('main'), summary.head);
    const diff = await history.diff('main~1', 'main');
    assert.equal(diff.count, log[0].inserted + log[0].updated + log[0].deleted);
    const [source, row] = Object.entries(tables.at(-1).rows).find(([, r]) => !/^(..)*(7f|ff)/.test(r)) ?? Object.entries(tables.at(-1).rows)[0];
    const query = new Float32Array(bytes(row).buffer);
    if (query.every(Number.isFinite)) {
        const found = await history.search(query, { k: 3, metric: 'l2', collection: 'a', at: tables.at(-1).commit });
        assert.ok(found.some((f) => f.source === source && f.score === 0));
    }
    await assert.rejects(history.search(new Float32Array(3), { collection: 'a' }), code('length'));
    await assert.rejects(history.log({ from: 'nowhere' }), code('not-found'));
    const report = await history.verify();
    assert.deepEqual([report.commits, report.problems], [tables.length, []]);
});

test('whatever is changed in a bundle, checking it tells', async () => {
    let told = 0;
    for (let at = 0; at < bundle.length; at += 97) {
        const bad = Uint8Array.from(bundle);
        bad[at] ^= 1 << at % 8;
        try {
            const history = await History.fromBytes(bad);
            // What is checked is what was opened, not what the caller has made of it since.
            bad.set(bundle);
            try {
                const { problems } = await history.verify();
                assert.ok(problems.length > 0, `byte ${at}`);
                told += 1;
            } finally {
                history.free();
            }
        } catch (error) {
            if (!(error instanceof VecdeltaError)) throw error;
        }
    }
    assert.ok(told > 10, `${told} were opened and then told`);
});

/** A server of one file that answers ranges, or does not. */
async function served(content, { ranges = true } = {}, act) {
    const state = { requests: 0, sent: 0, etag: '"one"' };
    const server = createServer((request, response) => {
        state.requests += 1;
        const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '');
        const same = (request.headers['if-range'] ?? state.etag) === state.etag;
        const headers = { ETag: state.etag, 'Accept-Ranges': 'bytes' };
        if (ranges && range && same) {
            const begin = Number(range[1]), end = Math.min(Number(range[2]) + 1, content.length);
            const part = content.subarray(begin, end);
            state.sent += part.length;
            response.writeHead(206, { ...headers, 'Content-Range': `bytes ${begin}-${end - 1}/${content.length}`, 'Content-Length': part.length });
            return response.end(part);
        }
        response.writeHead(200, { ...headers, 'Content-Length': content.length });
        response.end(content);
    });
    await new Promise((done) => server.listen(0, '127.0.0.1', done));
    try {
        await act(`http://127.0.0.1:${server.address().port}/small.vdpack`, state);
    } finally {
        server.closeAllConnections();
        server.close();
    }
}

test('a bundle on a server is read by ranges', () => served(bundle, {}, async (url, state) => {
    const history = await History.fromUrl(url);
    assert.ok(state.requests <= 3, `${state.requests} requests`);
    await compare(history);
    const whole = await History.fromBytes(bundle);
    assert.deepEqual(await history.diff('main~1', 'main'), await whole.diff('main~1', 'main'));
    assert.deepEqual(await history.verify(), await whole.verify());
    assert.equal(history.bytesRead, state.sent);
    assert.equal(history.requests, state.requests);
}));

test('a server without ranges is asked once for a small file', () => served(bundle, { ranges: false }, async (url, state) => {
    await compare(await History.fromUrl(url));
    assert.equal(state.requests, 1);
}));

test('a file that changes while it is read is an error', () => {
    const long = Buffer.concat([bundle, Buffer.alloc(1)]);
    return served(bundle, {}, async (url, state) => {
        assert.ok(long.length > bundle.length);
        const history = await History.fromUrl(url);
        state.etag = '"two"';
        // What is brought from now on cannot be mixed with the other version.
        await assert.rejects(history.verify(), code('unreadable'));
    });
});

test('a dropped file is read by slices, in bounded memory', async () => {
    const history = await History.fromBlob(new Blob([bundle]), { heldMax: 4 << 20 });
    await compare(history);
    assert.ok(history.held <= 4 << 20);
    await assert.rejects(History.fromUrl('http://127.0.0.1:1/x'), (e) => e instanceof Error);
});

test('every truncation and 10,000 changed bundles are typed errors or right answers', async () => {
    const attempt = async (content) => {
        try {
            const history = await History.fromBytes(content);
            const { commit, rows } = tables[3];
            for (const source of Object.keys(rows).slice(0, 1)) assert.equal(hex((await history.vector(source, commit)).bytes), rows[source]);
            await history.log({ limit: 100 });
            history.free();
            return true;
        } catch (error) {
            assert.ok(error instanceof VecdeltaError, String(error));
            return false;
        }
    };
    assert.ok(await attempt(bundle));
    for (let cut = 0; cut < bundle.length; cut++) assert.equal(await attempt(bundle.subarray(0, cut)), false, `cut off at ${cut}`);
    let seed = 99, harmless = 0;
    for (let i = 0; i < 10_000; i++) {
        seed = (seed * 1103515245 + 12345) % 2147483648;
        const bad = Uint8Array.from(bundle);
        bad[seed % bad.length] ^= 1 << (i % 8);
        if (await attempt(bad)) harmless += 1;
    }
    assert.ok(harmless < 10_000);
});
