import { describe, expect, it } from 'vitest';
import { OptionsError, readOptions } from './options.ts';

describe('readOptions', () => {
  it('has defaults that suit a pod', () => {
    expect(readOptions([], {})).toEqual({
      kubeconfig: undefined,
      namespaces: [],
      serverImage: 'redwarden-server:0.1.0',
      leaderElect: true,
      leaderElectNamespace: 'default',
      leaderElectName: 'redwarden-operator',
      metricsPort: 8080,
      logLevel: 'info',
      concurrency: 8,
    });
  });

  it('prefers the command line to the environment, and that to the default', () => {
    const environment = {
      REDWARDEN_HTTP_PORT: '9000',
      REDWARDEN_LOG_LEVEL: 'debug',
      POD_NAMESPACE: 'system',
    };
    expect(readOptions(['--metrics-port', '0', '--no-leader-elect'], environment)).toMatchObject({
      metricsPort: 0,
      logLevel: 'debug',
      leaderElectNamespace: 'system',
      leaderElect: false,
    });
  });

  it('takes several namespaces, each once', () => {
    const options = readOptions([], { REDWARDEN_WATCH_NAMESPACES: 'shop, ops,shop' });
    expect(options).toMatchObject({ namespaces: ['shop', 'ops'] });
  });

  it('takes an empty variable for one that is not set', () => {
    expect(readOptions([], { REDWARDEN_WATCH_NAMESPACES: '', REDWARDEN_LOG_LEVEL: '' })).toMatchObject({
      namespaces: [],
      logLevel: 'info',
    });
  });

  it.each([
    [['--colour', 'red'], /colour.*--help/s],
    [['--metrics-port', '70000'], /--metrics-port 70000: must be a whole number from 0 to 65535/],
    [['--concurrency', '0'], /must be a whole number from 1 to 256/],
    [['--log-level', 'loud'], /must be one of trace, debug/],
    [['extra'], /extra/],
  ])('refuses %j', (argv, message) => {
    expect(() => readOptions(argv, {})).toThrow(OptionsError);
    expect(() => readOptions(argv, {})).toThrow(message);
  });

  it('refuses a switch in the environment that is neither true nor false', () => {
    expect(() => readOptions([], { REDWARDEN_LEADER_ELECTION: 'yes' })).toThrow('must be true or false');
  });

  it('explains every option', () => {
    const { help } = readOptions(['--help'], {}) as { help: string };
    for (const name of ['--namespace', '--leader-elect', '--metrics-port', 'REDWARDEN_LOG_LEVEL']) {
      expect(help).toContain(name);
    }
  });
});
