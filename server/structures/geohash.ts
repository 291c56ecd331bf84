/**
 * Places on earth as integers of 52 bits, as Redis keeps them in the scores of sorted sets: longitude and
 * latitude, each a fraction of its range with 26 bits, bit by bit in turns, longitude first.
 *
 *   cell of `step` bits an axis:  x = longitude, y = latitude bits;  interleaved:  x25 y25 x24 y24 … x0 y0
 *
 * Cells of fewer bits are the places that share them, a run of scores. A search covers a circle, box or
 * polygon with the cell of its centre and the eight around it, as large as the shape needs. Distances are
 * those of the haversine on a sphere. Latitudes beyond the limits of Web Mercator have no place.
 */

export const LONGITUDE_MAX = 180;
export const LATITUDE_MAX = 85.05112878;
export const STEP_MAX = 26;

const EARTH_RADIUS_METERS = 6372797.560856;
const MERCATOR_MAX = 20037726.37;
const RADIANS = Math.PI / 180;
const TWO_26 = 67108864;
const TWO_32 = 2 ** 32;
const TWO_64 = 2 ** 64;

/** A cell: its bits on either axis, `step` of them; or a place, with 26. */
export interface Cell {
  readonly x: number;
  readonly y: number;
  readonly step: number;
}

export interface Place {
  readonly longitude: number;
  readonly latitude: number;
}

interface Bounds {
  readonly west: number;
  readonly east: number;
  readonly south: number;
  readonly north: number;
}

/** What is searched around `center`; lengths in meters. */
export type Shape =
  | { readonly kind: 'circle'; readonly center: Place; readonly radius: number }
  | { readonly kind: 'box'; readonly center: Place; readonly width: number; readonly height: number }
  | { readonly kind: 'polygon'; readonly center: Place; readonly corners: readonly Place[] };

/** The cell of a place; the latitude's range is ±`latitudeMax`. */
export function cellOf(place: Place, step: number, latitudeMax = LATITUDE_MAX): Cell {
  const cells = 2 ** step;
  const y = Math.floor(((place.latitude + latitudeMax) / (latitudeMax + latitudeMax)) * cells);
  const x = Math.floor(((place.longitude + LONGITUDE_MAX) / (2 * LONGITUDE_MAX)) * cells);
  return { x, y, step };
}

/** The bits of a cell in turns, as one number. */
export function interleave(cell: Cell): number {
  const high = spread(cell.y >>> 13) + spread(cell.x >>> 13) * 2;
  const low = spread(cell.y & 0x1fff) + spread(cell.x & 0x1fff) * 2;
  return high * TWO_26 + low;
}

/** The score of a place. */
export function scoreOf(place: Place): number {
  return interleave(cellOf(place, STEP_MAX));
}

/** The scores of all places within a cell: from the first up to, but without, the second. */
export function scoresOf(cell: Cell): readonly [from: number, to: number] {
  const scale = 2 ** (2 * (STEP_MAX - cell.step));
  const bits = interleave(cell);
  return [bits * scale, (bits + 1) * scale];
}

/** The middle of the cell of a score; what is no score of a place gives the nearest limit or any place. */
export function placeOf(score: number): Place {
  const { west, east, south, north } = boundsOf(cellOfScore(score));
  return {
    longitude: limited((west + east) / 2, LONGITUDE_MAX),
    latitude: limited((south + north) / 2, LATITUDE_MAX),
  };
}

function limited(value: number, limit: number): number {
  return Math.max(-limit, Math.min(limit, value));
}

function cellOfScore(score: number): Cell {
  if (score < 0 || score >= 2 ** 52) return cellOfWide(score);
  const bits = Math.floor(score);
  const high = Math.floor(bits / TWO_26);
  const low = bits % TWO_26;
  const x = gather(high >>> 1) * 8192 + gather(low >>> 1);
  const y = gather(high) * 8192 + gather(low);
  return { x, y, step: STEP_MAX };
}

/** As the conversion from double to 64 bits of x86 takes it. */
function cellOfWide(score: number): Cell {
  let bits = 0n;
  if (score < -TWO_64 / 2) bits = 1n << 63n;
  else if (score < TWO_64) bits = BigInt.asUintN(64, BigInt(Math.trunc(score)));
  let x = 0;
  let y = 0;
  for (let scale = 1; bits !== 0n; scale *= 2, bits >>= 2n) {
    if ((bits & 1n) !== 0n) y += scale;
    if ((bits & 2n) !== 0n) x += scale;
  }
  return { x, y, step: STEP_MAX };
}

