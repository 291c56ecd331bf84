/**
 * Container images as one archive that everybody reads: an OCI layout (containerd, podman, skopeo, kind) with
 * Docker's manifest.json beside it (docker load). Layers are not compressed. The same content gives the same
 * bytes.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { type Tree, writeTar } from './tar.ts';

export interface ImageConfig {
  /** `redwarden-server:0.1.0`. */
  readonly tag: string;
  readonly entrypoint: readonly string[];
  readonly user: string;
  readonly environment: readonly string[];
  readonly workingDirectory: string;
  readonly ports: readonly string[];
  readonly title: string;
  readonly version: string;
}

/** Writes the archive; lower layers first. Answers the image's id. */
export function writeImage(file: string, config: ImageConfig, layers: readonly Tree[]): string {
  const blobs: Tree = new Map();
  const store = (content: Buffer): Descriptor => {
    const digest = sha256(content);
    blobs.set(`blobs/sha256/${digest}`, { kind: 'file', content, mode: 0o644 });
    return { digest: `sha256:${digest}`, size: content.byteLength };
  };
  const layerBlobs = layers.map((tree) => store(writeTar(tree)));
  const configBlob = store(json(imageConfig(config, layerBlobs)));
  const manifest = store(json(ociManifest(configBlob, layerBlobs)));
  blobs.set('oci-layout', textFile(json({ imageLayoutVersion: '1.0.0' })));
  blobs.set('index.json', textFile(json(ociIndex(config, manifest))));
  blobs.set('manifest.json', textFile(json(dockerManifest(config, configBlob, layerBlobs))));
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(`${file}.part`, writeTar(blobs));
  renameSync(`${file}.part`, file);
  return configBlob.digest;
}

interface Descriptor {
  readonly digest: string;
  readonly size: number;
}

function imageConfig(config: ImageConfig, layers: readonly Descriptor[]): object {
  return {
    architecture: 'amd64',
    os: 'linux',
    created: '1970-01-01T00:00:00Z',
    config: {
      User: config.user,
      Env: config.environment,
      Entrypoint: config.entrypoint,
      WorkingDir: config.workingDirectory,
      ExposedPorts: Object.fromEntries(config.ports.map((port) => [`${port}/tcp`, {}])),
      Labels: {
        'org.opencontainers.image.title': config.title,
        'org.opencontainers.image.version': config.version,
        'org.opencontainers.image.licenses': 'Apache-2.0',
      },
    },
    rootfs: { type: 'layers', diff_ids: layers.map(({ digest }) => digest) },
    history: layers.map(() => ({ created: '1970-01-01T00:00:00Z' })),
  };
}

function ociManifest(config: Descriptor, layers: readonly Descriptor[]): object {
  const layerType = 'application/vnd.oci.image.layer.v1.tar';
  return {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: { mediaType: 'application/vnd.oci.image.config.v1+json', ...config },
    layers: layers.map((layer) => ({ mediaType: layerType, ...layer })),
  };
}

function ociIndex(config: ImageConfig, manifest: Descriptor): object {
  return {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.index.v1+json',
    manifests: [
      {
        mediaType: 'application/vnd.oci.image.manifest.v1+json',
        ...manifest,
        annotations: {
          'io.containerd.image.name': `docker.io/library/${config.tag}`,
          'org.opencontainers.image.ref.name': config.tag.split(':')[1] ?? '',
        },
      },
    ],
  };
}

function dockerManifest(config: ImageConfig, image: Descriptor, layers: readonly Descriptor[]): object {
  return [{ Config: blobPath(image), RepoTags: [config.tag], Layers: layers.map(blobPath) }];
}

function blobPath({ digest }: Descriptor): string {
  return `blobs/sha256/${digest.slice('sha256:'.length)}`;
}

function textFile(content: Buffer): { kind: 'file'; content: Buffer; mode: number } {
  return { kind: 'file', content, mode: 0o644 };
}

function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}

function sha256(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}
