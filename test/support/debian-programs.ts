/**
 * Servers of other people that tests compare with: redis-server of this Debian, valkey-server of its
 * backports. A program that is installed is used as it is; else its package and what it needs are fetched
 * into the cache and unpacked there, so that nothing on the machine changes and no service starts.
 */
import path from 'node:path';
import { ensureArtefact, type Progress } from '../kind/cache.ts';
import { findProgram } from '../kind/packages.ts';
import { debianSuite, unpackPackages } from './debian-packages.ts';

const packageOf = {
  'redis-server': 'redis-server',
  'redis-cli': 'redis-tools',
  'redis-benchmark': 'redis-tools',
  'valkey-server': 'valkey-server',
  'valkey-cli': 'valkey-tools',
} as const;

/** A server or client program that Debian has. */
export type PeerProgram = keyof typeof packageOf;

/** A program and what its environment needs. */
export interface FoundProgram {
  readonly path: string;
  readonly env: Readonly<Record<string, string>>;
}

/** Finds or fetches a program; throws with the sentence a person needs when neither is possible. */
export async function debianProgram(program: PeerProgram, progress: Progress): Promise<FoundProgram> {
  const installed = findProgram(program);
  if (installed !== undefined) return { path: installed, env: {} };
  const name = packageOf[program];
  const backports = name.startsWith('valkey');
  const directory = await ensureArtefact(
    `debian-${name}`,
    debianSuite(),
    (folder) => unpackPackages([name], folder, { dependencies: 'missing', backports, progress }),
    progress,
  );
  const root = path.join(directory, 'root');
  const libraries = ['usr/lib/x86_64-linux-gnu', 'lib/x86_64-linux-gnu'].map((folder) =>
    path.join(root, folder),
  );
  return { path: path.join(root, 'usr/bin', program), env: { LD_LIBRARY_PATH: libraries.join(':') } };
}
