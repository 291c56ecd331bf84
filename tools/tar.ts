/**
 * A tar archive (ustar) in memory that is the same for the same content: entries sorted by path, no times, no
 * owners but the ones given.
 */

export interface FileEntry {
  readonly kind: 'file';
  readonly content: Uint8Array;
  readonly mode: number;
}

export interface FolderEntry {
  readonly kind: 'folder';
  readonly mode: number;
  readonly owner?: number;
}

export interface LinkEntry {
  readonly kind: 'link';
  readonly target: string;
}

export type Entry = FileEntry | FolderEntry | LinkEntry;

/** Paths without a leading slash, to what stands there. */
export type Tree = Map<string, Entry>;

const BLOCK = 512;
const NAME_MAX = 100;
const PREFIX_MAX = 155;

/** The archive's bytes. Folders above an entry are added where the tree does not name them. */
export function writeTar(tree: ReadonlyMap<string, Entry>): Buffer {
  const all = withFolders(tree);
  const parts: Buffer[] = [];
  for (const path of [...all.keys()].sort()) {
    const entry = all.get(path)!;
    parts.push(header(path, entry));
    if (entry.kind === 'file') {
      parts.push(Buffer.from(entry.content.buffer, entry.content.byteOffset, entry.content.byteLength));
      const rest = entry.content.byteLength % BLOCK;
      if (rest !== 0) parts.push(Buffer.alloc(BLOCK - rest));
    }
  }
  parts.push(Buffer.alloc(2 * BLOCK));
  return Buffer.concat(parts);
}

function withFolders(tree: ReadonlyMap<string, Entry>): Map<string, Entry> {
  const all = new Map(tree);
  for (const path of tree.keys()) {
    const parts = path.split('/');
    for (let depth = 1; depth < parts.length; depth += 1) {
      const folder = parts.slice(0, depth).join('/');
      if (!all.has(folder)) all.set(folder, { kind: 'folder', mode: 0o755 });
    }
  }
  return all;
}

function header(path: string, entry: Entry): Buffer {
  const block = Buffer.alloc(BLOCK);
  const { name, prefix } = splitPath(entry.kind === 'folder' ? `${path}/` : path);
  const owner = entry.kind === 'folder' ? (entry.owner ?? 0) : 0;
  block.write(name, 0, 'utf8');
  octal(block, 100, 8, entry.kind === 'link' ? 0o777 : entry.mode);
  octal(block, 108, 8, owner);
  octal(block, 116, 8, owner);
  octal(block, 124, 12, entry.kind === 'file' ? entry.content.byteLength : 0);
  octal(block, 136, 12, 0);
  block.fill(' ', 148, 156);
  block.write({ file: '0', link: '2', folder: '5' }[entry.kind], 156);
  if (entry.kind === 'link') {
    if (entry.target.length > NAME_MAX) throw new Error(`link target too long for ustar: ${entry.target}`);
    block.write(entry.target, 157, 'utf8');
  }
  block.write('ustar\u000000', 257, 'latin1');
  block.write(prefix, 345, 'utf8');
  octal(block, 148, 7, checksum(block));
  return block;
}

function splitPath(path: string): { name: string; prefix: string } {
  if (Buffer.byteLength(path) <= NAME_MAX) return { name: path, prefix: '' };
  for (let cut = path.indexOf('/'); cut !== -1; cut = path.indexOf('/', cut + 1)) {
    const name = path.slice(cut + 1);
    if (Buffer.byteLength(name) <= NAME_MAX && cut <= PREFIX_MAX && name !== '')
      return { name, prefix: path.slice(0, cut) };
  }
  throw new Error(`path too long for ustar: ${path}`);
}

function octal(block: Buffer, at: number, width: number, value: number): void {
  block.write(`${value.toString(8).padStart(width - 1, '0')}\0`, at, 'latin1');
}

function checksum(block: Buffer): number {
  return block.reduce((sum, byte) => sum + byte, 0);
}
