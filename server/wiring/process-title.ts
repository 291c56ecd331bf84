/** The name in the process list: `set-proc-title` and `proc-title-template`. */
import type { Config } from '../config/config.ts';
import { expandTitle } from '../config/title-template.ts';

/** How the program was called, from its launcher. */
const PROGRAM = 'REDWARDEN_PROGRAM';

function showTitle({ values, path }: Config): void {
  const { port, unixsocket } = values;
  const address = port === 0 ? unixsocket : `${values.bind[0] ?? '*'}:${port}`;
  const title = expandTitle(values['proc-title-template'], {
    title: process.env[PROGRAM] ?? 'redwarden-server',
    'listen-addr': address,
    'server-mode': values['cluster-enabled'] ? '[cluster]' : '',
    port: String(port),
    'tls-port': '0',
    unixsocket,
    'config-file': path ?? '',
  });
  if (title !== null) process.title = title;
}

/** Shows it from now on. Linux cuts it to the length of the command line, which the launcher makes long. */
export function followTitle(config: Config): void {
  if (!config.values['set-proc-title']) return;
  showTitle(config);
  for (const name of ['proc-title-template', 'port', 'bind'] as const) {
    config.onChange(name, () => {
      showTitle(config);
      return undefined;
    });
  }
}
