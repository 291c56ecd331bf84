/**
 * How the operator is started: one row an option, from the command line, else the environment, else the
 * default.
 */
import { parseArgs } from 'node:util';

export interface OperatorOptions {
  readonly kubeconfig: string | undefined;
  /** Empty: all namespaces. */
  readonly namespaces: readonly string[];
  /** Image of clusters that name none. */
  readonly serverImage: string;
  readonly leaderElect: boolean;
  readonly leaderElectNamespace: string;
  readonly leaderElectName: string;
  readonly metricsPort: number;
  readonly logLevel: string;
  readonly concurrency: number;
}

/** A wrong command line: the message is for the person who typed it. */
export class OptionsError extends Error {
  override readonly name = 'OptionsError';
}

interface Row {
  readonly name: string;
  readonly type: 'string' | 'boolean';
  readonly environment: string;
  readonly fallback: string;
  readonly summary: string;
}

const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'];

// biome-ignore format: a table, one option a row
const ROWS: readonly Row[] = [
  { name: 'kubeconfig',             type: 'string',  environment: 'REDWARDEN_KUBECONFIG',       fallback: '',                   summary: 'File with cluster and credentials; default $KUBECONFIG, the service account of the pod, ~/.kube/config.' },
  { name: 'namespace',              type: 'string',  environment: 'REDWARDEN_WATCH_NAMESPACES', fallback: '',                   summary: 'Namespaces to watch, separated by commas; default all.' },
  { name: 'server-image',           type: 'string',  environment: 'REDWARDEN_SERVER_IMAGE',     fallback: 'redwarden-server:0.1.0', summary: 'Image of clusters that name none.' },
  { name: 'leader-elect',           type: 'boolean', environment: 'REDWARDEN_LEADER_ELECTION',  fallback: 'true',               summary: 'Lead only while holding the Lease; --no-leader-elect for development.' },
  { name: 'leader-elect-namespace', type: 'string',  environment: 'POD_NAMESPACE',              fallback: 'default',            summary: 'Namespace of the Lease.' },
  { name: 'leader-elect-name',      type: 'string',  environment: 'REDWARDEN_LEASE_NAME',       fallback: 'redwarden-operator', summary: 'Name of the Lease.' },
  { name: 'metrics-port',           type: 'string',  environment: 'REDWARDEN_HTTP_PORT',        fallback: '8080',               summary: 'Port of /metrics, /healthz and /readyz; 0: any free one.' },
  { name: 'log-level',              type: 'string',  environment: 'REDWARDEN_LOG_LEVEL',        fallback: 'info',               summary: 'One of trace, debug, info, warn, error, fatal.' },
  { name: 'concurrency',            type: 'string',  environment: 'REDWARDEN_CONCURRENCY',      fallback: '8',                  summary: 'Clusters that are looked after at a time, 1 to 256.' },
];

/** The options, or the text that `--help` asks for. Throws OptionsError. */
export function readOptions(
  argv: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): OperatorOptions | { readonly help: string } {
  const values = parse(argv);
  if (values['help'] === true) return { help: helpText() };
  const read = (name: string): string => {
    const row = ROWS.find((each) => each.name === name) as Row;
    const given = values[name] ?? environment[row.environment];
    return given === undefined || given === '' ? row.fallback : String(given);
  };
  const logLevel = read('log-level');
  if (!logLevels.includes(logLevel)) {
    throw new OptionsError(`--log-level ${logLevel}: must be one of ${logLevels.join(', ')}`);
  }
  return {
    kubeconfig: read('kubeconfig') || undefined,
    namespaces: [
      ...new Set(
        read('namespace')
          .split(',')
          .map((each) => each.trim()),
      ),
    ].filter(Boolean),
    serverImage: read('server-image'),
    leaderElect: boolean('leader-elect', read('leader-elect')),
    leaderElectNamespace: read('leader-elect-namespace'),
    leaderElectName: read('leader-elect-name'),
    metricsPort: integer('metrics-port', read('metrics-port'), 0, 65_535),
    logLevel,
    concurrency: integer('concurrency', read('concurrency'), 1, 256),
  };
}

function parse(argv: readonly string[]): Readonly<Record<string, string | boolean | undefined>> {
  const rows = ROWS.map((row) => [row.name, { type: row.type }] as const);
  try {
    const { values } = parseArgs({
      args: [...argv],
      options: { ...Object.fromEntries(rows), help: { type: 'boolean', short: 'h' } },
      allowNegative: true,
      strict: true,
    });
    return values as Record<string, string | boolean | undefined>;
  } catch (error) {
    throw new OptionsError(`${(error as Error).message} (--help lists the options)`);
  }
}

function boolean(name: string, text: string): boolean {
  if (text === 'true') return true;
  if (text === 'false') return false;
  throw new OptionsError(`--${name} ${text}: must be true or false`);
}

function integer(name: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= min && value <= max) return value;
  throw new OptionsError(`--${name} ${text}: must be a whole number from ${min} to ${max}`);
}

function helpText(): string {
  const lines = ROWS.map(
    (row) =>
      `  --${row.name.padEnd(24)}${row.summary} [${row.environment}${row.fallback && `, ${row.fallback}`}]`,
  );
  return `redwarden-operator [options]\n\n${lines.join('\n')}\n`;
}
