import { describe, expect, it } from 'vitest';
import {
  cellsCovering,
  distanceBetween,
  distanceWithin,
  geohashText,
  interleave,
  LATITUDE_MAX,
  placeOf,
  polygonOf,
  type Shape,
  scoreOf,
  scoresOf,
} from './geohash.ts';
import { Prng } from './prng.ts';

const PALERMO = { longitude: 13.361389, latitude: 38.115556 };
const CATANIA = { longitude: 15.087269, latitude: 37.502669 };

describe('geohash', () => {
  it('gives the scores, texts and distances that Redis documents', () => {
    expect(scoreOf(PALERMO)).toBe(3479099956230698);
    expect(scoreOf(CATANIA)).toBe(3479447370796909);
    expect(geohashText(placeOf(3479099956230698))).toBe('sqc8b49rny0');
    expect(geohashText(placeOf(3479447370796909))).toBe('sqdtr74hyu0');
    const distance = distanceBetween(placeOf(scoreOf(PALERMO)), placeOf(scoreOf(CATANIA)));
    expect(distance.toFixed(4)).toBe('166274.1516');
  });

  it('keeps a place within a meter, and refuses to leave the limits', () => {
    const random = new Prng(Date.now());
    for (let round = 0; round < 5000; round++) {
      const place = randomPlace(random);
      const kept = placeOf(scoreOf(place));
      expect(distanceBetween(place, kept), `seed ${random.seed}`).toBeLessThan(1);
    }
    for (const score of [-1, -0.5, 2 ** 53, 2 ** 63, 2 ** 64, 1e300, Infinity, -Infinity]) {
      const { longitude, latitude } = placeOf(score);
      expect(Math.abs(longitude)).toBeLessThanOrEqual(180);
      expect(Math.abs(latitude)).toBeLessThanOrEqual(LATITUDE_MAX);
    }
  });

  it('covers every place within a shape with the cells of a search, each once', () => {
    for (let seed = 1; seed <= 400; seed++) {
      const random = new Prng(seed);
      const center = randomPlace(random);
      // Up to some hundred kilometers and away from the poles, where nine cells always suffice.
      if (Math.abs(center.latitude) > 75) continue;
      const size = 10 ** (random.fraction() * 5);
      const shape: Shape =
        seed % 2 === 0
          ? { kind: 'circle', center, radius: size }
          : { kind: 'box', center, width: size, height: size * random.fraction() };
      const cells = cellsCovering(shape);
      const ranges = cells.map((cell) => scoresOf(cell));
      expect(new Set(cells.map((cell) => interleave(cell))).size).toBe(cells.length);
      for (let round = 0; round < 100; round++) {
        const degrees = (size / 111_000) * 2;
        const place = {
          longitude: center.longitude + (random.fraction() - 0.5) * degrees,
          latitude: center.latitude + (random.fraction() - 0.5) * degrees,
        };
        if (Math.abs(place.longitude) > 180 || distanceWithin(shape, place) < 0) continue;
        const score = scoreOf(place);
        const found = ranges.filter(([from, to]) => score >= from && score < to).length;
        expect(found, `seed ${seed}`).toBe(1);
      }
    }
  });

  it('covers a polygon and finds what lies in it', () => {
    for (let seed = 1; seed <= 100; seed++) {
      const random = new Prng(seed);
      const west = random.fraction() * 300 - 150;
      const south = random.fraction() * 120 - 65;
      const size = random.fraction() * 4 + 0.01;
      // An L: the upper right quarter is missing.
      const shape = polygonOf([
        { longitude: west, latitude: south },
        { longitude: west + size, latitude: south },
        { longitude: west + size, latitude: south + size / 2 },
        { longitude: west + size / 2, latitude: south + size / 2 },
        { longitude: west + size / 2, latitude: south + size },
        { longitude: west, latitude: south + size },
      ]);
      const ranges = cellsCovering(shape).map((cell) => scoresOf(cell));
      for (let round = 0; round < 100; round++) {
        const right = random.fraction();
        const up = random.fraction();
        const place = { longitude: west + right * size, latitude: south + up * size };
        const inside = right < 0.5 || up < 0.5;
        expect(distanceWithin(shape, place) >= 0, `seed ${seed}`).toBe(inside);
        const score = scoreOf(place);
        if (inside) expect(ranges.filter(([from, to]) => score >= from && score < to)).toHaveLength(1);
      }
    }
  });

  it('measures a box along its sides and a circle around its centre', () => {
    const center = { longitude: 0, latitude: 0 };
    const corner = { longitude: 0.9, latitude: 0.9 };
    expect(distanceWithin({ kind: 'box', center, width: 201_000, height: 201_000 }, corner)).toBeGreaterThan(
      0,
    );
    expect(distanceWithin({ kind: 'circle', center, radius: 100_500 }, corner)).toBe(-1);
    expect(distanceWithin({ kind: 'box', center, width: 199_000, height: 300_000 }, corner)).toBe(-1);
  });
});

function randomPlace(random: Prng): { longitude: number; latitude: number } {
  return {
    longitude: (random.fraction() - 0.5) * 360,
    latitude: (random.fraction() - 0.5) * 2 * LATITUDE_MAX,
  };
}
