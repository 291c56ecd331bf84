/**
 * What modules leave in RDB: passed over, because it says itself how long it is.
 *
 *   value = id of the module, (opcode, data) ..., 0
 *   opcode 1 signed, 2 unsigned number as a length, 3 float, 4 double, 5 string
 */
import { RdbError, type RdbSource } from './rdb-source.ts';

const MODULE_EOF = 0;
const MODULE_SINT = 1;
export const MODULE_UINT = 2;
const MODULE_FLOAT = 3;
const MODULE_DOUBLE = 4;
const MODULE_STRING = 5;

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

/** Reads a module's id: nine characters of six bits each in the upper 54 of its 64 bits. */
export function moduleName(source: RdbSource): string {
  const low = source.size();
  let id = (BigInt(source.highLength) << 32n) | BigInt(source.highLength === 0 ? low : source.lowLength);
  id >>= 10n;
  let name = '';
  for (let k = 0; k < 9; k += 1, id >>= 6n) name = ALPHABET[Number(id & 63n)] + name;
  return name;
}

/** Everything up to the end of a module's value; in one step, however long. */
export function skipModuleValue(source: RdbSource, name: string): void {
  for (;;) {
    const opcode = source.size();
    switch (opcode) {
      case MODULE_EOF:
        return;
      case MODULE_SINT:
      case MODULE_UINT:
        source.size();
        break;
      case MODULE_FLOAT:
        source.raw(4);
        break;
      case MODULE_DOUBLE:
        source.raw(8);
        break;
      case MODULE_STRING:
        source.string();
        break;
      default:
        throw new RdbError(`Unknown opcode ${opcode} in the value of the module '${name}'`, -1);
    }
  }
}
