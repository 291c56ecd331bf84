/**
 * How Node is started in an image: as the launcher in the half's bin/ folder starts it, where there is one.
 */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';

export interface NodeOptions {
  readonly arguments: readonly string[];
  /** `NAME=value`. */
  readonly environment: readonly string[];
}

/**
 * Options of the line that starts Node in server/bin/redwarden-server (a shell script: images have no shell),
 * and the variables it exports. An image has the same ones, so that the two cannot drift apart.
 */
export function nodeOptions(root: string, half: 'server' | 'operator'): NodeOptions {
  const launcher = path.join(root, half, 'bin', `redwarden-${half}`);
  if (!existsSync(launcher)) return { arguments: [], environment: [] };
  return readLauncher(readFileSync(launcher, 'utf8'));
}

/** Exported for tests: the options in a launcher's text. */
export function readLauncher(text: string): NodeOptions {
  const environment = [...text.matchAll(/^\s*export ([A-Z][A-Z0-9_]*)=["']?([\w.:/=-]+)["']?$/gm)].map(
    ([, name, value]) => `${name}=${value}`,
  );
  const start = text.split('\n').find((line) => /^\s*exec\s/.test(line)) ?? '';
  const flags = start.split(/\s+/).filter((word) => /^--[a-z][\w-]*(=[\w.,-]+)?$/.test(word));
  return { arguments: flags, environment };
}
