/** What the geo searches read from their words, in both grammars. */
import { type Place, polygonOf, type Shape } from '../structures/geohash.ts';
import type { SortedSetBody } from '../values/sorted-set-body.ts';
import type { Call } from './call.ts';
import * as errors from './errors.ts';
import { placeOfMember, readNumber, readPlace, readUnit } from './geo-arguments.ts';
import { readLong } from './list-arguments.ts';

export interface GeoSearch {
  shape: Shape;
  /** Meters in the unit of the question. */
  meters: number;
  withDistance: boolean;
  withHash: boolean;
  withPlace: boolean;
  /** 0: all. */
  count: number;
  /** Any `count` of them, not the nearest. */
  any: boolean;
  order: 'none' | 'ascending' | 'descending';
  /** Word of the key to store into, 0: none. */
  storeIndex: number;
  storesDistance: boolean;
}

const NOWHERE: Place = { longitude: 0, latitude: 0 };
const NO_SUCH_MEMBER = 'ERR could not decode requested zset member';

function newSearch(storeIndex: number): GeoSearch {
  return {
    shape: { kind: 'circle', center: NOWHERE, radius: 0 },
    meters: 1,
    withDistance: false,
    withHash: false,
    withPlace: false,
    count: 0,
    any: false,
    order: 'none',
    storeIndex,
    storesDistance: false,
  };
}

/** Answers an error; for functions that give nothing then. */
function refuse(call: Call, error: string): null {
  call.reply.error(error);
  return null;
}

/**
 * GEORADIUS and GEORADIUSBYMEMBER; `body` null: there is no such key. null after an error was answered.
 */
export function readRadius(
  call: Call,
  body: SortedSetBody | null,
  byMember: boolean,
  mayStore: boolean,
): GeoSearch | null {
  const search = newSearch(0);
  const options = byMember ? 5 : 6;
  // Without a key there is no member: only the options decide how the answer looks.
  if (!byMember || body !== null) {
    const center = byMember ? placeOfMember(call, body, 2) : readPlace(call, 2);
    if (center === null) return byMember ? refuse(call, NO_SUCH_MEMBER) : null;
    const radius = readLength(call, options - 2, 'radius');
    if (radius < 0) return null;
    search.meters = readUnit(call, options - 1);
    if (search.meters < 0) return null;
    search.shape = { kind: 'circle', center, radius: radius * search.meters };
  }
  for (let index = options; index < call.argc; ) {
    const more = index + 1 < call.argc;
    if (mayStore && more && (call.is(index, 'STORE') || call.is(index, 'STOREDIST'))) {
      search.storesDistance = call.is(index, 'STOREDIST');
      search.storeIndex = index + 1;
      index += 2;
      continue;
    }
    const words = readOption(call, index, search);
    if (words < 0) return null;
    if (words === 0) return refuse(call, errors.SYNTAX);
    index += words;
  }
  return finish(call, search, 'STORE option in GEORADIUS');
}

/** GEOSEARCH and GEOSEARCHSTORE; `body` null: there is no such key. null after an error was answered. */
export function readGeoSearch(call: Call, body: SortedSetBody | null, stores: boolean): GeoSearch | null {
  const search = newSearch(stores ? 1 : 0);
  const area: Area = {
    byMember: false,
    byPlace: false,
    kind: '',
    center: NOWHERE,
    corners: [],
    width: 0,
    height: 0,
  };
  for (let index = stores ? 3 : 2; index < call.argc; ) {
    if (stores && call.is(index, 'STOREDIST')) {
      search.storesDistance = true;
      index++;
      continue;
    }
    let words = readOption(call, index, search);
    if (words === 0) words = readArea(call, index, body, search, area);
    if (words < 0) return null;
    if (words === 0) return refuse(call, errors.SYNTAX);
    index += words;
  }
  const name = call.text(0);
  if (search.storeIndex > 0 && (search.withDistance || search.withHash || search.withPlace))
    return finish(call, search, 'GEOSEARCHSTORE');
  if (area.kind === 'polygon') {
    search.shape = polygonOf(area.corners);
    return finish(call, search, 'GEOSEARCHSTORE');
  }
  if (!area.byMember && !area.byPlace)
    return refuse(call, `ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for ${name}`);
  if (area.kind === '')
    return refuse(call, `ERR exactly one of BYRADIUS and BYBOX can be specified for ${name}`);
  const { center } = area;
  const width = area.width * search.meters;
  search.shape =
    area.kind === 'circle'
      ? { kind: 'circle', center, radius: width }
      : { kind: 'box', center, width, height: area.height * search.meters };
  return finish(call, search, 'GEOSEARCHSTORE');
}

