/** Builds the Lua interpreter anew: sources of the conformance suite, the compiler of PyPI's `ziglang`. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { ensureSuite } from '../test/conformance/suite-source.ts';
import { ensureArtefact } from '../test/kind/cache.ts';

const zigVersion = '0.17.1';
const root = new URL('..', import.meta.url).pathname;
const progress = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

const suite = await ensureSuite('valkey', progress);
const compiler = await ensureArtefact(
  'zig',
  zigVersion,
  async (folder) => {
    const wheel = ['-m', 'pip', 'install', '--no-deps', '--target', folder, `ziglang==${zigVersion}`];
    execFileSync('python3', wheel, { stdio: 'inherit' });
  },
  progress,
);
const zig = path.join(compiler, 'ziglang', 'zig');
if (!existsSync(zig)) throw new Error(`no compiler at ${zig}`);
const wasm = path.join(root, 'build', 'interpreter.wasm');
const build = path.join(root, 'server/scripting/lua/build.sh');
execFileSync('mkdir', ['-p', path.dirname(wasm)]);
execFileSync('sh', [build, suite.source, zig, wasm], { stdio: 'inherit' });
execFileSync(process.execPath, [path.join(root, 'tools/pack-lua.ts'), wasm], { stdio: 'inherit' });
