/** Looks at the listpack of a stream's node as it comes from a file: nothing else trusts less. */
import * as listpack from '../structures/listpack.ts';
import { ENTRY_DELETED, ENTRY_SAME_FIELDS } from './stream-nodes.ts';

/** A stream keeps fewer fields than this in an entry: a listpack has no more entries. */
const FIELDS_MAX = 2 ** 30;

/** Reads integers and skips texts; every place it is given exists or is 0. */
class Walk {
  readonly #bytes: Uint8Array;
  readonly #entry = new listpack.ListpackEntry();
  at: number;
  failed = false;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.at = listpack.first(bytes, 0);
  }

  integer(): number {
    if (this.at === 0) return this.#fail();
    this.at = listpack.read(this.#bytes, 0, this.at, this.#entry);
    return this.#entry.isInteger ? this.#entry.value : this.#fail();
  }

  skip(count: number): void {
    for (let left = count; left > 0 && !this.failed; left--) {
      if (this.at === 0) this.#fail();
      else this.at = listpack.next(this.#bytes, 0, this.at);
    }
  }

  #fail(): number {
    this.failed = true;
    this.at = 0;
    return 0;
  }
}

/** The number of entries that are not deleted, or what is wrong with the node. */
export function validateNode(bytes: Uint8Array): number | string {
  const fault = listpack.validate(bytes, 0, bytes.length, true);
  if (fault !== '') return fault;
  const walk = new Walk(bytes);
  const live = walk.integer();
  const deleted = walk.integer();
  const nodeFields = walk.integer();
  if (walk.failed) return 'the head of a node is no three integers';
  if (nodeFields < 0 || nodeFields > FIELDS_MAX) return 'a node has a wrong number of fields';
  walk.skip(nodeFields);
  if (walk.integer() !== 0 || walk.failed) return 'the fields of a node do not end with 0';
  let seenLive = 0;
  let seenDeleted = 0;
  while (walk.at !== 0) {
    const flags = walk.integer();
    walk.integer();
    walk.integer();
    if (walk.failed || flags < 0 || flags > (ENTRY_DELETED | ENTRY_SAME_FIELDS))
      return 'an entry has a wrong head';
    const same = (flags & ENTRY_SAME_FIELDS) !== 0;
    const fields = same ? nodeFields : walk.integer();
    if (walk.failed || fields < 0 || fields > FIELDS_MAX) return 'an entry has a wrong number of fields';
    walk.skip(same ? fields : fields * 2);
    const count = walk.integer();
    if (walk.failed || count !== (same ? fields + 3 : fields * 2 + 4)) return 'an entry ends wrong';
    if ((flags & ENTRY_DELETED) === 0) seenLive++;
    else seenDeleted++;
  }
  if (seenLive !== live || seenDeleted !== deleted) return 'a node counts its entries wrong';
  return live;
}
