// The worker: answers the window's questions, one after the other, and fetches what it needs for that.
import init, { Answerer } from './inspector.js';
import { fetchFront } from './remote.js';

const files = new Map();
const requests = [];
const fetched = { requests: 0, bytes: 0 };
let answerer, memory, read, busy = false;

self.onmessage = async ({ data }) => {
    if (data.module) {
        ({ memory } = await init({ module_or_path: data.module }));
        answerer = new Answerer();
    }
    if (data.file) files.set(data.number, data.file);
    if (data.request) requests.push(data.request);
    run();
};

async function run() {
    if (busy || !answerer) return;
    busy = true;
    try {
        while (requests.length > 0) {
            const reply = await answer(requests.shift());
            self.postMessage({ reply, fetched: { ...fetched, held: answerer.held(), memory: memory.buffer.byteLength } });
        }
    } catch (error) {
        self.postMessage({ broken: String(error.stack ?? error) });
        return; // A module that trapped answers nothing more.
    }
    busy = false;
}

async function answer(request) {
    answerer.begin();
    for (;;) {
        const reply = answerer.answer(request);
        if (reply) return reply;
        try {
            await bring();
        } catch (error) {
            return answerer.fail(request, error.message ?? String(error));
        }
    }
}

/** Brings what the question lacks. */
async function bring() {
    const wants = answerer.wants();
    if (wants) return find(JSON.parse(wants));
    const ends = answerer.missing();
    if (ends.length === 0) throw new Error('The bytes that are lacking cannot be named.');
    const ranges = Array.from({ length: ends.length / 2 }, (_, i) => [ends[2 * i], ends[2 * i + 1]]);
    // Six at a time, as many as a browser opens to one server.
    for (let i = 0; i < ranges.length; i += 6) {
        await Promise.all(ranges.slice(i, i + 6).map(async ([begin, end]) => fill(begin, end, await read(begin, end))));
    }
}

function fill(begin, end, bytes) {
    fetched.requests += 1;
    fetched.bytes += bytes.length;
    if (bytes.length !== end - begin) throw new Error(`${end - begin} bytes from ${begin} were asked for, ${bytes.length} came.`);
    const problem = answerer.fill(begin, bytes);
    if (problem) throw new Error(problem);
}

/** Finds out how long a file is. */
async function find({ url, file, stages }) {
    if (stages !== undefined) {
        const base = stages === '.' ? '' : stages.replace(/\/+$/, '');
        const response = await fetch(new URL(`${base}/v1/stages`, self.location.href));
        if (!response.ok) throw new Error(`${stages}: the server answers ${response.status}`);
        return answerer.setStages(await response.text());
    }
    if (file !== undefined) {
        const blob = files.get(file);
        if (!blob) throw new Error('The file is gone: drop it again.');
        read = async (begin, end) => new Uint8Array(await blob.slice(begin, end).arrayBuffer());
        return answerer.setLength(blob.size);
    }
    const found = await fetchFront(url);
    fetched.requests += 1;
    fetched.bytes += found.front.length;
    read = found.read;
    answerer.setLength(found.length);
    // Only whole pages can be taken.
    const page = 32 * 1024;
    const whole = found.front.length === found.length ? found.length : Math.floor(found.front.length / page) * page;
    if (whole > 0) answerer.fill(0, found.front.subarray(0, whole));
}
