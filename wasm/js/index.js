// vecdelta for browsers and Node: loads the WebAssembly module, and brings the ranges that a history lacks.
import { VecdeltaError } from './error.js';
import { fetchFront } from './remote.js';
import load, { WasmDelta, WasmDeltaDetector, WasmDeltaStream, WasmHistory } from './vecdelta_wasm.js';

export { VecdeltaError, fetchFront, WasmDelta, WasmDeltaDetector, WasmDeltaStream };

// The module takes over what it is handed here, and the caller would be left with nothing.
const { verifyChain } = WasmDelta.prototype;
WasmDelta.prototype.verifyChain = function follows(parent) { verifyChain.call(this, parent?.clone()); };

const HELD_MAX = 128 * 1024 * 1024;

let loading, loadingChecks, placeOfChecks;

/** Loads a module; `source` is where it is, when it is not beside this file. */
async function loaded(load, source, beside) {
    const place = source ?? beside;
    if (place instanceof URL && place.protocol === 'file:') {
        const { readFile } = await import('node:fs/promises');
        await load({ module_or_path: await readFile(place) });
    } else {
        await load({ module_or_path: place });
    }
}

/**
 * Loads the module; has to be awaited once before anything else. `source` is where it is, when it is not beside this file, and `checks` where
 * the second one is, which is loaded when histories are compared or checked for the first time.
 */
export function ready(source, checks) {
    placeOfChecks = checks ?? placeOfChecks;
    loading ??= loaded(load, source, new URL('vecdelta_wasm_bg.wasm', import.meta.url));
    loading.catch(() => { loading = undefined; });
    return loading;
}

/** Loads the second module, with a memory of its own. */
function readyToCheck() {
    loadingChecks ??= (async () => {
        const { default: load, WasmHistory: Checked } = await import('./vecdelta_checks.js');
        await loaded(load, placeOfChecks, new URL('vecdelta_checks_bg.wasm', import.meta.url));
        return Checked;
    })();
    loadingChecks.catch(() => { loadingChecks = undefined; });
    return loadingChecks;
}

/** A history: a bundle in memory, or elsewhere and read by ranges. Questions are answered one after the other. */
export class History {
    #inner;
    #read;
    #again;
    #checked;
    #last = Promise.resolve();
    requests = 0;
    bytesRead = 0;

    /** `again` makes the same history of the class of the second module. */
    constructor(inner, read, again) {
        this.#inner = inner;
        this.#read = read;
        this.#again = again;
    }

    /** Opens a bundle that is in memory as a whole. */
    static async fromBytes(bytes) {
        await ready();
        const inner = WasmHistory.fromBytes(bytes);
        const history = new History(inner, undefined, (Checked) => Checked.fromBytes(inner.bytes()));
        await history.#ask((h) => h.open());
        return history;
    }

    /** Opens a bundle of `length` bytes of which `read(begin, end)` brings ranges. */
    static async fromRanges(length, read, { name = 'bundle', heldMax = HELD_MAX, front } = {}) {
        await ready();
        const inner = WasmHistory.ofLength(name, length, heldMax);
        const history = new History(inner, read, (Checked) => Checked.ofLength(name, length, heldMax));
        if (front !== undefined && front.length > 0) {
            // Only whole pages can be taken.
            const page = 32 * 1024;
            const whole = front.length === length ? length : Math.floor(front.length / page) * page;
            if (whole > 0) inner.fill(0, front.subarray(0, whole));
        }
        await history.#ask((h) => h.open());
        return history;
    }

    /** Opens a `File` or `Blob`; only the parts that are needed are read. */
    static fromBlob(blob, options = {}) {
        const read = async (begin, end) => new Uint8Array(await blob.slice(begin, end).arrayBuffer());
        return History.fromRanges(blob.size, read, options);
    }

    /** Opens a bundle on a web server that answers ranges; one that does not is asked for all of it, if that is little. */
    static async fromUrl(url, { fetch: get = globalThis.fetch, ...options } = {}) {
        const first = await fetchFront(url, get);
        const history = await History.fromRanges(first.length, first.read, { name: String(url), front: first.front, ...options });
        history.requests += 1;
        history.bytesRead += first.front.length;
        return history;
    }

    /** Commits, branches, tags and the head of `main`. */
    async summary() { return JSON.parse(await this.#ask((h) => h.summary())); }
    /** The identity of the commit that a revision names, in hex. */
    resolve(revision) { return this.#ask((h) => h.resolve(revision)); }
    /** Commits from a revision back, newest first. */
    async log({ from, limit = 100 } = {}) { return JSON.parse(await this.#ask((h) => h.log(from, limit))); }
    /** A vector as it was at a revision. */
    async vector(source, revision) {
        const found = await this.#ask((h) => h.vector(source, revision));
        const { element, dims, commit } = found;
        const bytes = found.bytes();
        const values = element === 'f64' ? new Float64Array(bytes.buffer, bytes.byteOffset, dims).slice() : found.values();
        found.free();
        return { source, element, dims, commit, bytes, values };
    }
    /** Which sources differ between two revisions, and by how much. */
    async diff(from, to, { collection, limit = 1000 } = {}) {
        const answer = await this.#check((h) => { h.open(); return h.diff(from, to, collection, limit); });
        return JSON.parse(answer);
    }
    /** The nearest rows to a query at a revision; every row is compared. */
    async search(query, { k = 10, metric = 'cosine', collection, at } = {}) {
        return JSON.parse(await this.#ask((h) => h.search(query, k, metric, collection, at)));
    }
    /** Checks every byte, every hash, every chain and every state. Reads all of the bundle. */
    async verify() { return JSON.parse(await this.#check((h) => h.verify())); }
    /** How many bytes of the bundle are in memory. */
    get held() { return this.#inner.held + (this.#checked?.held ?? 0); }
    /** Frees the memory of this history. */
    free() {
        this.#inner.free();
        this.#checked?.free();
        this.#checked = undefined;
    }

    #ask(question) { return this.#next(() => this.#run(this.#inner, question)); }

    /** Asks the second module, which reads the bundle anew. */
    #check(question) {
        return this.#next(async () => {
            const Checked = await readyToCheck();
            this.#checked ??= this.#again(Checked);
            return this.#run(this.#checked, question);
        });
    }

    #next(act) {
        const answer = this.#last.then(act);
        this.#last = answer.catch(() => {});
        return answer;
    }

    async #run(inner, question) {
        inner.begin();
        for (;;) {
            try {
                return question(inner);
            } catch (error) {
                if (error.code !== 'waiting') throw error;
            }
            const ends = inner.missing();
            if (ends.length === 0 || !this.#read) throw new VecdeltaError('unreadable', 'the bytes that are missing cannot be named');
            const ranges = Array.from({ length: ends.length / 2 }, (_, i) => [ends[2 * i], ends[2 * i + 1]]);
            // Six at a time, as many as a browser opens to one server.
            for (let i = 0; i < ranges.length; i += 6) {
                await Promise.all(ranges.slice(i, i + 6).map(async ([begin, end]) => {
                    const bytes = await this.#read(begin, end);
                    this.requests += 1;
                    this.bytesRead += bytes.length;
                    if (bytes.length !== end - begin) {
                        throw new VecdeltaError('unreadable', `${end - begin} bytes from ${begin} were asked for, ${bytes.length} came`);
                    }
                    inner.fill(begin, bytes);
                }));
            }
        }
    }
}
