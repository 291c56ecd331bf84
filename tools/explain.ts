/** What a cluster knows about why something did not work, for the person who reads the end of `make up`. */
import type { Kubectl } from '../test/support/kubectl.ts';
import { lastLines } from '../test/support/run-command.ts';

const eventsShown = 8;
const logLinesShown = 15;

interface Pod {
  readonly metadata: { readonly name: string; readonly namespace: string };
  readonly status: {
    readonly phase: string;
    readonly conditions?: readonly {
      readonly type: string;
      readonly status: string;
      readonly message?: string;
    }[];
    readonly containerStatuses?: readonly {
      readonly restartCount: number;
      readonly state?: { readonly waiting?: { readonly reason?: string; readonly message?: string } };
    }[];
  };
}

interface Event {
  readonly type: string;
  readonly reason: string;
  readonly message: string;
  readonly metadata: { readonly namespace: string };
  readonly involvedObject: { readonly kind: string; readonly name: string };
}

/** Pods that are not ready, the last warnings, and the end of the operator's log. Never throws. */
export async function explain(kubectl: Kubectl, operatorNamespace: string): Promise<string> {
  const parts = await Promise.all([
    part('pods that are not ready', async () => {
      const text = await kubectl.run(['get', 'pods', '--all-namespaces', '--output', 'json']);
      const pods = (JSON.parse(text) as { items: Pod[] }).items;
      return pods.filter((pod) => !isReady(pod)).map(describePod);
    }),
    part('last warnings', async () => {
      const argv = ['get', 'events', '--all-namespaces', '--field-selector=type=Warning'];
      const text = await kubectl.run([...argv, '--sort-by=.lastTimestamp', '--output', 'json']);
      return (JSON.parse(text) as { items: Event[] }).items.slice(-eventsShown).map(describeEvent);
    }),
    part("end of the operator's log", async () => {
      const operator = kubectl.inNamespace(operatorNamespace);
      const argv = [
        'logs',
        '--selector=app.kubernetes.io/name=redwarden-operator',
        '--tail',
        `${logLinesShown}`,
      ];
      return lastLines(await operator.run(argv), logLinesShown).split('\n');
    }),
  ]);
  return parts.join('\n');
}

async function part(title: string, lines: () => Promise<string[]>): Promise<string> {
  try {
    const found = (await lines()).filter((line) => line !== '');
    return [`${title}:`, ...(found.length === 0 ? ['none'] : found).map((line) => `  ${line}`)].join('\n');
  } catch (error) {
    return `${title}: not known (${lastLines((error as Error).message, 1)})`;
  }
}

function isReady(pod: Pod): boolean {
  const ready = pod.status.conditions?.some((entry) => entry.type === 'Ready' && entry.status === 'True');
  return ready === true || pod.status.phase === 'Succeeded';
}

function describePod(pod: Pod): string {
  const waiting = pod.status.containerStatuses?.map((entry) => entry.state?.waiting).find((entry) => entry);
  const restarts = pod.status.containerStatuses?.reduce((sum, entry) => sum + entry.restartCount, 0) ?? 0;
  const refused = pod.status.conditions?.find((entry) => entry.status === 'False' && entry.message);
  const why = waiting?.message ?? waiting?.reason ?? refused?.message ?? '';
  return `${pod.metadata.namespace}/${pod.metadata.name} ${pod.status.phase}, ${restarts} restarts: ${why}`;
}

function describeEvent(event: Event): string {
  const { kind, name } = event.involvedObject;
  return `${event.metadata.namespace} ${kind}/${name} ${event.reason}: ${event.message.split('\n')[0]}`;
}
