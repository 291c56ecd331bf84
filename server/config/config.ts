/**
 * The configuration of a running server: typed values, changed only through `set` (what clients may) and
 * `assign` (what the server itself decides), both of which tell the listeners.
 */

import { matchesGlob } from '../structures/glob.ts';
import { type Kind, Refusal } from './kinds.ts';
import { findParameter, type Parameter, parameterTable, wordsOf } from './parameter-table.ts';
import { FIXED, GUARDED, HIDDEN, OWN, type ParameterName, type Values } from './parameters.ts';

/** Told after a value changed; a returned text refuses the change, which is then taken back. */
export type Listener<Name extends ParameterName> = (
  value: Values[Name],
  previous: Values[Name],
) => string | undefined;

type AnyListener = (value: unknown, previous: unknown) => string | undefined;

interface Change {
  readonly parameter: Parameter;
  readonly value: unknown;
  readonly previous: unknown;
}

/** `user <name> <rules>` */
export interface UserDirective {
  readonly name: string;
  readonly rules: readonly string[];
}

const GLOB_CHARACTERS = /[*?[\\]/;

export class Config {
  /** The present values; the object stays the same for the life of the server. */
  readonly values: Values;
  /** The `user` directives of the start. */
  users: readonly UserDirective[] = [];
  /** The `rename-command` directives: old and new name. */
  renames: readonly (readonly [from: string, to: string])[] = [];
  /** The lines of users that CONFIG REWRITE writes; null: the file's own stay as they are. */
  userLines: () => readonly string[] | null = () => null;
  /** Absolute path of the configuration file; undefined: started without one. */
  readonly path: string | undefined;
  readonly #listeners = new Map<ParameterName, AnyListener[]>();

  constructor(values: Values, path?: string) {
    this.values = values;
    this.path = path;
  }

  /** Calls `listener` after each change of the parameter, in the order of registration. */
  onChange<Name extends ParameterName>(name: Name, listener: Listener<Name>): void {
    const listeners = this.#listeners.get(name) ?? [];
    listeners.push(listener as AnyListener);
    this.#listeners.set(name, listeners);
  }

  /** Names and values that match any of the patterns, in the order of the table, older names last. */
  get(patterns: readonly string[]): [string, string][] {
    const found: [string, string][] = [];
    for (const parameter of parameterTable) {
      for (const name of [parameter.name, parameter.olderName]) {
        if (name === undefined || !patterns.some((pattern) => selects(pattern, name, parameter))) continue;
        found.push([name, parameter.kind.print(this.values[parameter.name])]);
      }
    }
    return found;
  }

  /** The value of one parameter as text. */
  print(name: ParameterName): string {
    const parameter = findParameter(name) as Parameter;
    return parameter.kind.print(this.values[name]);
  }

  /**
   * Sets several parameters together or none of them.
   *
   * @param local whether the client comes from this machine, which guarded parameters may ask for
   * @returns the text of the error without its code, undefined when all are set
   */
  set(pairs: readonly (readonly [string, string])[], local: boolean): string | undefined {
    const changes: Change[] = [];
    for (const [name, value] of pairs) {
      const parameter = findParameter(name);
      if (parameter === undefined) {
        return `Unknown option or number of arguments for CONFIG SET - '${name}'`;
      }
      const same = parameter.kind.print(this.values[parameter.name]) === value;
      if ((parameter.flags & OWN) !== 0 && same) continue;
      const reason = this.#refuse(parameter, changes, local);
      if (reason !== undefined) return failed(name, reason);
      const previous = this.values[parameter.name];
      const read = parameter.kind.read(wordsOf(parameter, value), {
        previous,
        first: true,
        starting: false,
      });
      if (read instanceof Refusal) return failed(name, read.reason);
      changes.push({ parameter, value: read, previous });
    }
    return this.#apply(changes);
  }

  /** Sets one parameter from inside the server, whether or not clients may; listeners are told. */
  assign<Name extends ParameterName>(name: Name, value: Values[Name]): string | undefined {
    const parameter = findParameter(name) as Parameter;
    return this.#apply([{ parameter, value, previous: this.values[name] }]);
  }

  #refuse(parameter: Parameter, changes: readonly Change[], local: boolean): string | undefined {
    if (parameter.flags & FIXED) return "can't set immutable config";
    const allowed = this.values['enable-protected-configs'];
    const guarded = (parameter.flags & GUARDED) !== 0;
    if (guarded && !(allowed === 'yes' || (allowed === 'local' && local)))
      return "can't set protected config";
    return changes.some((change) => change.parameter === parameter) ? 'duplicate parameter' : undefined;
  }

  #apply(changes: readonly Change[]): string | undefined {
    for (const change of changes) this.#write(change.parameter, change.value);
    for (const [index, change] of changes.entries()) {
      const reason = this.#tell(change.parameter, change.value, change.previous);
      if (reason === undefined) continue;
      for (const undone of changes) this.#write(undone.parameter, undone.previous);
      for (const undone of changes.slice(0, index + 1)) {
        this.#tell(undone.parameter, undone.previous, undone.value);
      }
      return failed(change.parameter.name, reason);
    }
    return undefined;
  }

  #tell(parameter: Parameter, value: unknown, previous: unknown): string | undefined {
    if (same(parameter.kind, value, previous)) return undefined;
    for (const listener of this.#listeners.get(parameter.name) ?? []) {
      const reason = listener(value, previous);
      if (reason !== undefined) return reason;
    }
    return undefined;
  }

  #write(parameter: Parameter, value: unknown): void {
    (this.values as Record<ParameterName, unknown>)[parameter.name] = value;
  }
}

function failed(name: string, reason: string): string {
  return `CONFIG SET failed (possibly related to argument '${name}') - ${reason}`;
}

function same(kind: Kind<unknown>, left: unknown, right: unknown): boolean {
  return kind.print(left) === kind.print(right);
}

function selects(pattern: string, name: string, parameter: Parameter): boolean {
  if (!GLOB_CHARACTERS.test(pattern)) return pattern.toLowerCase() === name;
  if (parameter.flags & HIDDEN) return false;
  const text = Buffer.from(name);
  return matchesGlob(Buffer.from(pattern), text, 0, text.length, true);
}
