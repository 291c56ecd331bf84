/** Random sorted set and geo commands, valid ones and such that are refused. */
import type { Random } from '../../server/structures/prng.ts';
import type { Word } from '../support/raw-connection.ts';

const keys = ['a', 'b', 'c', 'd'];
const scores = [
  '0',
  '1',
  '-1',
  '2',
  '3.5',
  '-2.25',
  '1e3',
  '0.1',
  'inf',
  '-inf',
  '+inf',
  '3',
  '7',
  '-0',
  '1e300',
];
const badScores = [
  'x',
  'nan',
  '',
  '1.0.0',
  ' 1',
  '0x10',
  '1e400',
  '4503599627370497.5',
  '9223372036854775807',
];
const units = ['m', 'km', 'ft', 'mi', 'KM'];

export class SortedSetCommands {
  readonly #random: Random;
  /** Members are chosen from so many. */
  readonly #members: number;

  constructor(random: Random, members: number) {
    this.#random = random;
    this.#members = members;
  }

  next(): Word[] {
    const makers = [this.#add, this.#add, this.#one, this.#range, this.#range, this.#remove, this.#pop];
    makers.push(this.#algebra, this.#geo, this.#geo, this.#search);
    return this.#pick(makers).call(this);
  }

  #pick<Item>(items: readonly Item[]): Item {
    return items[this.#random.below(items.length)] as Item;
  }

  #chance(of: number): boolean {
    return this.#random.below(of) === 0;
  }

  #key(): string {
    if (this.#chance(40)) return this.#pick(['none', 'text', 'set']);
    return this.#pick(keys);
  }

  #member(): Word {
    const random = this.#random;
    if (this.#chance(30)) return 'long '.repeat(20) + random.below(5);
    if (this.#chance(30)) return Uint8Array.of(255, random.below(4), 0, 13, 10);
    return this.#chance(3) ? String(random.below(this.#members) - 5) : `m${random.below(this.#members)}`;
  }

  #score(): string {
    if (this.#chance(60)) return this.#pick(badScores);
    if (this.#chance(3)) return this.#pick(scores);
    if (this.#chance(3)) {
      const score = (this.#random.fraction() - 0.5) * 10 ** (this.#random.below(30) - 8);
      return score.toPrecision(1 + this.#random.below(8));
    }
    return String(this.#random.below(60) - 10);
  }

  #add(): Word[] {
    const random = this.#random;
    if (this.#chance(8)) return ['ZINCRBY', this.#key(), this.#score(), this.#member()];
    const words: Word[] = ['ZADD', this.#key()];
    for (const option of ['NX', 'XX', 'GT', 'LT', 'CH', 'INCR', 'ch'])
      if (this.#chance(9)) words.push(option);
    const pairs = words.includes('INCR') || this.#chance(2) ? 1 : 1 + random.below(this.#chance(10) ? 40 : 5);
    for (let pair = 0; pair < pairs; pair++) words.push(this.#score(), this.#member());
    if (this.#chance(60)) words.pop();
    return words;
  }

  #one(): Word[] {
    const name = this.#pick(['ZCARD', 'ZSCORE', 'ZMSCORE', 'ZRANK', 'ZREVRANK', 'ZRANDMEMBER']);
    if (name === 'ZCARD') return [name, this.#key()];
    if (name === 'ZMSCORE') return [name, this.#key(), this.#member(), this.#member()];
    if (name === 'ZSCORE') return [name, this.#key(), this.#member()];
    if (name === 'ZRANDMEMBER') return [name, this.#key(), this.#pick(['0', 'x', '-9223372036854775808'])];
    const words: Word[] = [name, this.#key(), this.#member()];
    if (this.#chance(3)) words.push(this.#pick(['WITHSCORE', 'withscore', 'WITHSCORES']));
    return words;
  }

  #bound(kind: string): Word {
    const random = this.#random;
    if (kind === 'LEX') {
      const member = this.#member();
      if (this.#chance(5)) return this.#pick(['-', '+', '', '[', '(', 'x', '+x']);
      return Buffer.concat([Buffer.from(this.#pick(['[', '('])), Buffer.from(member as string)]);
    }
    if (kind === 'SCORE') return `${this.#chance(3) ? '(' : ''}${this.#score()}`;
    return this.#chance(20) ? this.#pick(['x', '1.5', '9223372036854775807']) : String(random.below(60) - 30);
  }

  #limit(words: Word[]): void {
    const random = this.#random;
    if (this.#chance(3)) words.push('LIMIT', String(random.below(20)), String(random.below(20) - 2));
    if (this.#chance(50)) words.push('LIMIT', '0');
  }

  #range(): Word[] {
    const name = this.#pick([
      'ZRANGE',
      'ZRANGE',
      'ZRANGE',
      'ZREVRANGE',
      'ZRANGEBYSCORE',
      'ZREVRANGEBYSCORE',
      'ZRANGEBYLEX',
      'ZREVRANGEBYLEX',
      'ZCOUNT',
      'ZLEXCOUNT',
      'ZRANGESTORE',
    ]);
    const open = name === 'ZRANGE' || name === 'ZRANGESTORE';
    let kind = name.includes('LEX') ? 'LEX' : name.includes('SCORE') || name === 'ZCOUNT' ? 'SCORE' : 'RANK';
    if (open) kind = this.#pick(['LEX', 'SCORE', 'RANK', 'RANK']);
    const words: Word[] = [name];
    if (name === 'ZRANGESTORE') words.push(this.#key());
    words.push(kind === 'LEX' ? 'lex' : this.#key(), this.#bound(kind), this.#bound(kind));
    if (name.endsWith('COUNT')) return words;
    if (open && kind !== 'RANK') words.push(`BY${kind}`);
    if (open && this.#chance(2)) words.push('REV');
    if (kind !== 'RANK' || this.#chance(30)) this.#limit(words);
    if (name !== 'ZRANGESTORE' && (kind !== 'LEX' || this.#chance(20)) && this.#chance(2))
      words.push('WITHSCORES');
    if (this.#chance(60)) words.push('bogus');
    return words;
  }

  #remove(): Word[] {
    const kind = this.#pick(['LEX', 'RANK', 'SCORE', '', '', '']);
    if (kind === '') return ['ZREM', this.#key(), this.#member(), this.#member(), this.#member()];
    const from = this.#random.below(30);
    if (kind === 'RANK')
      return ['ZREMRANGEBYRANK', this.#key(), String(from), String(from + this.#random.below(6))];
    if (kind === 'SCORE') return ['ZREMRANGEBYSCORE', this.#key(), `(${from}`, String(from + 2)];
    return ['ZREMRANGEBYLEX', 'lex', '[m1', `[m1${from}`];
  }

  #pop(): Word[] {
    const random = this.#random;
    const name = this.#pick(['ZPOPMIN', 'ZPOPMAX', 'ZMPOP', 'BZPOPMIN', 'BZPOPMAX', 'BZMPOP']);
    if (name.startsWith('BZPOP'))
      return [name, this.#key(), this.#key(), this.#pick(['0.01', '0.01', '-1', 'x'])];
    const count = this.#chance(20)
      ? this.#pick(['x', '-1', '9999999999999999999'])
      : String(random.below(12));
    if (!name.includes('MPOP')) return this.#chance(2) ? [name, this.#key()] : [name, this.#key(), count];
    const words: Word[] = name === 'BZMPOP' ? [name, '0.01'] : [name];
    words.push(this.#chance(20) ? this.#pick(['0', '3', 'x']) : '2', this.#key(), this.#key());
    words.push(this.#pick(['MIN', 'MAX', 'min', this.#chance(9) ? 'MID' : 'MAX']));
    if (this.#chance(2)) words.push('COUNT', count);
    return words;
  }

  #algebra(): Word[] {
    const random = this.#random;
    const name = this.#pick([
      'ZUNION',
      'ZINTER',
      'ZDIFF',
      'ZUNIONSTORE',
      'ZINTERSTORE',
      'ZDIFFSTORE',
      'ZINTERCARD',
    ]);
    const count = 1 + random.below(3);
    const words: Word[] = [name];
    if (name.endsWith('STORE')) words.push(this.#key());
    words.push(this.#chance(30) ? this.#pick(['0', '-1', 'x', '99']) : String(count));
    for (let key = 0; key < count; key++) words.push(this.#chance(4) ? 'set' : this.#key());
    const weighs = !name.includes('DIFF') && !name.endsWith('CARD');
    if (this.#chance(3) && (weighs || this.#chance(9))) {
      words.push('WEIGHTS');
      for (let key = 0; key < count; key++)
        words.push(this.#pick(['1', '2', '0', '-1.5', 'inf', '0.1', '3']));
    }
    if (this.#chance(3) && (weighs || this.#chance(9)))
      words.push('AGGREGATE', this.#pick(['SUM', 'MIN', 'max', 'avg']));
    if (this.#chance(2) && (!name.endsWith('STORE') || this.#chance(9))) words.push('WITHSCORES');
    if (name === 'ZINTERCARD' && this.#chance(2)) words.push('LIMIT', String(random.below(9) - 1));
    return words;
  }

  #degrees(limit: number): string {
    const near = this.#chance(2) ? 10 : limit * 1.98;
    return ((this.#random.fraction() - 0.5) * near).toFixed(5 + this.#random.below(5));
  }

  #extreme(limit: number): string {
    return this.#pick(['x', String(limit), String(-limit), '200', '']);
  }

  /** At most one of the two at its limit: so no two places are the same. */
  #place(): Word[] {
    const extreme = this.#random.below(60);
    return [
      extreme === 0 ? this.#extreme(180) : this.#degrees(180),
      extreme === 1 ? this.#extreme(85.05112878) : this.#degrees(85.05112878),
    ];
  }

  #geo(): Word[] {
    const key = this.#chance(10) ? this.#key() : this.#pick(['geo', 'geo2']);
    const name = this.#pick(['GEOADD', 'GEOADD', 'GEOADD', 'GEOPOS', 'GEODIST', 'GEOHASH']);
    const words: Word[] = [name, key];
    if (name === 'GEOADD') {
      for (const option of ['NX', 'XX', 'CH']) if (this.#chance(10)) words.push(option);
      const places = 1 + this.#random.below(5);
      for (let place = 0; place < places; place++) words.push(...this.#place(), this.#member());
      return words;
    }
    words.push(this.#member(), this.#member());
    if (name === 'GEODIST' && this.#chance(2)) words.push(this.#chance(20) ? 'ly' : this.#pick(units));
    return words;
  }

  #length(): string {
    if (this.#chance(40)) return this.#pick(['x', '-1', '0', '30000000']);
    return (this.#random.fraction() * 10 ** this.#random.below(9)).toFixed(this.#random.below(4));
  }

  #options(words: Word[], stored: boolean): void {
    if (this.#chance(2)) words.push('COUNT', this.#chance(20) ? '0' : String(1 + this.#random.below(30)));
    if (words.includes('COUNT') ? this.#chance(3) : this.#chance(40)) words.push('ANY');
    if (this.#chance(2)) words.push(this.#pick(['ASC', 'DESC', 'asc']));
    for (const option of ['WITHDIST', 'WITHHASH', 'WITHCOORD'])
      if (this.#chance(stored ? 40 : 3)) words.push(option);
  }

  #search(): Word[] {
    // Only real places: in which order equal distances come is nobody's promise.
    const key = this.#chance(20) ? this.#pick(['empty', 'string']) : this.#pick(['geo', 'geo2']);
    const name = this.#pick([
      'GEORADIUS',
      'GEORADIUSBYMEMBER',
      'GEORADIUS_RO',
      'GEOSEARCH',
      'GEOSEARCH',
      'GEOSEARCHSTORE',
    ]);
    if (name.startsWith('GEORADIUS')) {
      const words: Word[] = [name, key];
      words.push(...(name === 'GEORADIUSBYMEMBER' ? [this.#member()] : this.#place()));
      words.push(this.#length(), this.#pick(units));
      const stored = this.#chance(4);
      this.#options(words, stored);
      if (stored)
        words.push(
          ...this.#pick([
            ['STORE', this.#pick(['c', 'd'])],
            ['STOREDIST', 'far'],
          ]),
        );
      return words;
    }
    const stored = name === 'GEOSEARCHSTORE';
    const words: Word[] = stored ? [name, this.#pick(['c', 'd']), key] : [name, key];
    if (this.#chance(3)) words.push('FROMMEMBER', this.#member());
    else words.push('FROMLONLAT', ...this.#place());
    if (this.#chance(2)) words.push('BYRADIUS', this.#length(), this.#pick(units));
    else words.push('BYBOX', this.#length(), this.#length(), this.#pick(units));
    this.#options(words, stored);
    if (stored && this.#chance(3)) {
      // Their last bits differ: the sines of two libraries.
      words.push('STOREDIST');
      words[1] = 'far';
    }
    if (this.#chance(60))
      words.push(...this.#pick([['bogus'], ['FROMMEMBER', 'm1'], ['BYRADIUS', '1', 'm']]));
    return words;
  }
}
