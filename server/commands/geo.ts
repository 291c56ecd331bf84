/** Geo commands on members: places are the scores of a sorted set. */
import { distanceBetween, geohashText, scoreOf } from '../structures/geohash.ts';
import { KEY_BYTES_MAX, TYPE_ZSET } from '../structures/record.ts';
import type { SortedSetBody } from '../values/sorted-set-body.ts';
import type { Call } from './call.ts';
import * as errors from './errors.ts';
import { coordinateText, distanceText, placeOfMember, readPlace, readUnit } from './geo-arguments.ts';
import { DENYOOM, ONE_KEY, READONLY, type Row, WRITE } from './row.ts';
import { addMembers, CH, NX, XX } from './sorted-set.ts';
import { sortedSetsOf } from './sorted-set-access.ts';
import { readValue } from './value-access.ts';

// biome-ignore format: a table, one command a row
export const geoCommands: readonly Row[] = [
  // name     arity flags            keys     since    run      summary
  ['GEOADD',  -5,   WRITE | DENYOOM, ONE_KEY, '3.2.0', geoadd,  'Adds one or more members to a geospatial index. The key is created if it doesn\'t exist.'],
  ['GEODIST', -4,   READONLY,        ONE_KEY, '3.2.0', geodist, 'Returns the distance between two members of a geospatial index.'],
  ['GEOHASH', -2,   READONLY,        ONE_KEY, '3.2.0', geohash, 'Returns members from a geospatial index as geohash strings.'],
  ['GEOPOS',  -2,   READONLY,        ONE_KEY, '3.2.0', geopos,  'Returns the longitude and latitude of members from a geospatial index.'],
];

function geoadd(call: Call): void {
  let options = 0;
  let index = 2;
  for (; index < call.argc; index++) {
    if (call.is(index, 'NX')) options |= NX;
    else if (call.is(index, 'XX')) options |= XX;
    else if (call.is(index, 'CH')) options |= CH;
    else break;
  }
  const words = call.argc - index;
  if (words === 0 || words % 3 !== 0 || (options & (NX | XX)) === (NX | XX)) {
    call.reply.error(errors.SYNTAX);
    return;
  }
  const scores = new Float64Array(words / 3);
  for (let place = 0, at = index; at < call.argc; place++, at += 3) {
    const read = readPlace(call, at);
    if (read === null) return;
    if (call.argLength[at + 2] > KEY_BYTES_MAX) {
      call.reply.error(errors.KEY_TOO_LONG);
      return;
    }
    scores[place] = scoreOf(read);
  }
  if (addMembers(call, scores, index + 2, 3, options) === 0) return;
  const propagated: (string | Uint8Array)[] = ['ZADD'];
  for (let word = 1; word < index; word++) propagated.push(call.copy(word));
  for (let place = 0; place < scores.length; place++)
    propagated.push(String(scores[place]), call.copy(index + place * 3 + 2));
  call.propagateAs(propagated);
}

function geodist(call: Call): void {
  if (call.argc > 5) {
    call.reply.error(errors.SYNTAX);
    return;
  }
  const meters = call.argc === 5 ? readUnit(call, 4) : 1;
  if (meters < 0) return;
  const body = readBody(call);
  if (body === undefined) return;
  const from = placeOfMember(call, body, 2);
  const to = placeOfMember(call, body, 3);
  if (from === null || to === null) call.reply.nullBulk();
  else call.reply.bulkLatin1(distanceText(distanceBetween(from, to) / meters));
}

function geohash(call: Call): void {
  const body = readBody(call);
  if (body === undefined) return;
  call.reply.array(call.argc - 2);
  for (let index = 2; index < call.argc; index++) {
    const place = placeOfMember(call, body, index);
    if (place === null) call.reply.nullBulk();
    else call.reply.bulkLatin1(geohashText(place));
  }
}

function geopos(call: Call): void {
  const body = readBody(call);
  if (body === undefined) return;
  call.reply.array(call.argc - 2);
  for (let index = 2; index < call.argc; index++) {
    const place = placeOfMember(call, body, index);
    if (place === null) call.reply.nullArray();
    else {
      call.reply.array(2);
      call.reply.double(coordinateText(place.longitude));
      call.reply.double(coordinateText(place.latitude));
    }
  }
}

/** The sorted set of the key in word 1, null when there is none, undefined after an error was answered. */
function readBody(call: Call): SortedSetBody | null | undefined {
  const ref = readValue(call, 1, TYPE_ZSET);
  if (ref < 0) return undefined;
  return ref === 0 ? null : sortedSetsOf(call).open(ref);
}
