/** INFO: what the server says about itself. The sections are made in the metrics room. */

import type { Call } from './call.ts';
import { LOADING, NO_KEY, type Row, STALE } from './row.ts';

// biome-ignore format: a table, one command a row
export const infoCommands: readonly Row[] = [
  // name  arity flags            keys    since    run   summary
  ['INFO', -1,   LOADING | STALE, NO_KEY, '1.0.0', info, 'Returns information and statistics about the server.', {group: 'server', tips: ['nondeterministic_output', 'request_policy:all_shards', 'response_policy:special']}],
];

function info(call: Call): void {
  const sections: string[] = [];
  for (let index = 1; index < call.argc; index += 1) sections.push(call.text(index));
  call.reply.verbatim(call.context.info.render(sections));
}
