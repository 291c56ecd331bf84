/**
 * The parameter table in the form that parsing and `CONFIG` use: looked up by any name, kinds without types.
 */

import type { Kind } from './kinds.ts';
import { type ParameterName, parameters, type Values } from './parameters.ts';

/** One parameter. */
export interface Parameter {
  readonly name: ParameterName;
  readonly kind: Kind<unknown>;
  /** The default as `redis.conf` would write it. */
  readonly defaultText: string;
  readonly flags: number;
  readonly summary: string;
  /** An older name of the same parameter. */
  readonly olderName: string | undefined;
}

/** All parameters in the order of the table. */
export const parameterTable: readonly Parameter[] = parameters.map((row) => ({
  name: row[0],
  kind: row[1] as Kind<unknown>,
  defaultText: row[2],
  flags: row[3],
  summary: row[4],
  olderName: row[5],
}));

const byName = new Map<string, Parameter>();
for (const parameter of parameterTable) {
  byName.set(parameter.name, parameter);
  if (parameter.olderName !== undefined) byName.set(parameter.olderName, parameter);
}

/** The parameter with this name, newer or older, in any case. */
export function findParameter(name: string): Parameter | undefined {
  return byName.get(name.toLowerCase());
}

/** The words of a value given as one text: several where the parameter takes several. */
export function wordsOf(parameter: Parameter, value: string): string[] {
  if (!parameter.kind.many || value.trim() === '') return [value.trim() === '' ? '' : value];
  return value.trim().split(/\s+/);
}

/** The default of one parameter; a default that its own kind refuses is a bug and throws. */
export function defaultOf(parameter: Parameter): unknown {
  const words = wordsOf(parameter, parameter.defaultText);
  const value = parameter.kind.read(words, { previous: undefined, first: true, starting: true });
  if (value instanceof Object && 'reason' in value) {
    throw new Error(`default of ${parameter.name} is refused: ${String(value.reason)}`);
  }
  return value;
}

/** Values as they are when nothing is configured. */
export function defaultValues(): Values {
  const pairs = parameterTable.map((parameter) => [parameter.name, defaultOf(parameter)]);
  return Object.fromEntries(pairs) as Values;
}
