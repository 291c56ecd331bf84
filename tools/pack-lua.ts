/** Writes the built Lua interpreter into the module that carries it: pack-lua.ts <interpreter.wasm>. */
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { brotliCompressSync, constants } from 'node:zlib';

const lineCharacters = 100;
const target = new URL('../server/scripting/generated/lua-interpreter.ts', import.meta.url);

const wasm = readFileSync(process.argv[2] ?? '');
const sha256 = createHash('sha256').update(wasm).digest('hex');
const packed = brotliCompressSync(wasm, { params: { [constants.BROTLI_PARAM_SIZE_HINT]: wasm.length } });
const lines = packed.toString('base64').match(new RegExp(`.{1,${lineCharacters}}`, 'g')) ?? [];
writeFileSync(
  target,
  [
    '/** The Lua interpreter, made by server/scripting/lua/build.sh: WebAssembly by brotli in base64. */',
    `export const interpreterSha256 = '${sha256}';`,
    'export const interpreterPacked = `',
    ...lines,
    '`;',
    '',
  ].join('\n'),
);
process.stdout.write(`${sha256}, ${wasm.length} bytes, ${packed.length} packed\n`);
