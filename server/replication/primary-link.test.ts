import { describe, expect, it } from 'vitest';
import { type PartialPoint, PrimaryLink, type PrimaryLinkEffects, RETRY_DELAYS_MS } from './primary-link.ts';

const ID = 'ab'.repeat(20);
const MARK = 'abcdefghijklmnopqrstuvwxyz0123456789ABCD';
const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const textOf = (bytes: Uint8Array): string => new TextDecoder('latin1').decode(bytes);

/** Records what comes out of a link, and holds a dataset and a history like a replica does. */
class Recorder implements PrimaryLinkEffects {
  readonly logs: string[] = [];
  sent = '';
  connects = 0;
  disconnects = 0;
  ups = 0;
  downs = 0;
  password = '';
  address = '';
  point: PartialPoint | null = null;
  pending: PartialPoint | null = null;
  loading: string | null = null;
  dataset = '';
  streamed = '';
  paused = false;
  filed = -1;
  failover = false;
  readonly takeovers: (string | null)[] = [];
  loadsAtOnce = true;
  link: PrimaryLink;

  constructor(nowMs: number) {
    this.link = new PrimaryLink('primary', 6379, this, nowMs);
  }
  connect(): void {
    this.connects++;
  }
  send(bytes: Uint8Array): void {
    this.sent += textOf(bytes);
  }
  disconnect(): void {
    this.disconnects++;
    this.paused = false;
  }
  pause(): void {
    this.paused = true;
  }
  resume(): void {
    this.paused = false;
  }
  log(_level: string, text: string): void {
    this.logs.push(text);
  }
  introduction() {
    const { password, address } = this;
    return {
      user: '',
      password,
      listeningPort: 7001,
      announcedAddress: address,
      timeoutMs: 60_000,
      resumes: '',
    };
  }
  partialPoint(): PartialPoint | null {
    return this.point;
  }
  fullResync(id: string, offset: number): void {
    this.pending = { id, offset };
  }
  loadBegin(): void {
    this.loading = '';
  }
  loadBytes(bytes: Uint8Array, start: number, end: number): void {
    this.loading += textOf(bytes.subarray(start, end));
  }
  loadEnd(): void {
    if (this.loadsAtOnce) this.finishLoad(1);
  }
  finishLoad(nowMs: number): void {
    this.dataset = this.loading as string;
    this.point = this.pending;
    this.link.loaded(nowMs);
  }
  loadAbort(): void {
    this.loading = null;
  }
  continued(newId: string | null): void {
    if (newId !== null && this.point !== null) this.point = { id: newId, offset: this.point.offset };
  }
  stream(bytes: Uint8Array, start: number, end: number): void {
    this.streamed += textOf(bytes.subarray(start, end));
    if (this.point !== null) this.point = { id: this.point.id, offset: this.point.offset + end - start };
  }
  up(): void {
    this.ups++;
  }
  down(): void {
    this.downs++;
  }
  asksToTakeOver(): boolean {
    return this.failover;
  }
  tookOver(refusal: string | null): void {
    this.takeovers.push(refusal);
  }
  filedOffset(): number {
    return this.filed;
  }

  appliedOffset(): number {
    return this.point?.offset ?? 0;
  }
  receive(text: string, nowMs = 1): void {
    const bytes = bytesOf(text);
    this.link.received(bytes, 0, bytes.length, nowMs);
  }
  /** Up to the answer to PSYNC. */
  introduced(nowMs = 1): this {
    this.link.tick(nowMs);
    this.link.opened(nowMs);
    this.receive('+PONG\r\n', nowMs);
    this.receive(`${this.password === '' ? '' : '+OK\r\n'}+OK\r\n+OK\r\n-ERR Unrecognized\r\n`, nowMs);
    return this;
  }
}

