/** kubectl with types and deadlines: what tests and `make up` say to a cluster. */
import { ensureKubectl } from '../kind/tools.ts';
import { CommandFailed, runCommand } from './run-command.ts';
import { waitUntil } from './wait-until.ts';

/** The parts of any Kubernetes object that tests look at without knowing its kind. */
export interface KubernetesObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly uid?: string;
    readonly resourceVersion?: string;
    readonly generation?: number;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly deletionTimestamp?: string;
  };
}

export interface ExecTarget {
  readonly pod: string;
  readonly container?: string;
}

const callDeadlineMs = 30_000;

/** A kubectl for one kubeconfig and namespace; installs kubectl into the cache when it is not there. */
export async function kubectlFor(kubeconfigPath: string, namespace = 'default'): Promise<Kubectl> {
  return new Kubectl(await ensureKubectl(), kubeconfigPath, namespace);
}

/** Every call has a deadline and throws `CommandFailed` with kubectl's own words. */
export class Kubectl {
  readonly program: string;
  readonly kubeconfigPath: string;
  readonly namespace: string;

  constructor(program: string, kubeconfigPath: string, namespace: string) {
    this.program = program;
    this.kubeconfigPath = kubeconfigPath;
    this.namespace = namespace;
  }

  /** The same cluster, another namespace. */
  inNamespace(namespace: string): Kubectl {
    return new Kubectl(this.program, this.kubeconfigPath, namespace);
  }

  /** Any kubectl command; returns its standard output. */
  run(argv: readonly string[], deadlineMs = callDeadlineMs, input?: string): Promise<string> {
    return runCommand(this.program, [...this.#scope(), ...argv], {
      deadlineMs,
      ...(input === undefined ? {} : { input }),
    });
  }

  /**
   * Applies an object, several, or a manifest's text, as a user would (client-side apply, strict
   * validation).
   */
  apply(manifest: string | object | readonly object[], deadlineMs = callDeadlineMs): Promise<string> {
    return this.run(['apply', '--filename', '-'], deadlineMs, toManifest(manifest));
  }

  /** Applies a file or a folder. */
  applyFile(file: string, deadlineMs = callDeadlineMs): Promise<string> {
    return this.run(['apply', '--filename', file], deadlineMs);
  }

  /** One object; throws when it does not exist. */
  async get<Value = KubernetesObject>(resource: string, name: string): Promise<Value> {
    return JSON.parse(await this.run(['get', resource, name, '--output', 'json'])) as Value;
  }

  /** One object, or undefined when it does not exist. */
  async find<Value = KubernetesObject>(resource: string, name: string): Promise<Value | undefined> {
    const text = await this.run(['get', resource, name, '--output', 'json', '--ignore-not-found']);
    return text.trim() === '' ? undefined : (JSON.parse(text) as Value);
  }

  /** All objects of a kind in the namespace, or those with the labels of a selector. */
  async list<Value = KubernetesObject>(resource: string, selector?: string): Promise<Value[]> {
    const chosen = selector === undefined ? [] : ['--selector', selector];
    const text = await this.run(['get', resource, ...chosen, '--output', 'json']);
    return (JSON.parse(text) as { items: Value[] }).items;
  }

  /**
   * Waits for what `kubectl wait --for` knows: `condition=Ready`, `create`, `delete`, `jsonpath=...`.
   * The target is `kind/name`, or a kind followed by `--all` or `--selector=...`.
   */
  async waitFor(target: string, condition: string, deadlineMs: number): Promise<void> {
    const seconds = Math.max(1, Math.ceil(deadlineMs / 1000));
    const argv = ['wait', ...target.split(' '), `--for=${condition}`, `--timeout=${seconds}s`];
    await this.run(argv, deadlineMs + callDeadlineMs);
  }

  /** Waits until an object is as a test wants it; the error at the deadline shows the last one seen. */
  async waitUntil<Value = KubernetesObject>(
    resource: string,
    name: string,
    what: string,
    deadlineMs: number,
    holds: (object: Value) => boolean,
  ): Promise<Value> {
    return waitUntil(`${resource}/${name} ${what}`, deadlineMs, async () => {
      const object = await this.get<Value>(resource, name);
      if (!holds(object)) {
        throw new Error(`it is ${JSON.stringify((object as { status?: object }).status ?? object)}`);
      }
      return object;
    });
  }

  /** Merge-patches an object. */
  patch(resource: string, name: string, change: object): Promise<string> {
    return this.run(['patch', resource, name, '--type=merge', '--patch', JSON.stringify(change)]);
  }

  /** Deletes an object and waits until it is gone, unless told not to; what does not exist is gone. */
  remove(
    resource: string,
    name: string,
    options: { wait?: boolean; force?: boolean; deadlineMs?: number } = {},
  ): Promise<string> {
    const flags = [`--wait=${options.wait !== false}`, '--ignore-not-found'];
    const force = options.force === true ? ['--force', '--grace-period=0'] : [];
    return this.run(['delete', resource, name, ...flags, ...force], options.deadlineMs ?? 90_000);
  }

  /** Runs a program in a container; returns its standard output. */
  exec(target: string | ExecTarget, argv: readonly string[], deadlineMs = callDeadlineMs): Promise<string> {
    const { pod, container } =
      typeof target === 'string' ? { pod: target } : { container: undefined, ...target };
    const inside = container === undefined ? [] : ['--container', container];
    return this.run(['exec', pod, ...inside, '--', ...argv], deadlineMs);
  }

  /** Log lines of a pod's container; `previous` for the run before the last restart. */
  logs(target: string | ExecTarget, previous = false): Promise<string> {
    const { pod, container } =
      typeof target === 'string' ? { pod: target } : { container: undefined, ...target };
    const inside = container === undefined ? [] : ['--container', container];
    return this.run(['logs', pod, ...inside, ...(previous ? ['--previous'] : [])]);
  }

  #scope(): string[] {
    return [`--kubeconfig=${this.kubeconfigPath}`, `--namespace=${this.namespace}`];
  }
}

/**
 * The words with which the API server (or kubectl) refused, or the error itself when it was something else.
 */
export async function refusal(call: Promise<unknown>): Promise<string> {
  try {
    await call;
  } catch (error) {
    if (error instanceof CommandFailed) {
      return error.result.stderr;
    }
    throw error;
  }
  throw new Error('expected a refusal, but it was accepted');
}

function toManifest(manifest: string | object | readonly object[]): string {
  if (typeof manifest === 'string') {
    return manifest;
  }
  return Array.isArray(manifest)
    ? JSON.stringify({ apiVersion: 'v1', kind: 'List', items: manifest })
    : JSON.stringify(manifest);
}
