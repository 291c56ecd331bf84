/** The process: command line to configuration, configuration to server, signals to their meaning. */
import { spawn } from 'node:child_process';
import { loadConfig, REDIS_VERSION, StartFailure } from './config/config-file.ts';
import { Log, openLog } from './config/log.ts';
import { Server } from './server.ts';
import { VERSION } from './version.ts';
import { reportCrashes } from './wiring/crash-report.ts';
import { followTitle } from './wiring/process-title.ts';

const BACKGROUND = 'REDWARDEN_IN_BACKGROUND';
const arguments_ = process.argv.slice(2);

if (arguments_[0] === '--version' || arguments_[0] === '-v') {
  process.stdout.write(
    `Redis server v=${REDIS_VERSION} redwarden=${VERSION} node=${process.version} bits=64\n`,
  );
  process.exit(0);
}

const config = loadConfig(arguments_);
if (config instanceof StartFailure) {
  process.stderr.write(config.text);
  process.exit(1);
}
const { values } = config;
if (values.daemonize && process.env[BACKGROUND] === undefined) {
  // Node cannot fork: the same command line runs again without a terminal.
  const child = spawn(process.execPath, [...process.execArgv, ...process.argv.slice(1)], {
    detached: true,
    stdio: 'ignore',
    env: { ...process.env, [BACKGROUND]: '1' },
  });
  child.unref();
  process.exit(0);
}

followTitle(config);
const log = new Log({ level: values.loglevel, format: values['log-format'], sink: openLog(values.logfile) });
try {
  process.chdir(values.dir);
  // From here on, relative to where we are.
  config.assign('dir', process.cwd());
} catch (error) {
  log.warning(`Can't chdir to '${values.dir}': ${(error as Error).message}`);
  process.exit(1);
}
log.notice('oO0OoO0OoO0Oo Redis is starting oO0OoO0OoO0Oo');
log.notice(
  `Redis version=${REDIS_VERSION}, bits=64, commit=redwarden-${VERSION}, modified=0, pid=${process.pid}, just started`,
);
log.notice('Configuration loaded');
log.role = 'M';

const server = new Server(config, log, VERSION);
reportCrashes(server);
process.on('SIGTERM', () => server.signalled('SIGTERM'));
process.on('SIGINT', () => server.signalled('SIGINT'));
process.on('SIGHUP', () => log.notice('Received SIGHUP, ignored'));
try {
  await server.start();
} catch (error) {
  log.warning((error as Error).message);
  process.exit(1);
}
