/** DEBUG PROTOCOL: one reply of each type, for tests of clients. */
import type { Call } from './call.ts';

const BIG_NUMBER = '1234567999999999999999999999999999999';

const replies: ReadonlyMap<string, (call: Call) => void> = new Map([
  ['string', ({ reply }: Call) => reply.bulkText('Hello World')],
  ['integer', ({ reply }: Call) => reply.integer(12345)],
  ['double', ({ reply }: Call) => reply.double('3.141')],
  ['bignum', ({ reply }: Call) => reply.bigNumber(BIG_NUMBER)],
  ['null', ({ reply }: Call) => reply.nullBulk()],
  ['array', writeArray],
  ['set', writeSet],
  ['map', writeMap],
  ['attrib', writeAttribute],
  ['push', writePush],
  ['verbatim', ({ reply }: Call) => reply.verbatim('This is a verbatim\nstring')],
  ['true', ({ reply }: Call) => reply.boolean(true)],
  ['false', ({ reply }: Call) => reply.boolean(false)],
]);

export function debugProtocol(call: Call): void {
  const write = replies.get(call.text(2).toLowerCase());
  if (write !== undefined) write(call);
  else {
    call.reply.error(
      `ERR Wrong protocol type name. Please use one of the following: ${[...replies.keys()].join('|')}`,
    );
  }
}

function writeArray({ reply }: Call): void {
  reply.array(3);
  writeThree(reply);
}

function writeSet({ reply }: Call): void {
  reply.set(3);
  writeThree(reply);
}

function writeThree(reply: Call['reply']): void {
  for (let number = 0; number < 3; number += 1) reply.integer(number);
}

function writeMap({ reply }: Call): void {
  reply.map(3);
  for (let number = 0; number < 3; number += 1) {
    reply.integer(number);
    reply.boolean(number === 1);
  }
}

/** An attribute is no reply of its own: one follows. */
function writeAttribute({ reply }: Call): void {
  if (reply.protocol === 3) {
    reply.raw(Buffer.from('|1\r\n'));
    reply.bulkText('key-popularity');
    reply.array(2);
    reply.bulkText('key:123');
    reply.integer(90);
  }
  reply.bulkText('Some real reply following the attribute');
}

function writePush({ reply }: Call): void {
  if (reply.protocol < 3) {
    reply.error('ERR RESP2 is not supported by this command');
    return;
  }
  reply.push(2);
  reply.bulkText('server-cpu-usage');
  reply.integer(42);
  reply.bulkText('Some real reply following the push reply');
}
