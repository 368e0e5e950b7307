// Writes a module again with some of its exports alone; wasm-opt then takes out what none of them reaches.
//
//     scripts/node.sh run scripts/cut.mjs IN.wasm OUT.wasm keep|drop NAME...
//
// Names of functions stay. `keep` also keeps what wasm-bindgen needs itself.
import { readFileSync, writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

const { default: binaryen } = await import(pathToFileURL(`${process.env.NODE_PATH}/binaryen/index.js`));
const [from, to, how, ...names] = process.argv.slice(2);
const bytes = readFileSync(from);
const exported = WebAssembly.Module.exports(new WebAssembly.Module(bytes)).map((e) => e.name);
for (const name of names) {
    // One that was renamed would leave the module as it is.
    if (!exported.includes(name)) throw new Error(`${from} exports no ${name}`);
}
binaryen.setDebugInfo(true);
const module = binaryen.readBinary(bytes);
const own = (name) => name === 'memory' || name.startsWith('__wb') && !name.startsWith('__wbg_') || /^__(abort|instance|externref)/.test(name);
for (const name of exported) {
    if (how === 'keep' ? !own(name) && !names.includes(name) : names.includes(name)) module.removeExport(name);
}
writeFileSync(to, module.emitBinary());