/** Bit n of up to 16 to bit 2n. */
function spread(bits: number): number {
  bits = (bits | (bits << 8)) & 0x00ff00ff;
  bits = (bits | (bits << 4)) & 0x0f0f0f0f;
  bits = (bits | (bits << 2)) & 0x33333333;
  return (bits | (bits << 1)) & 0x55555555;
}

/** The reverse of `spread`; odd bits do not matter. */
function gather(bits: number): number {
  bits &= 0x55555555;
  bits = (bits | (bits >>> 1)) & 0x33333333;
  bits = (bits | (bits >>> 2)) & 0x0f0f0f0f;
  bits = (bits | (bits >>> 4)) & 0x00ff00ff;
  return (bits | (bits >>> 8)) & 0xffff;
}

function boundsOf(cell: Cell): Bounds {
  const cells = 2 ** cell.step;
  const tall = LATITUDE_MAX + LATITUDE_MAX;
  const wide = 2 * LONGITUDE_MAX;
  return {
    south: -LATITUDE_MAX + (cell.y / cells) * tall,
    north: -LATITUDE_MAX + (((cell.y + 1) % TWO_32) / cells) * tall,
    west: -LONGITUDE_MAX + (cell.x / cells) * wide,
    east: -LONGITUDE_MAX + (((cell.x + 1) % TWO_32) / cells) * wide,
  };
}

/** Meters between two places. */
export function distanceBetween(from: Place, to: Place): number {
  const v = Math.sin((to.longitude * RADIANS - from.longitude * RADIANS) / 2);
  if (v === 0) return latitudeDistance(from.latitude, to.latitude);
  const fromLatitude = from.latitude * RADIANS;
  const toLatitude = to.latitude * RADIANS;
  const u = Math.sin((toLatitude - fromLatitude) / 2);
  const a = u * u + Math.cos(fromLatitude) * Math.cos(toLatitude) * v * v;
  return 2 * EARTH_RADIUS_METERS * Math.asin(Math.sqrt(a));
}

function latitudeDistance(from: number, to: number): number {
  return EARTH_RADIUS_METERS * Math.abs(to * RADIANS - from * RADIANS);
}

/** Meters from the shape's centre to a place within the shape, -1 when it lies outside. */
export function distanceWithin(shape: Shape, place: Place): number {
  const { center } = shape;
  if (shape.kind === 'circle') {
    const distance = distanceBetween(center, place);
    return distance > shape.radius ? -1 : distance;
  }
  if (shape.kind === 'polygon') return isInside(shape.corners, place) ? distanceBetween(center, place) : -1;
  if (latitudeDistance(place.latitude, center.latitude) > shape.height / 2) return -1;
  const across = { longitude: center.longitude, latitude: place.latitude };
  if (distanceBetween(place, across) > shape.width / 2) return -1;
  return distanceBetween(center, place);
}

/** A line to the east crosses the sides of the polygon an odd number of times. */
function isInside(corners: readonly Place[], { longitude, latitude }: Place): boolean {
  let inside = false;
  let from = corners[corners.length - 1];
  for (const to of corners) {
    if (to.latitude > latitude !== from.latitude > latitude) {
      const share = (latitude - to.latitude) / (from.latitude - to.latitude);
      if (longitude < to.longitude + share * (from.longitude - to.longitude)) inside = !inside;
    }
    from = to;
  }
  return inside;
}

/** The polygon with these corners; its centre is the mean of the corners in space, brought to the surface. */
export function polygonOf(corners: readonly Place[]): Shape {
  let x = 0;
  let y = 0;
  let z = 0;
  for (const { longitude, latitude } of corners) {
    x += Math.cos(latitude * RADIANS) * Math.cos(longitude * RADIANS);
    y += Math.cos(latitude * RADIANS) * Math.sin(longitude * RADIANS);
    z += Math.sin(latitude * RADIANS);
  }
  const longitude = Math.atan2(y, x) / RADIANS;
  const latitude = Math.atan2(z, Math.hypot(x, y)) / RADIANS;
  const center = { longitude, latitude: limited(latitude, LATITUDE_MAX) };
  return { kind: 'polygon', center, corners };
}

/** Meters from the centre within which a shape lies. */
function reachOf(shape: Shape): number {
  if (shape.kind === 'circle') return shape.radius;
  if (shape.kind === 'box') return Math.hypot(shape.width / 2, shape.height / 2);
  const { west, east, south, north } = boundsAround(shape);
  let reach = 0;
  for (const longitude of [west, east]) {
    for (const latitude of [south, north])
      reach = Math.max(reach, distanceBetween(shape.center, { longitude, latitude }));
  }
  return reach;
}

