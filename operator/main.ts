/** The operator's process: options, credentials, log, signals. Its life stands in controller/operator.ts. */
import { pino, stdSerializers } from 'pino';
import { runOperator } from './controller/operator.ts';
import { type OperatorOptions, OptionsError, readOptions } from './controller/options.ts';
import { makeReconcile } from './controller/reconcile.ts';
import { KubeClient } from './kube/client.ts';
import { HttpTransport, loadKubeConfig } from './kube/transport.ts';

/** After the second signal, or when the graceful end takes longer than a pod is given anyway. */
const endsWithinMs = 28_000;

async function main(options: OperatorOptions): Promise<number> {
  const log = pino({ level: options.logLevel, serializers: { error: stdSerializers.err } });
  const stop = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      log.info({ signal }, 'told to stop');
      if (stop.signal.aborted) process.exit(1);
      stop.abort();
      setTimeout(() => {
        log.error('not ended in time');
        process.exit(1);
      }, endsWithinMs).unref();
    });
  }
  try {
    return await runOperator(options, {
      client: new KubeClient(new HttpTransport(loadKubeConfig(options.kubeconfig))),
      reconcileCluster: makeReconcile(),
      report: (level, message, facts) => log[level](facts, message),
      podName: process.env['POD_NAME'],
      stop: stop.signal,
    });
  } catch (error) {
    log.fatal({ error }, 'cannot run');
    return 1;
  }
}

function start(): OperatorOptions | number {
  try {
    const options = readOptions(process.argv.slice(2), process.env);
    if (!('help' in options)) return options;
    process.stdout.write(options.help);
    return 0;
  } catch (error) {
    if (!(error instanceof OptionsError)) throw error;
    process.stderr.write(`${error.message}\n`);
    return 2;
  }
}

const started = start();
// At once: after a lost lease nothing that is still under way may write any more.
process.exit(typeof started === 'number' ? started : await main(started));
