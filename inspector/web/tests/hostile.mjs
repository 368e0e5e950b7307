// The page's worker on hostile bundles, under Node: every truncation and 10,000 changed bits are answers or troubles, never a trap.
//
//     scripts/node.sh run --test inspector/web/tests/hostile.mjs
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import init, { Answerer } from '../dist/inspector.js';

const root = new URL('../../../', import.meta.url);
const bundle = readFileSync(new URL('wasm/tests/shared/small.vdpack', root));
await init({ module_or_path: readFileSync(new URL('inspector/web/dist/inspector_bg.wasm', root)) });

const u8 = (n) => Buffer.from([n]);
const u32 = (n) => { const b = Buffer.alloc(4); b.writeUInt32LE(n); return b; };
const u64 = (n) => { const b = Buffer.alloc(8); b.writeBigUInt64LE(BigInt(n)); return b; };
const text = (s) => Buffer.concat([u32(Buffer.byteLength(s)), Buffer.from(s)]);

/** Questions in the encoding of `ask.rs`: the number of the question among all, then its fields. */
const open = (file) => [u8(0), u8(3), u32(file), text('hostile.vdpack')];
const questions = (commit) => [
    [u8(1), u32(0)],
    [u8(2), u32(0), u32(64)],
    [u8(3), u32(commit)],
    [u8(4), u32(commit)],
    [u8(5), u32(commit), text('a/key-1'), u32(0)],
    [u8(6), u32(0), u32(commit), text('a'), u32(0)],
    [u8(7), u32(0), u32(8)],
];

const answerer = new Answerer();
let number = 0;

/** Asks one question as worker.js does; returns whether there is an answer. */
function ask(content, fields) {
    number += 1;
    const request = Buffer.concat([u64(number), ...fields]);
    answerer.begin();
    for (let turn = 0; turn < 1000; turn++) {
        const reply = answerer.answer(request);
        if (reply !== undefined) {
            assert.equal(Buffer.from(reply).readBigUInt64LE(0), BigInt(number));
            assert.ok(reply[8] <= 1, 'an answer, or a trouble');
            if (reply[8] === 0) {
                const length = Buffer.from(reply).readUInt32LE(9);
                assert.ok(Buffer.from(reply).subarray(13, 13 + length).toString().length > 10, 'it says what is wrong');
            }
            return reply[8] === 1;
        }
        if (answerer.wants() !== undefined) {
            answerer.setLength(content.length);
            continue;
        }
        const ends = answerer.missing();
        assert.ok(ends.length > 0, 'what is lacking is named');
        for (let i = 0; i < ends.length; i += 2) assert.equal(answerer.fill(ends[i], content.subarray(ends[i], ends[i + 1])), undefined);
    }
    assert.fail('it waits for ever');
}

let files = 0;
/** Asks everything of a bundle; returns how many answers there are. */
function everything(content, commits = [0, 5]) {
    files += 1;
    if (!ask(content, open(files))) return 0;
    let answers = 1;
    for (const commit of commits) for (const fields of questions(commit)) answers += ask(content, fields) ? 1 : 0;
    return answers;
}

test('a sound bundle is answered', () => {
    assert.equal(everything(bundle), 15);
});

test('every truncation is a trouble', () => {
    for (let cut = 0; cut < bundle.length; cut++) assert.equal(everything(bundle.subarray(0, cut)), 0, `cut off at ${cut}`);
});

test('10,000 changed bits are answers or troubles', () => {
    let seed = 99, noticed = 0;
    for (let i = 0; i < 10_000; i++) {
        seed = (seed * 1103515245 + 12345) % 2147483648;
        const bad = Uint8Array.from(bundle);
        bad[seed % bad.length] ^= 1 << (i % 8);
        if (everything(bad) < 15) noticed += 1;
    }
    assert.ok(noticed > 1000, `${noticed} were noticed`);
    assert.equal(everything(bundle), 15, 'and a sound one is answered afterwards');
});