/** The rectangle of degrees around a shape, wide enough at its edge that is nearer to the pole. */
function boundsAround(shape: Shape): Bounds {
  if (shape.kind === 'polygon') {
    const bounds = { west: LONGITUDE_MAX, east: -LONGITUDE_MAX, south: LATITUDE_MAX, north: -LATITUDE_MAX };
    for (const { longitude, latitude } of shape.corners) {
      bounds.west = Math.min(bounds.west, longitude);
      bounds.east = Math.max(bounds.east, longitude);
      bounds.south = Math.min(bounds.south, latitude);
      bounds.north = Math.max(bounds.north, latitude);
    }
    return bounds;
  }
  const { longitude, latitude } = shape.center;
  const height = shape.kind === 'circle' ? shape.radius : shape.height / 2;
  const width = shape.kind === 'circle' ? shape.radius : shape.width / 2;
  const tall = height / EARTH_RADIUS_METERS / RADIANS;
  const edge = latitude < 0 ? latitude - tall : latitude + tall;
  const wide = width / EARTH_RADIUS_METERS / Math.cos(edge * RADIANS) / RADIANS;
  return {
    west: longitude - wide,
    east: longitude + wide,
    south: latitude - tall,
    north: latitude + tall,
  };
}

/** Bits an axis of cells so large that nine of them cover a circle, as a rule. */
function stepFor(radius: number, latitude: number): number {
  if (radius === 0) return STEP_MAX;
  let step = 1;
  for (let reach = radius; reach < MERCATOR_MAX; reach *= 2) step++;
  step -= 2;
  // Meridians come together towards the poles.
  if (Math.abs(latitude) > 66) step--;
  if (Math.abs(latitude) > 80) step--;
  return Math.max(1, Math.min(STEP_MAX, step));
}

/** Steps to the east and to the north, in the order in which the cells are searched. */
const AROUND = [
  [0, 0],
  [0, 1],
  [0, -1],
  [1, 0],
  [-1, 0],
  [1, 1],
  [-1, 1],
  [1, -1],
  [-1, -1],
] as const;

function neighbour(cell: Cell, east: number, north: number): Cell {
  return { x: moved(cell.x, east, cell.step), y: moved(cell.y, north, cell.step), step: cell.step };
}

/** Around the earth; the bits of the very last longitude and latitude stay as they are without a move. */
function moved(bits: number, by: number, step: number): number {
  const cells = 2 ** step;
  return by === 0 ? bits : (bits + by + cells) % cells;
}

/** The cells, at most nine, that cover a shape, in the order in which Redis looks at them. */
export function cellsCovering(shape: Shape): Cell[] {
  const bounds = boundsAround(shape);
  const { center } = shape;
  let step = stepFor(reachOf(shape), center.latitude);
  let cell = cellOf(center, step);
  // Near the edge of its cell a shape may reach beyond the next one.
  const tooSmall =
    boundsOf(neighbour(cell, 0, 1)).north < bounds.north ||
    boundsOf(neighbour(cell, 0, -1)).south > bounds.south ||
    boundsOf(neighbour(cell, 1, 0)).east < bounds.east ||
    boundsOf(neighbour(cell, -1, 0)).west > bounds.west;
  if (step > 1 && tooSmall) {
    step--;
    cell = cellOf(center, step);
  }
  const own = boundsOf(cell);
  const cells: Cell[] = [];
  for (const [east, north] of AROUND) {
    if (step >= 2) {
      if (own.south < bounds.south && north < 0) continue;
      if (own.north > bounds.north && north > 0) continue;
      if (own.west < bounds.west && east < 0) continue;
      if (own.east > bounds.east && east > 0) continue;
    }
    const next = neighbour(cell, east, north);
    const last = cells.at(-1);
    // With few cells around the earth a neighbour may be the one that was just taken.
    if (cells.length > 1 && last !== undefined && last.x === next.x && last.y === next.y) continue;
    cells.push(next);
  }
  return cells;
}

const ALPHABET = '0123456789bcdefghjkmnpqrstuvwxyz';

/** The geohash that other programs know: 11 characters, of which 50 bits are known. */
export function geohashText(place: Place): string {
  const bits = interleave(cellOf(place, STEP_MAX, 90));
  let text = '';
  for (let shift = 47; shift >= 2; shift -= 5) text += ALPHABET[Math.floor(bits / 2 ** shift) % 32];
  return `${text}0`;
}
