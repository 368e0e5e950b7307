// The page: loads the module, starts the worker and the window, and brings files, addresses and clicks to them.
import init, { act, deliver, go, openFile, panicked, start, state } from './inspector.js';
import { page } from './host.js';

const canvas = document.getElementById('canvas');
const loader = document.getElementById('loader');
const began = performance.now();
let files = 0, fetched = { requests: 0, bytes: 0, held: 0, memory: 0 }, atGraph, shown = '';

function trouble(title, text) {
    document.getElementById('title').textContent = title;
    document.getElementById('text').textContent = text;
    document.getElementById('bar').hidden = true;
    document.getElementById('copy').hidden = false;
    loader.hidden = false;
    loader.setAttribute('role', 'alert');
}

/** The number of the answer that carries a piece of the graph, behind the number of the question and the sign of success. */
const GRAPH = 1;

/** The least module that uses SIMD. */
const SIMD = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11]);

function missing() {
    if (typeof WebAssembly !== 'object' || !WebAssembly.validate(SIMD)) return 'WebAssembly with SIMD';
    if (!document.createElement('canvas').getContext('webgl2')) return 'WebGL 2';
    return undefined;
}

/** Compiles the module while it comes, and shows how far it is. */
async function compiled(url) {
    const response = await fetch(url);
    if (!response.ok) throw new Error(`${url}: the server answers ${response.status}`);
    const all = Number(document.body.dataset.bytes) || 0;
    const bar = document.getElementById('bar');
    let done = 0;
    const counted = new TransformStream({
        transform(piece, out) {
            done += piece.length;
            if (all > 0) bar.value = Math.min(1, done / all);
            out.enqueue(piece);
        },
    });
    const stream = response.body.pipeThrough(counted);
    return WebAssembly.compileStreaming(new Response(stream, { headers: { 'Content-Type': 'application/wasm' } }));
}

/** The place that the address names; without one, the repository of the server that sent this page, if it has one. */
async function placeOfAddress() {
    const named = new URLSearchParams(location.search).get('open');
    if (named !== null) return named === 'demo' ? 'demo' : absolute(named);
    if (document.body.dataset.bundle === undefined) return '';
    try {
        const bundle = new URL(document.body.dataset.bundle, location.href);
        const response = await fetch(bundle, { headers: { Range: 'bytes=0-7' } });
        await response.body?.cancel();
        return response.status === 206 ? bundle.href : '';
    } catch {
        return '';
    }
}

function absolute(text) {
    try {
        const url = new URL(text, location.href);
        return url.protocol === 'http:' || url.protocol === 'https:' ? url.href : '';
    } catch {
        return '';
    }
}

function take(file) {
    files += 1;
    page.worker.postMessage({ file, number: files });
    openFile(files, file.name);
}

function listen() {
    addEventListener('dragover', (event) => { event.preventDefault(); event.stopPropagation(); }, true);
    addEventListener('drop', (event) => {
        event.preventDefault();
        event.stopPropagation();
        if (event.dataTransfer?.files.length > 0) take(event.dataTransfer.files[0]);
    }, true);
    const input = document.getElementById('file');
    input.addEventListener('change', () => { if (input.files.length > 0) take(input.files[0]); input.value = ''; });
    page.chooseFile = () => input.click();
    page.act = act;
    page.addressed = (place, link) => {
        const search = place ? `?open=${encodeURIComponent(place).replaceAll('%2F', '/').replaceAll('%3A', ':')}` : '';
        shown = `${location.pathname}${search}${link}`;
        history.replaceState(null, '', shown);
    };
    addEventListener('hashchange', () => {
        if (`${location.pathname}${location.search}${location.hash}` !== shown) go('', location.hash);
    });
    canvas.addEventListener('webglcontextlost', () => trouble('The picture was lost', 'The browser took the graphics memory back. Reload the page.'));
    const broken = () => {
        const text = panicked();
        if (text) trouble('The inspector stopped', text);
    };
    addEventListener('error', () => setTimeout(broken, 0));
    document.getElementById('copy').addEventListener('click', () => navigator.clipboard?.writeText(document.getElementById('text').textContent));
}

async function main() {
    const lacks = missing();
    if (lacks) {
        return trouble(`This browser has no ${lacks}`, 'A recent Firefox, Chrome, Edge or Safari shows this page. If it is recent, look whether graphics acceleration is turned off in its settings.');
    }
    page.canvas = canvas;
    page.mirror = document.getElementById('mirror');
    const [module, place] = await Promise.all([compiled('./inspector_bg.wasm'), placeOfAddress()]);
    page.worker = new Worker(new URL('worker.js', import.meta.url), { type: 'module' });
    page.worker.onmessage = ({ data }) => {
        if (data.fetched) fetched = data.fetched;
        if (data.reply) deliver(data.reply);
        if (atGraph === undefined && fetched.requests > 0 && data.reply?.[9] === GRAPH) atGraph = { ...fetched };
        if (data.broken) trouble('The reading of the file stopped', data.broken);
    };
    page.worker.postMessage({ module });
    const { memory } = await init({ module_or_path: module });
    listen();
    await start(canvas, place, location.hash);
    await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
    loader.hidden = true;
    canvas.focus();
    const firstFrame = performance.now();
    window.__vecdelta = {
        state: () => { const text = state(); return text ? JSON.parse(text) : undefined; },
        fetched: () => ({ ...fetched }),
        firstGraph: () => atGraph,
        memory: () => ({ worker: fetched.memory, page: memory.buffer.byteLength }),
        firstFrameMillis: firstFrame,
        loadMillis: firstFrame - began,
    };
}

main().catch((error) => trouble('The inspector could not be started', String(error.message ?? error)));
