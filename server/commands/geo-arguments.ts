/** What geo commands read from their words, and how they write numbers. */
import { parseDouble } from '../structures/double.ts';
import { LATITUDE_MAX, LONGITUDE_MAX, type Place, placeOf } from '../structures/geohash.ts';
import type { SortedSetBody } from '../values/sorted-set-body.ts';
import type { Call } from './call.ts';
import * as errors from './errors.ts';

/** Word `index` as a number; NaN after the error was answered. */
export function readNumber(call: Call, index: number, error: string = errors.NOT_FLOAT): number {
  const value = parseDouble(call.bytes, call.argStart[index], call.argLength[index]);
  if (Number.isNaN(value)) call.reply.error(error);
  return value;
}

/** Longitude and latitude in words `index` and the next; null after an error was answered. */
export function readPlace(call: Call, index: number): Place | null {
  const longitude = readNumber(call, index);
  if (Number.isNaN(longitude)) return null;
  const latitude = readNumber(call, index + 1);
  if (Number.isNaN(latitude)) return null;
  if (Math.abs(longitude) <= LONGITUDE_MAX && Math.abs(latitude) <= LATITUDE_MAX)
    return { longitude, latitude };
  call.reply.error(`ERR invalid longitude,latitude pair ${fixed6(longitude)},${fixed6(latitude)}`);
  return null;
}

/** C's `%f`. */
function fixed6(value: number): string {
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf';
  if (Object.is(value, -0)) return '-0.000000';
  return Math.abs(value) < 1e21 ? value.toFixed(6) : `${BigInt(value)}.000000`;
}

/** Meters in the unit of word `index`; -1 after an error was answered. */
export function readUnit(call: Call, index: number): number {
  if (call.is(index, 'M')) return 1;
  if (call.is(index, 'KM')) return 1000;
  if (call.is(index, 'FT')) return 0.3048;
  if (call.is(index, 'MI')) return 1609.34;
  call.reply.error('ERR unsupported unit provided. please use M, KM, FT, MI');
  return -1;
}

/** Place of the member in word `index`, null when there is none. */
export function placeOfMember(call: Call, body: SortedSetBody | null, index: number): Place | null {
  if (body === null || !body.find(call.bytes, call.argStart[index], call.argLength[index])) return null;
  return placeOf(body.score);
}

/** A distance with four decimals, halves to even. */
export function distanceText(distance: number): string {
  const scaled = distance * 10_000;
  let value = Math.floor(scaled);
  const rest = scaled - value;
  if (rest > 0.5 || (rest === 0.5 && value % 2 !== 0)) value++;
  return `${Math.floor(value / 10_000)}.${String(value % 10_000).padStart(4, '0')}`;
}

/** A coordinate with up to 17 decimals. */
export function coordinateText(value: number): string {
  let text = value.toFixed(17);
  // JavaScript rounds an exact half up, C to the even digit.
  const longer = value.toFixed(18);
  if (longer.endsWith('5') && Number(longer[longer.length - 2]) % 2 === 0 && isExact(value, longer)) {
    text = longer.slice(0, -1);
  }
  text = text.replace(/\.?0+$/, '');
  return text === '-0' ? '0' : text;
}

/** True when these 18 decimals are all that the number has. */
function isExact(value: number, text: string): boolean {
  return /^0*$/.test(value.toFixed(100).slice(text.length));
}
