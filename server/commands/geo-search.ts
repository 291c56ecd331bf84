/** Geo commands that search a circle or a box. */
import { NOTIFY_GENERIC, NOTIFY_ZSET } from '../keyspace/events.ts';
import {
  cellsCovering,
  distanceWithin,
  type Place,
  placeOf,
  type Shape,
  scoresOf,
} from '../structures/geohash.ts';
import { KEY_BYTES_MAX, TYPE_ZSET } from '../structures/record.ts';
import type { SortedSetBody } from '../values/sorted-set-body.ts';
import type { Call } from './call.ts';
import * as errors from './errors.ts';
import { coordinateText, distanceText } from './geo-arguments.ts';
import { type GeoSearch, readGeoSearch, readRadius } from './geo-search-arguments.ts';
import { DENYOOM, MOVABLE_KEYS, ONE_KEY, READONLY, type Row, TWO_KEYS, WRITE } from './row.ts';
import { sortedSetsOf, storeResult } from './sorted-set-access.ts';
import { readValue } from './value-access.ts';

const STORES = WRITE | DENYOOM | MOVABLE_KEYS;
const STORED = { keys: storedKeys };

// biome-ignore format: a table, one command a row
export const geoSearchCommands: readonly Row[] = [
  // name                  arity flags            keys      since     run                  summary
  ['GEORADIUS',            -6,   STORES,          ONE_KEY,  '3.2.0',  georadius,           'Queries a geospatial index for members within a distance from a coordinate, optionally stores the result.', STORED],
  ['GEORADIUSBYMEMBER',    -5,   STORES,          ONE_KEY,  '3.2.0',  georadiusbymember,   'Queries a geospatial index for members within a distance from a member, optionally stores the result.', STORED],
  ['GEORADIUSBYMEMBER_RO', -5,   READONLY,        ONE_KEY,  '3.2.10', georadiusbymemberRo, 'Returns members from a geospatial index that are within a distance from a member.'],
  ['GEORADIUS_RO',         -6,   READONLY,        ONE_KEY,  '3.2.10', georadiusRo,         'Returns members from a geospatial index that are within a distance from a coordinate.'],
  ['GEOSEARCH',            -7,   READONLY,        ONE_KEY,  '6.2.0',  geosearch,           'Queries a geospatial index for members inside an area of a box or a circle.'],
  ['GEOSEARCHSTORE',       -8,   WRITE | DENYOOM, TWO_KEYS, '6.2.0',  geosearchstore,      'Queries a geospatial index for members inside an area of a box or a circle, optionally stores the result.'],
];

function georadius(call: Call): void {
  search(call, 1, (body) => readRadius(call, body, false, true));
}

function georadiusbymember(call: Call): void {
  search(call, 1, (body) => readRadius(call, body, true, true));
}

function georadiusbymemberRo(call: Call): void {
  search(call, 1, (body) => readRadius(call, body, true, false));
}

function georadiusRo(call: Call): void {
  search(call, 1, (body) => readRadius(call, body, false, false));
}

function geosearch(call: Call): void {
  search(call, 1, (body) => readGeoSearch(call, body, false));
}

function geosearchstore(call: Call): void {
  search(call, 2, (body) => readGeoSearch(call, body, true));
}

// --- what the commands share

/** The key, and the one behind the last STORE or STOREDIST. */
function storedKeys(call: Call): number {
  let stored = 0;
  for (let index = 5; index + 1 < call.argc; index++) {
    if (call.is(index, 'STORE') || call.is(index, 'STOREDIST')) stored = ++index;
  }
  call.reserveKeys(2);
  call.keyPositions[0] = 1;
  call.keyPositions[1] = stored;
  return stored === 0 ? 1 : 2;
}

interface Found {
  readonly member: Buffer;
  readonly score: number;
  readonly place: Place;
  /** Meters. */
  readonly distance: number;
}

function search(call: Call, source: number, read: (body: SortedSetBody | null) => GeoSearch | null): void {
  const ref = readValue(call, source, TYPE_ZSET);
  if (ref < 0) return;
  const body = ref === 0 ? null : sortedSetsOf(call).open(ref);
  const request = read(body);
  if (request === null) return;
  const found = body === null ? [] : collect(body, request);
  if (request.storeIndex > 0) store(call, found, request, source === 2);
  else write(call, found, request);
}

/** What lies within the shape, in the order and number that was asked for. */
function collect(body: SortedSetBody, request: GeoSearch): Found[] {
  const { shape, count } = request;
  const found: Found[] = [];
  const enough = request.any ? count : Number.POSITIVE_INFINITY;
  for (const cell of cellsCovering(shape)) {
    if (found.length >= enough) break;
    const [from, to] = scoresOf(cell);
    const first = body.countBelowScore(from, false);
    const last = body.countBelowScore(to, false);
    collectRange(body, first, last, shape, enough, found);
  }
  const order = request.order === 'none' && count > 0 && !request.any ? 'ascending' : request.order;
  if (order === 'ascending') found.sort((left, right) => left.distance - right.distance);
  else if (order === 'descending') found.sort((left, right) => right.distance - left.distance);
  if (count > 0 && found.length > count) found.length = count;
  return found;
}

function collectRange(
  body: SortedSetBody,
  first: number,
  last: number,
  shape: Shape,
  enough: number,
  found: Found[],
): void {
  let more = first < last && body.seek(first);
  for (let left = last - first; more && left > 0; left--, more = body.next()) {
    const place = placeOf(body.score);
    const distance = distanceWithin(shape, place);
    if (distance < 0) continue;
    const member = Buffer.from(body.bytes.subarray(body.start, body.start + body.length));
    found.push({ member, score: body.score, place, distance });
    if (found.length >= enough) return;
  }
}

function write(call: Call, found: readonly Found[], request: GeoSearch): void {
  const { reply } = call;
  const { withDistance, withHash, withPlace } = request;
  const options = Number(withDistance) + Number(withHash) + Number(withPlace);
  reply.array(found.length);
  for (const { member, score, place, distance } of found) {
    if (options > 0) reply.array(options + 1);
    reply.bulk(member);
    if (withDistance) reply.bulkLatin1(distanceText(distance / request.meters));
    if (withHash) reply.integer64(BigInt(Math.trunc(score)));
    if (withPlace) {
      reply.array(2);
      reply.double(coordinateText(place.longitude));
      reply.double(coordinateText(place.latitude));
    }
  }
}

function store(call: Call, found: readonly Found[], request: GeoSearch, isSearch: boolean): void {
  const index = request.storeIndex;
  if (found.length === 0) {
    const start = call.argStart[index];
    if (call.database.remove(call.bytes, start, call.argLength[index]))
      call.notify(NOTIFY_GENERIC, 'del', index);
    call.reply.integer(0);
    return;
  }
  if (call.argLength[index] > KEY_BYTES_MAX) {
    call.reply.error(errors.KEY_TOO_LONG);
    return;
  }
  const result = sortedSetsOf(call).detached();
  result.convert();
  for (const { member, score, distance } of found) {
    const stored = request.storesDistance ? distance / request.meters : score;
    result.addNew(member, 0, member.length, stored);
  }
  result.settle();
  storeResult(call, index, result, NOTIFY_ZSET, isSearch ? 'geosearchstore' : 'georadiusstore');
  call.context.keyspace.dirty += found.length - 1;
}