describe('PrimaryLink', () => {
  it('introduces itself and asks for a full resync when it has no history', () => {
    const replica = new Recorder(0).introduced();
    expect(replica.sent).toContain(
      '*1\r\n$4\r\nPING\r\n*3\r\n$8\r\nREPLCONF\r\n$14\r\nlistening-port\r\n$4\r\n7001',
    );
    expect(replica.sent).toContain('capa\r\n$3\r\neof\r\n$4\r\ncapa\r\n$6\r\npsync2');
    expect(replica.sent.endsWith('*3\r\n$5\r\nPSYNC\r\n$1\r\n?\r\n$2\r\n-1\r\n')).toBe(true);
    expect(replica.sent).not.toContain('AUTH');
  });

  it('sends masterauth after a primary that wants it answered PING', () => {
    const replica = new Recorder(0);
    replica.password = 'secret';
    replica.link.tick(1);
    replica.link.opened(1);
    replica.receive('-NOAUTH Authentication required.\r\n');
    expect(replica.sent).toContain('*2\r\n$4\r\nAUTH\r\n$6\r\nsecret');
    replica.receive('-WRONGPASS invalid username-password pair\r\n');
    expect(replica.link.phase).toBe('waiting');
    expect(replica.logs.join('\n')).toContain('Unable to AUTH to PRIMARY: -WRONGPASS');
  });

  it('asks for the byte after the last one it applied', () => {
    const replica = new Recorder(0);
    replica.point = { id: ID, offset: 41 };
    replica.introduced();
    expect(replica.sent.endsWith(`*3\r\n$5\r\nPSYNC\r\n$40\r\n${ID}\r\n$2\r\n42\r\n`)).toBe(true);
  });

  it('continues under a new id when the primary names one', () => {
    const replica = new Recorder(0);
    replica.point = { id: ID, offset: 41 };
    replica.introduced().receive(`+CONTINUE ${'cd'.repeat(20)}\r\n*1\r\n$4\r\nPING\r\n`);
    expect(replica.point).toEqual({ id: 'cd'.repeat(20), offset: 55 });
    expect(replica.ups).toBe(1);
    expect(replica.logs).toContain('Successful partial resynchronization with master.');
  });

  it('reads a payload of announced length and the stream in the same packet', () => {
    const replica = new Recorder(0).introduced();
    replica.receive(`\n\n+FULLRESYNC ${ID} 100\r\n\n\n$5\r\nhelloSTREAM`);
    expect([replica.dataset, replica.streamed]).toEqual(['hello', 'STREAM']);
    expect(replica.point).toEqual({ id: ID, offset: 106 });
  });

  it('holds what follows the payload until a slow load is over', () => {
    const replica = new Recorder(0).introduced();
    replica.loadsAtOnce = false;
    replica.receive(`+FULLRESYNC ${ID} 100\r\n$5\r\nhelloSTREAM`);
    expect([replica.streamed, replica.paused]).toEqual(['', true]);
    replica.finishLoad(2);
    expect([replica.streamed, replica.paused]).toEqual(['STREAM', false]);
  });

  it('acknowledges at once after a load and then every second', () => {
    const replica = new Recorder(0).introduced();
    replica.receive(`+FULLRESYNC ${ID} 100\r\n$EOF:${MARK}\r\nhello${MARK}`);
    const ack = '*3\r\n$8\r\nREPLCONF\r\n$3\r\nACK\r\n$3\r\n100\r\n';
    expect(replica.sent.endsWith(ack)).toBe(true);
    replica.sent = '';
    replica.link.tick(500);
    expect(replica.sent).toBe('');
    replica.link.tick(1001);
    expect(replica.sent).toBe(ack);
  });

  it('drops a half-read payload when the connection breaks, and keeps the old history', () => {
    const replica = new Recorder(0);
    replica.point = { id: ID, offset: 7 };
    replica.introduced().receive(`+FULLRESYNC ${'cd'.repeat(20)} 100\r\n$50\r\nhel`);
    replica.link.failed('reset', 2);
    expect([replica.loading, replica.dataset, replica.link.phase]).toEqual([null, '', 'waiting']);
    expect(replica.partialPoint()).toEqual({ id: ID, offset: 7 });
  });

  it('gives up a primary that is silent for repl-timeout, in every phase', () => {
    const phases: [string, (replica: Recorder) => void][] = [
      ['connecting', (replica) => replica.link.tick(1)],
      ['psync', (replica) => void replica.introduced()],
      ['header', (replica) => replica.introduced().receive(`+FULLRESYNC ${ID} 1\r\n`)],
      ['payload', (replica) => replica.introduced().receive(`+FULLRESYNC ${ID} 1\r\n$9\r\nab`)],
      ['streaming', (replica) => replica.introduced().receive(`+FULLRESYNC ${ID} 1\r\n$0\r\n`)],
    ];
    for (const [phase, reach] of phases) {
      const replica = new Recorder(0);
      reach(replica);
      expect(replica.link.phase).toBe(phase);
      replica.link.tick(60_001);
      expect(replica.link.phase).toBe(phase);
      replica.link.tick(60_002);
      expect([replica.link.phase, replica.disconnects]).toEqual(['waiting', 1]);
    }
  });

  it('tries again at once after a broken stream, and ever slower while attempts fail', () => {
    const replica = new Recorder(0).introduced();
    replica.receive(`+FULLRESYNC ${ID} 1\r\n$0\r\n`);
    let now = 5000;
    replica.link.failed('reset', now);
    const waits: number[] = [];
    for (let attempt = 0; attempt < 5; attempt++) {
      waits.push(replica.link.retryAtMs - now);
      now = replica.link.retryAtMs;
      replica.link.tick(now);
      expect(replica.link.phase).toBe('connecting');
      replica.link.failed('refused', now);
    }
    expect(waits).toEqual([...RETRY_DELAYS_MS, RETRY_DELAYS_MS.at(-1)]);
  });

  it('leaves a primary that answers nonsense', () => {
    const answers = [
      [0, '-ERR unknown\r\n'],
      [1, '-NOPRIMARYLINK Can not SYNC while not connected with my master\r\n'],
      [1, '+CONTINUE short\r\n'],
      [1, `+FULLRESYNC ${ID} 1\r\n*3\r\n`],
      [1, `+FULLRESYNC ${ID} 1\r\n-ERR no disk\r\n`],
      [1, 'x'.repeat(5000)],
    ] as const;
    for (const [introduced, text] of answers) {
      const replica = new Recorder(0);
      if (introduced === 1) replica.introduced();
      else {
        replica.link.tick(1);
        replica.link.opened(1);
      }
      replica.receive(text);
      expect([replica.link.phase, replica.disconnects]).toEqual(['waiting', 1]);
    }
  });

  it('says nothing more after stop', () => {
    const replica = new Recorder(0).introduced();
    replica.link.stop(2);
    replica.link.tick(100_000);
    replica.receive('+CONTINUE\r\n');
    expect([replica.connects, replica.disconnects, replica.ups]).toEqual([1, 1, 0]);
  });

  it('reads the same from a conversation that is torn at any byte', () => {
    const payload = `x${MARK.slice(1)}y${MARK.slice(0, 39)}`;
    const forms = [`$${payload.length}\r\n${payload}`, `$EOF:${MARK}\r\n${payload}${MARK}`];
    for (const form of forms) {
      const talk = `+PONG\r\n+OK\r\n+OK\r\n+OK\r\n\n+FULLRESYNC ${ID} 9\r\n\n${form}`;
      for (let cut = 0; cut <= talk.length; cut++) {
        const replica = new Recorder(0);
        replica.link.tick(1);
        replica.link.opened(1);
        for (const part of [talk.slice(0, cut), talk.slice(cut), 'STREAM']) replica.receive(part);
        expect([cut, replica.dataset, replica.streamed]).toEqual([cut, payload, 'STREAM']);
      }
    }
  });
});
