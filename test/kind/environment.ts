/**
 * What `make up` has put on this machine, written down in `.state/environment.json` before it is done, so
 * that `make down` can take it away however far `up` came; end-to-end stories read it to find the cluster.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { cacheDirectory } from './cache.ts';

export const repositoryRoot = path.resolve(import.meta.dirname, '..', '..');
export const stateDirectory = path.join(repositoryRoot, '.state');
export const clusterName = 'redwarden';
/** The bridge of the nodes' network; `dockerd.sh` makes it. */
export const bridgeName = 'br-redwarden';
export const partitionTable = 'redwarden_partition';

const file = path.join(stateDirectory, 'environment.json');
const copy = createHash('sha256').update(repositoryRoot).digest('hex').slice(0, 8);

/** Sockets, pid file and log of our own docker daemon: short, since socket paths have at most 107 bytes. */
export const dockerRunDirectory = `/run/redwarden-${copy}`;
export const kubeconfigPath = path.join(stateDirectory, 'kubeconfig');

/** Images and containers of our own docker daemon: gigabytes, outside the tree. */
export function dockerDataDirectory(): string {
  return path.join(cacheDirectory(), `docker-${copy}`);
}

export interface Environment {
  /** `DOCKER_HOST` of the daemon that runs the nodes; empty for the machine's default. */
  dockerHost: string;
  /** Whether the daemon is ours and ends with the environment. */
  ownDaemon: boolean;
  /** The daemon's network of the nodes did not exist before. */
  ownNetwork: boolean;
  /** Node image; empty for the one that belongs to kind's version. */
  nodeImage: string;
  /** Destinations of host routes into the cluster. */
  routes: string[];
  /** Kernel settings that kubelets change for the whole machine, as they were. */
  kernelSettings: Record<string, string>;
  /** Files and folders with fixed places that a docker daemon makes and that were not there before. */
  daemonTraces: string[];
  /** SHA-256 of the archives that were loaded, by image name. */
  images: Record<string, string>;
}

/** The environment of this working copy, or undefined when there is none. */
export function readEnvironment(): Environment | undefined {
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Environment) : undefined;
}

export function writeEnvironment(environment: Environment): void {
  mkdirSync(stateDirectory, { recursive: true });
  writeFileSync(`${file}.new`, `${JSON.stringify(environment, undefined, 2)}\n`);
  renameSync(`${file}.new`, file);
}

/** Variables with which docker and kind find the daemon of an environment. */
export function dockerVariables(environment: Environment): Record<string, string> {
  return environment.dockerHost === '' ? {} : { DOCKER_HOST: environment.dockerHost };
}
