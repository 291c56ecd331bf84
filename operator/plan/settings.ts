/**
 * Every live setting of every server equals the spec: read back on each pass, and put right when somebody
 * changed it. The file follows by the ConfigMap; what a server reads only at start is reported, not forced.
 */
import { isSameValue, type Setting } from '../api/settings.ts';
import { actOrBlock, type Block, type Decision, type Holds, NOTHING } from './decision.ts';
import type { Intent, LiveMember, Snapshot } from './snapshot.ts';
import { type Step, targetOf } from './step.ts';
import { liveMembers } from './topology.ts';

export interface SettingDifference {
  readonly member: LiveMember;
  readonly setting: Setting;
  /** Undefined when the server does not know the setting. */
  readonly actual: string | undefined;
}

export function settings(snapshot: Snapshot, holds: Holds): Decision {
  const { intent } = snapshot;
  if (intent.kind !== 'intent') return NOTHING;
  const differences = settingDifferences(snapshot).filter(({ setting }) => setting.change === 'live');
  const steps: Step[] = [];
  const blocks: Block[] = [];
  for (const { member, setting, actual } of differences) {
    if (actual === undefined) {
      noteUnknown(blocks, setting.name, member.pod.name);
      continue;
    }
    if (holds.on('settings', member.pod.shard)) continue;
    const message =
      snapshot.breakGlassUntil === undefined
        ? whyRefused(intent, member, setting, actual)
        : `redwarden.dev/break-glass holds until ${new Date(snapshot.breakGlassUntil).toISOString()}: ` +
          `${setting.name} of ${member.pod.name} stays "${actual}" instead of "${setting.value}"`;
    if (message !== undefined) {
      const reason = snapshot.breakGlassUntil === undefined ? 'SettingRefused' : 'BreakGlass';
      blocks.push({ scope: member.pod.shard, holds: [], reason, message });
      continue;
    }
    const cause = snapshot.history.settingsApplied ? 'drift' : 'spec';
    steps.push({
      kind: 'setSetting',
      on: targetOf(member),
      name: setting.name,
      value: setting.value,
      was: actual,
      cause,
    });
  }
  return actOrBlock(steps, 'settings differ from the spec', blocks);
}

/** Once for each setting: it would stop every server at its next start. */
function noteUnknown(blocks: Block[], name: string, pod: string): void {
  const message =
    `the server does not know the setting ${name} (${pod}) and would not start with it again: ` +
    'take it out of spec.config';
  if (blocks.some((block) => block.message.startsWith(`the server does not know the setting ${name} `)))
    return;
  blocks.push({ scope: 'cluster', holds: [], reason: 'SettingUnknown', message });
}

/** Governed settings whose value on a live server is not the spec's, restart settings included. */
export function settingDifferences(snapshot: Snapshot): SettingDifference[] {
  const { intent } = snapshot;
  if (intent.kind !== 'intent') return [];
  return liveMembers(snapshot.members).flatMap((member) =>
    intent.settings.flatMap((setting) => {
      const actual = member.server.settings.get(setting.name);
      return actual !== undefined && isSameValue(setting.comparison, setting.value, actual)
        ? []
        : [{ member, setting, actual }];
    }),
  );
}

/** Under noeviction less memory than is used would make every write fail at once. */
function whyRefused(
  intent: Intent,
  member: LiveMember,
  setting: Setting,
  actual: string,
): string | undefined {
  if (setting.name !== 'maxmemory' || intent.maxmemoryPolicy !== 'noeviction') return undefined;
  const wanted = intent.maxmemory;
  const current = Number(actual);
  const lowers = current === 0 || wanted < current;
  if (!lowers || wanted === 0 || member.server.memory.used <= wanted) return undefined;
  return (
    `maxmemory of ${member.pod.name} stays ${actual}: ${setting.value} is below the ` +
    `${member.server.memory.used} bytes in use,  and with noeviction every write would fail; delete keys, write more, ` +
    'or choose another policy'
  );
}
