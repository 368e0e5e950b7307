// A file on a server that is read by ranges.
import { VecdeltaError } from './error.js';

/** A file on a server that knows no ranges is taken whole up to this size. */
const WHOLE_MAX = 32 * 1024 * 1024;
/** What is asked for first: whole pages of the engine. */
const FRONT = 96 * 1024;

/** Asks a server for the front of a file; tells how long it is and how to ask for more of the same version of it. */
export async function fetchFront(url, get = globalThis.fetch) {
    const unreadable = (text) => new VecdeltaError('unreadable', `${url}: ${text}`);
    const response = await get(url, { headers: { Range: `bytes=0-${FRONT - 1}` } });
    if (response.status === 200) {
        const length = Number(response.headers.get('Content-Length') ?? NaN);
        if (!(length <= WHOLE_MAX)) {
            await response.body?.cancel();
            throw unreadable('the server does not answer ranges, and the file is too large to be fetched whole');
        }
        const front = new Uint8Array(await response.arrayBuffer());
        const read = async (begin, end) => front.subarray(begin, end);
        return { length: front.length, front, read };
    }
    if (response.status !== 206) throw unreadable(`the server answers ${response.status}`);
    const range = /^bytes 0-(\d+)\/(\d+)$/.exec(response.headers.get('Content-Range') ?? '');
    if (!range) throw unreadable('the server does not say how long the file is (Content-Range has to be exposed)');
    const front = new Uint8Array(await response.arrayBuffer());
    const etag = response.headers.get('ETag');
    const strong = etag !== null && !etag.startsWith('W/') ? etag : undefined;
    const read = async (begin, end) => {
        const headers = { Range: `bytes=${begin}-${end - 1}` };
        if (strong) headers['If-Range'] = strong;
        const part = await get(url, { headers });
        if (part.status === 200) {
            await part.body?.cancel();
            throw unreadable('the file was changed while it was read: open it again');
        }
        if (part.status !== 206) throw unreadable(`the server answers ${part.status}`);
        return new Uint8Array(await part.arrayBuffer());
    };
    return { length: Number(range[2]), front, read };
}