/** What GEOSEARCH was told of its area so far; `width` of a circle is its radius. In the question's unit. */
interface Area {
  byMember: boolean;
  byPlace: boolean;
  kind: '' | 'circle' | 'box' | 'polygon';
  center: Place;
  corners: Place[];
  width: number;
  height: number;
}

/**
 * FROMMEMBER, FROMLONLAT, BYRADIUS, BYBOX: words taken, 0 for another word, -1 after an error was answered.
 */
function readArea(
  call: Call,
  index: number,
  body: SortedSetBody | null,
  search: GeoSearch,
  area: Area,
): number {
  const left = call.argc - index - 1;
  const free = area.kind === '' && !area.byMember && !area.byPlace;
  if (left >= 2 && free && call.is(index, 'BYPOLYGON')) return readPolygon(call, index, area);
  if (area.kind === 'polygon') return 0;
  if (left >= 1 && !area.byPlace && call.is(index, 'FROMMEMBER')) {
    const place = placeOfMember(call, body, index + 1);
    if (body !== null && place === null) {
      call.reply.error(NO_SUCH_MEMBER);
      return -1;
    }
    area.center = place ?? NOWHERE;
    area.byMember = true;
    return 2;
  }
  if (left >= 2 && !area.byMember && call.is(index, 'FROMLONLAT')) {
    const place = readPlace(call, index + 1);
    if (place === null) return -1;
    area.center = place;
    area.byPlace = true;
    return 3;
  }
  if (left >= 2 && area.kind !== 'box' && call.is(index, 'BYRADIUS')) {
    area.width = readLength(call, index + 1, 'radius');
    if (area.width < 0) return -1;
    search.meters = readUnit(call, index + 2);
    area.kind = 'circle';
    return search.meters < 0 ? -1 : 3;
  }
  if (left >= 3 && area.kind !== 'circle' && call.is(index, 'BYBOX')) {
    if (!readBox(call, index + 1, area)) return -1;
    search.meters = readUnit(call, index + 3);
    area.kind = 'box';
    return search.meters < 0 ? -1 : 4;
  }
  return 0;
}

/** BYPOLYGON in word `index`: words taken, -1 after an error was answered. */
function readPolygon(call: Call, index: number, area: Area): number {
  const corners = readLong(call, index + 1, 'ERR invalid number of vertices');
  if (Number.isNaN(corners)) return -1;
  if (corners < 3 || corners * 2 > call.argc - index - 2) {
    call.reply.error('ERR GEOSEARCH BYPOLYGON must have at least 3 vertices');
    return -1;
  }
  for (let corner = 0; corner < corners; corner++) {
    const place = readPlace(call, index + 2 + corner * 2);
    if (place === null) return -1;
    area.corners.push(place);
  }
  area.kind = 'polygon';
  return 2 + corners * 2;
}

function readLength(call: Call, index: number, what: string): number {
  const length = readNumber(call, index, `ERR need numeric ${what}`);
  if (Number.isNaN(length)) return -1;
  if (length >= 0) return length;
  call.reply.error(`ERR ${what} cannot be negative`);
  return -1;
}

function readBox(call: Call, index: number, area: Area): boolean {
  area.width = readNumber(call, index, 'ERR need numeric width');
  if (Number.isNaN(area.width)) return false;
  area.height = readNumber(call, index + 1, 'ERR need numeric height');
  if (Number.isNaN(area.height)) return false;
  if (area.width >= 0 && area.height >= 0) return true;
  call.reply.error('ERR height or width cannot be negative');
  return false;
}

/** An option of both grammars: words taken, 0 when it is none, -1 after an error was answered. */
function readOption(call: Call, index: number, search: GeoSearch): number {
  if (call.is(index, 'WITHDIST')) search.withDistance = true;
  else if (call.is(index, 'WITHHASH')) search.withHash = true;
  else if (call.is(index, 'WITHCOORD')) search.withPlace = true;
  else if (call.is(index, 'ANY')) search.any = true;
  else if (call.is(index, 'ASC')) search.order = 'ascending';
  else if (call.is(index, 'DESC')) search.order = 'descending';
  else if (index + 1 < call.argc && call.is(index, 'COUNT')) {
    search.count = readLong(call, index + 1);
    if (Number.isNaN(search.count)) return -1;
    if (search.count > 0) return 2;
    call.reply.error('ERR COUNT must be > 0');
    return -1;
  } else return 0;
  return 1;
}

/** The last looks at what was read. */
function finish(call: Call, search: GeoSearch, storing: string): GeoSearch | null {
  if (search.storeIndex > 0 && (search.withDistance || search.withHash || search.withPlace))
    return refuse(call, `ERR ${storing} is not compatible with WITHDIST, WITHHASH and WITHCOORD options`);
  if (search.any && search.count === 0) return refuse(call, 'ERR the ANY argument requires COUNT argument');
  return search;
}
