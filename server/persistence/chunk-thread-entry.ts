/** The thread behind ChunkThread: what it is told, it does in order. */
import { setPriority } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import { ChunkOutput } from './chunk-output.ts';
import { marksOf, type ThreadReport, type ThreadRequest } from './chunk-thread.ts';

const port = parentPort;
if (port === null) throw new Error('this runs as a thread only');
const done = workerData as Int32Array;
/** Who serves goes first where processors are few. */
const NICE = 10;
// On Linux 0 means this thread alone, elsewhere the whole process.
if (process.platform === 'linux') setPriority(0, NICE);

function report(message: ThreadReport, transfer: ArrayBuffer[] = []): void {
  port?.postMessage(message, transfer);
}

const output = new ChunkOutput({
  relay: (bytes, targets) => {
    report({ kind: 'relay', bytes, targets }, [bytes.buffer as ArrayBuffer]);
    return false;
  },
  ended: (target) => report({ kind: 'ended', target }),
  failed: (target, error) => {
    const { code, errno, syscall } = error as NodeJS.ErrnoException;
    report({ kind: 'failed', target, message: error.message, system: { code, errno, syscall } });
  },
});

port.on('message', (request: ThreadRequest) => {
  switch (request.kind) {
    case 'open':
      output.open(request.target, request.file, request.checksum, request.incrementalFsync);
      break;
    case 'own':
      output.own(request.target, request.bytes);
      break;
    case 'chunk': {
      const { chunk } = request;
      const gone = output.feed(chunk);
      Atomics.add(done, 0, chunk.length);
      Atomics.notify(done, 0);
      if (gone) break;
      report({ kind: 'empty', chunk }, [chunk.bytes.buffer as ArrayBuffer, ...marksOf(chunk.marks)]);
      break;
    }
    case 'end':
      output.end(request.target);
      break;
    case 'drop':
      output.drop(request.target);
      break;
    case 'close':
      output.close();
      port.close();
      break;
    default:
      request satisfies never;
  }
});
