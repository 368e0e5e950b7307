/** A module: where it is, or what it is. */
export type Source = URL | string | BufferSource | WebAssembly.Module;

/**
 * Loads the module; has to be awaited once before anything else. `checks` is where the second one is, if not beside this file: it is loaded
 * when `diff` or `verify` of a history is called for the first time.
 */
export function ready(source?: Source, checks?: Source): Promise<void>;

export type ErrorCode =
    | 'argument' | 'length' | 'shape' | 'version' | 'damaged' | 'chain' | 'conflict' | 'not-invertible' | 'nothing' | 'too-large'
    | 'not-found' | 'ambiguous' | 'compacted' | 'unreadable' | 'refused' | 'waiting';

/** What is thrown; `code` is for programs, `message` for people. */
export class VecdeltaError extends Error {
    constructor(code: ErrorCode, message: string);
    readonly code: ErrorCode;
}

export type Element = 'f32' | 'f64' | 'f16' | 'bf16' | 'i8' | 'u8';
export type Change = 'insert' | 'update' | 'delete';

/** The id of a delta. */
export interface DeltaId { toString(): string; free(): void; }

/** The change of one vector from one state to the next, under the hash of all that it says. */
export class WasmDelta {
    /** Compares two states of a source, `collection/key`, of f32; `undefined` is a source that is absent. `millis` since 1970. */
    constructor(source: string, old: Float32Array | undefined, next: Float32Array | undefined, millis: number);
    /** The same for rows of any element, as little-endian bytes. */
    static between(element: Element, dims: number, source: string, old: Uint8Array | undefined, next: Uint8Array | undefined, millis: number): WasmDelta;
    /** Reads the bytes of a delta, and checks that none was altered. */
    static fromBytes(bytes: Uint8Array): WasmDelta;
    toBytes(): Uint8Array;
    vectorBytes(): Uint8Array;
    idHex(): string;
    readonly id: DeltaId;
    readonly parent: string | undefined;
    setParent(parent?: DeltaId): void;
    readonly source: string;
    readonly change: Change;
    readonly element: Element;
    readonly dims: number;
    readonly changedDims: number;
    readonly timestamp: number;
    indices(): Uint32Array;
    /** Changes a vector of f32 in place; its state is not checked. */
    apply(vector: Float32Array): void;
    applyBytes(row: Uint8Array): void;
    /** The state after this delta from the state before; the code `conflict` when it is of another state. */
    applyTo(row?: Uint8Array): Uint8Array | undefined;
    /** The Euclidean length of the change of a vector of f32. */
    magnitude(base: Float32Array): number;
    compose(then: WasmDelta): WasmDelta;
    invert(millis: number): WasmDelta;
    verify(): void;
    verifyChain(parent?: WasmDelta): void;
    isBase(row: Uint8Array): boolean;
    clone(): WasmDelta;
    free(): void;
}

/** Deltas of one source, each after the one before. */
export class WasmDeltaStream {
    constructor();
    append(delta: WasmDelta): number;
    readonly length: number;
    at(place: number): WasmDelta | undefined;
    applyAll(vector: Float32Array): void;
    applyFrom(start: number, vector: Float32Array): void;
    compact(): WasmDelta;
    verifyChain(): void;
    toBytes(): Uint8Array;
    static fromBytes(bytes: Uint8Array): WasmDeltaStream;
    free(): void;
}

/** Compares each state of a vector with the one that its deltas lead to. */
export class WasmDeltaDetector {
    constructor(source: string, threshold: number, minComponentDiff: number);
    detect(state: Float32Array, millis: number): WasmDelta | undefined;
    state(): Float32Array | undefined;
    reset(): void;
    free(): void;
}

export interface Summary { commits: number; head: string | null; branches: Record<string, string>; tags: Record<string, string>; }
export interface Commit {
    commit: string; parents: string[]; branch: string; time: string; author: string; message: string;
    metadata: Record<string, string>; inserted: number; updated: number; deleted: number; state_root: string;
    collections: { name: string; dtype: Element; dims: number; rows: number }[];
}
export interface Vector {
    source: string; element: Element; dims: number; commit: string; bytes: Uint8Array; values: Float32Array | Float64Array;
}
/** A number that is not finite is `null`. */
export interface Difference {
    source: string; change: Change; changed_dims: number; l2: number | null; cosine: number | null; max_abs: number | null;
}
export interface HistoryOptions {
    /** What messages call it. */
    name?: string;
    /** The most bytes of the bundle that are kept in memory; 128 MiB unless said otherwise. `diff` and `verify` keep as many of their own. */
    heldMax?: number;
}

/** A history: a bundle in memory, or elsewhere and read by ranges. Questions are answered one after the other. */
export class History {
    private constructor();
    static fromBytes(bytes: Uint8Array): Promise<History>;
    static fromRanges(
        length: number, read: (begin: number, end: number) => Promise<Uint8Array>, options?: HistoryOptions & { front?: Uint8Array },
    ): Promise<History>;
    static fromBlob(blob: Blob, options?: HistoryOptions): Promise<History>;
    static fromUrl(url: string | URL, options?: HistoryOptions & { fetch?: typeof globalThis.fetch }): Promise<History>;
    summary(): Promise<Summary>;
    resolve(revision: string): Promise<string>;
    log(options?: { from?: string; limit?: number }): Promise<Commit[]>;
    vector(source: string, revision?: string): Promise<Vector>;
    /** Loads the second module, and reads what it needs of the bundle anew; a bundle in memory is copied. */
    diff(from: string, to: string, options?: { collection?: string; limit?: number }): Promise<{ count: number; sources: Difference[] }>;
    search(
        query: Float32Array, options?: { k?: number; metric?: 'cosine' | 'l2' | 'dot'; collection?: string; at?: string },
    ): Promise<{ source: string; score: number | null }[]>;
    /** Reads all of the bundle, with the second module like `diff`. */
    verify(): Promise<{ commits: number; bytes: number; problems: string[] }>;
    /** How many ranges were asked for, and how many bytes came. */
    readonly requests: number;
    readonly bytesRead: number;
    readonly held: number;
    free(): void;
}

export interface Front { length: number; front: Uint8Array; read(begin: number, end: number): Promise<Uint8Array>; }
export function fetchFront(url: string | URL, get?: typeof globalThis.fetch): Promise<Front>;
