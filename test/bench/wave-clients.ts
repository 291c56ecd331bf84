/** A process that connects a thousand clients at once when it is told to: see wave.ts. */
import { connect } from 'node:net';

const [port = '0', count = '0', requests = '0'] = process.argv.slice(2);
const HELLO = '*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n*3\r\n$4\r\nAUTH\r\n$7\r\ndefault\r\n$6\r\nsecret\r\n';
const GET = '*2\r\n$3\r\nGET\r\n$14\r\nkey:0000000001\r\n';
const CLIENT_MS_MAX = 30_000;
const LF = 10;

/** Connects, signs in, reads some keys one after the other, and goes. */
function visit(): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port: Number(port), host: '127.0.0.1', noDelay: true });
    const timer = setTimeout(
      () => socket.destroy(new Error('a client of the wave got no answer')),
      CLIENT_MS_MAX,
    );
    let asked = -1;
    let tail = '';
    const next = (): void => {
      asked += 1;
      if (asked < Number(requests)) socket.write(GET);
      else {
        clearTimeout(timer);
        socket.destroy();
        resolve();
      }
    };
    socket.on('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    socket.on('data', (chunk: Buffer) => {
      tail = (tail + chunk.toString('latin1')).slice(-8);
      // The sign-in ends with +OK; a value, which has no line end inside, is the second line of its reply.
      if (asked < 0 ? tail.endsWith('+OK\r\n') : chunk.at(-1) === LF && !/\$\d+\r\n$/.test(tail)) next();
    });
    socket.write(HELLO);
  });
}

process.on('message', () => {
  const startMs = performance.now();
  Promise.all(Array.from({ length: Number(count) }, visit)).then(
    () => process.send?.({ ms: performance.now() - startMs }),
    (error: Error) => process.send?.({ error: error.message }),
  );
});
process.on('disconnect', () => process.exit(0));
process.send?.({ ms: 0 });
