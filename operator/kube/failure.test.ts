import { describe, expect, it } from 'vitest';
import { failureOf, failureOfStatus } from './failure.ts';

const status = (reason: string, message = 'why'): string =>
  JSON.stringify({ kind: 'Status', reason, message });

describe('failureOf', () => {
  it.each([
    [404, 'NotFound', 'notFound'],
    [409, 'Conflict', 'conflict'],
    [409, 'AlreadyExists', 'alreadyExists'],
    [410, 'Expired', 'gone'],
    [422, 'Invalid', 'invalid'],
    [400, 'BadRequest', 'invalid'],
    [403, 'Forbidden', 'forbidden'],
    [401, 'Unauthorized', 'forbidden'],
    [429, 'TooManyRequests', 'tooManyRequests'],
    [504, 'Timeout', 'timeout'],
    [500, 'InternalError', 'unavailable'],
    [503, 'ServiceUnavailable', 'unavailable'],
    [302, 'Found', 'protocol'],
  ])('calls HTTP %i with reason %s %s, in the words of the server', (code, reason, kind) => {
    expect(failureOf(code, status(reason))).toMatchObject({ kind, message: 'why', status: code });
  });

  it('takes the text of an answer that is no Status', () => {
    expect(failureOf(502, 'upstream broke\n').message).toBe('upstream broke');
    expect(failureOf(502, '').message).toBe('HTTP status 502');
    expect(failureOf(502, 'null').message).toBe('HTTP status 502');
  });
});

describe('failureOfStatus', () => {
  it('reads the code of an ERROR event', () => {
    expect(failureOfStatus({ code: 410, reason: 'Expired', message: 'too old' })).toMatchObject({
      kind: 'gone',
    });
    expect(failureOfStatus({ reason: 'Expired' })).toMatchObject({ kind: 'gone' });
    expect(failureOfStatus(null)).toMatchObject({ kind: 'unavailable' });
  });
});
