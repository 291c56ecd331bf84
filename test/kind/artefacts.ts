/** The artefacts of the local Kubernetes and what each is made from. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { runCommand } from '../support/run-command.ts';
import { contentKey, ensureArtefact, type Progress } from './cache.ts';
import { ensurePackages } from './packages.ts';

const here = import.meta.dirname;
const goBuildDeadlineMs = 60 * 60_000;
const debianDeadlineMs = 20 * 60_000;
const assembleDeadlineMs = 20 * 60_000;
const quiet: Progress = () => {};

export interface NodeImage {
  /** Name and tag inside the archive. */
  readonly name: string;
  /** A docker-archive. */
  readonly archive: string;
}

/**
 * Directory of the static binary `kubernetes` that is every component, with a link for each name it is
 * called by (`etcd`, `kube-apiserver`, `kube-controller-manager`, `kubectl`, `kubeadm`). Twelve CPU minutes
 * when it is new.
 */
export async function ensureKubernetesBinary(progress: Progress = quiet): Promise<string> {
  const key = contentKey(here, ['build.sh', 'kubernetes'], [await goVersion('kubernetes')]);
  return ensureArtefact('kubernetes', key, (directory) => build('kubernetes', directory, progress), progress);
}

/** Path of the program `kind`, built from its Go module. */
export async function ensureKind(progress: Progress = quiet): Promise<string> {
  const key = contentKey(here, ['addons/go.mod', 'addons/go.sum'], [await goVersion('addons')]);
  const directory = await ensureArtefact('kind', key, (out) => build('kind', out, progress), progress);
  return path.join(directory, 'kind');
}

/** The node image made here, for machines that can pull none. Needs root and Debian. */
export async function ensureNodeImage(progress: Progress = quiet): Promise<NodeImage> {
  await ensurePackages(['debootstrap', 'containerd', 'jq'], progress);
  const kubernetes = await ensureKubernetesBinary(progress);
  const addonsKey = contentKey(here, ['build.sh', 'addons'], [await goVersion('addons')]);
  const addons = await ensureArtefact('addons', addonsKey, (out) => build('addons', out, progress), progress);
  const baseKey = contentKey(here, ['build.sh'], [debianRelease()]);
  const base = await ensureArtefact('base', baseKey, (out) => build('base', out, progress), progress);
  const sources = ['image.sh', 'mkimage.sh', 'manifests'];
  const key = contentKey(
    here,
    sources,
    [kubernetes, addons, base].map((part) => path.basename(part)),
  );
  const directory = await ensureArtefact(
    'node-image',
    key,
    async (out) => {
      progress('putting the node image together');
      await runCommand(path.join(here, 'image.sh'), [out, kubernetes, addons, base], {
        deadlineMs: assembleDeadlineMs,
        onLine: progress,
      });
    },
    progress,
  );
  const name = readFileSync(path.join(directory, 'name'), 'utf8').trim();
  return { name, archive: path.join(directory, 'node-image.tar') };
}

async function build(part: string, directory: string, progress: Progress): Promise<void> {
  progress(`building ${part}`);
  await runCommand(path.join(here, 'build.sh'), [part, directory], {
    deadlineMs: part === 'base' ? debianDeadlineMs : goBuildDeadlineMs,
    onLine: progress,
  });
}

async function goVersion(module: string): Promise<string> {
  const version = await runCommand('go', ['env', 'GOVERSION'], {
    deadlineMs: 120_000,
    directory: path.join(here, module),
  });
  return version.trim();
}

/** The release the node is made of: `SUITE`, or that of this machine. */
function debianRelease(): string {
  const release = readFileSync('/etc/os-release', 'utf8');
  const codename = /^VERSION_CODENAME=(.*)$/m.exec(release)?.[1] ?? 'unknown';
  return process.env['SUITE'] ?? codename;
}
