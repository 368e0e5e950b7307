// Compiled with `tsc --noEmit` by scripts/build-web.sh: what the types promise.
import { History, VecdeltaError, WasmDelta, WasmDeltaDetector, WasmDeltaStream, ready } from '../dist/index.js';

await ready();
const old = new Float32Array([0, 3, 1]), now = new Float32Array([0, 3, 2]);
const delta = new WasmDelta('items/a', old, now, Date.now());
const stream = new WasmDeltaStream();
stream.append(new WasmDelta('items/a', undefined, old, 1));
const place: number = stream.append(delta);
const again: WasmDelta = WasmDelta.fromBytes(delta.toBytes());
const length: number = again.magnitude(old) + place + stream.compact().dims;
const found: WasmDelta | undefined = new WasmDeltaDetector('items/a', 0.1, 0).detect(now, 5);
try {
    const history = await History.fromUrl('https://example.org/table.vdpack');
    const vector = await history.vector('items/a', 'main~3');
    const values: Float32Array | Float64Array = vector.values;
    const first = (await history.diff('main~1', 'main')).sources[0];
    console.log(values, first?.l2, (await history.log({ limit: 5 }))[0]?.message, length, found?.idHex());
} catch (error) {
    if (error instanceof VecdeltaError && error.code === 'damaged') console.error(error.message);
}
