/**
 * Which scripts may run and what they may call: the rules of `execute.ts` as they are for scripts, where a
 * refusal is an error inside the script and a script that has begun to write is not stopped half-way.
 */
import {
  SCRIPT_ALLOW_CROSS_SLOT,
  SCRIPT_ALLOW_OOM,
  SCRIPT_ALLOW_STALE,
  SCRIPT_NO_CLUSTER,
  SCRIPT_NO_WRITES,
  SCRIPT_WITHOUT_SHEBANG,
} from '../scripting/script.ts';
import type { Call } from './call.ts';
import type { Client } from './client.ts';
import type { CommandEntry } from './command-table.ts';
import type { ServerContext } from './context.ts';
import * as errors from './errors.ts';
import { ttlRefusal } from './require-ttl.ts';
import { keysSlot, route, SEVERAL_SLOTS } from './route.ts';
import { DENYOOM, MAY_REPLICATE, NOSCRIPT, STALE, WRITE } from './row.ts';

/** A script that runs: what it is allowed, and what it has done. */
export interface ScriptRun {
  readonly caller: Client;
  readonly readOnly: boolean;
  readonly allowOom: boolean;
  readonly allowCrossSlot: boolean;
  /** The memory was full when it began. */
  readonly outOfMemory: boolean;
  /** It has called a command that writes. */
  wrote: boolean;
  /** The slot of the keys it has touched, -1 for none. */
  slot: number;
}

/** The flags that a script's command has by the flags of the script. */
export function flagsByScript(commandFlags: number, scriptFlags: number): number {
  if ((scriptFlags & SCRIPT_WITHOUT_SHEBANG) !== 0) return commandFlags;
  let flags = commandFlags & ~(STALE | DENYOOM | WRITE | MAY_REPLICATE);
  if ((scriptFlags & (SCRIPT_ALLOW_OOM | SCRIPT_NO_WRITES)) === 0) flags |= DENYOOM;
  if ((scriptFlags & SCRIPT_NO_WRITES) === 0) flags |= WRITE;
  if ((scriptFlags & SCRIPT_ALLOW_STALE) !== 0) flags |= STALE;
  return flags;
}

/** Clients whose commands are run whatever the state is: our primary and files. */
export function isObeyed(client: Client): boolean {
  return client.kind === 'primary' || client.kind === 'aof';
}

function isStale(context: ServerContext): boolean {
  const { replication, config } = context;
  return replication.role === 'replica' && !replication.linkUp && !config.values['replica-serve-stale-data'];
}

function isReadOnlyReplica(context: ServerContext, caller: Client): boolean {
  const { replication, config } = context;
  return replication.role === 'replica' && config.values['replica-read-only'] && !isObeyed(caller);
}

function lacksReplicas(context: ServerContext): boolean {
  const { replication, config } = context;
  return (
    replication.role === 'primary' &&
    config.values['min-replicas-to-write'] > 0 &&
    !replication.hasEnoughReplicas()
  );
}

/** Why a script does not begin, null when it may. `flags` are those of its shebang. */
export function refusalOfScript(
  context: ServerContext,
  run: ScriptRun,
  flags: number,
  readOnlyCommand: boolean,
): string | null {
  const stale = isStale(context);
  if ((flags & SCRIPT_WITHOUT_SHEBANG) !== 0) return stale ? errors.MASTER_DOWN : null;
  if ((flags & SCRIPT_NO_CLUSTER) !== 0 && context.cluster !== null) {
    return "ERR Can not run script on cluster, 'no-cluster' flag is set.";
  }
  if (stale && (flags & SCRIPT_ALLOW_STALE) === 0) {
    return "MASTERDOWN Link with MASTER is down, replica-serve-stale-data is set to 'no' and 'allow-stale' flag is not set on the script.";
  }
  if ((flags & SCRIPT_NO_WRITES) === 0) {
    const refusal = refusalOfWriter(context, run.caller, readOnlyCommand);
    if (refusal !== null) return refusal;
  }
  if (run.outOfMemory && (flags & (SCRIPT_ALLOW_OOM | SCRIPT_NO_WRITES)) === 0) {
    return "OOM allow-oom flag is not set on the script, can not run it when used memory > 'maxmemory'";
  }
  return null;
}

function refusalOfWriter(context: ServerContext, caller: Client, readOnlyCommand: boolean): string | null {
  if (isReadOnlyReplica(context, caller)) {
    return 'READONLY Can not run script with write flag on readonly replica';
  }
  const { trouble } = context.persistence;
  if (trouble !== null && context.replication.role === 'primary' && !isObeyed(caller)) {
    const what =
      trouble.kind === 'rdb'
        ? "save RDB snapshots, but it's currently unable to persist to disk"
        : "persist data to AOF, but it's currently unable to persist to disk";
    const end = trouble.kind === 'rdb' ? '' : ` AOF error: ${trouble.message}`;
    return `MISCONF Redis is configured to ${what}. Writable scripts are blocked. Use 'no-writes' flag for read only scripts.${end}`;
  }
  if (readOnlyCommand) return 'ERR Can not execute a script with write flag using *_ro command.';
  return lacksReplicas(context) ? errors.NO_REPLICAS : null;
}

/** What a script may do by its flags. */
export function runOf(
  caller: Client,
  flags: number,
  readOnlyCommand: boolean,
  outOfMemory: boolean,
): ScriptRun {
  const old = (flags & SCRIPT_WITHOUT_SHEBANG) !== 0;
  return {
    caller,
    readOnly: readOnlyCommand || (!old && (flags & SCRIPT_NO_WRITES) !== 0),
    allowOom: !old && (flags & SCRIPT_ALLOW_OOM) !== 0,
    allowCrossSlot: old || (flags & SCRIPT_ALLOW_CROSS_SLOT) !== 0,
    outOfMemory,
    wrote: false,
    slot: -1,
  };
}

/** Why a command of a script does not run, null when it does; notes what the script has done by it. */
export function refusalInScript(call: Call, entry: CommandEntry, run: ScriptRun): string | null {
  const { context } = call;
  const { flags } = entry;
  if ((flags & NOSCRIPT) !== 0 && !context.keyspace.switches.scriptsCallAnything) {
    return 'ERR This Redis command is not allowed from script';
  }
  if (isStale(context) && (flags & STALE) === 0) return 'ERR Can not execute the command on a stale replica';
  const denial = context.access.refusal(call, entry, 'lua');
  if (denial !== null) return `ERR ACL failure in script: ${denial}`;
  if (run.readOnly && (flags & (WRITE | MAY_REPLICATE)) !== 0) {
    return 'ERR Write commands are not allowed from read-only scripts.';
  }
  if ((flags & WRITE) !== 0 && !run.wrote) {
    const refusal = refusalOfWrite(context, run.caller);
    if (refusal !== null) return refusal;
  }
  if (run.outOfMemory && !run.allowOom && !run.wrote && (flags & DENYOOM) !== 0) return errors.OUT_OF_MEMORY;
  const unbounded = isObeyed(run.caller) ? null : ttlRefusal(call, entry);
  if (unbounded !== null) return unbounded;
  if ((flags & WRITE) !== 0) run.wrote = true;
  return context.cluster === null || isObeyed(run.caller) ? null : refusalOfRoute(call, entry, run);
}

function refusalOfWrite(context: ServerContext, caller: Client): string | null {
  if (isReadOnlyReplica(context, caller)) return errors.READ_ONLY;
  const { trouble } = context.persistence;
  if (trouble !== null && context.replication.role === 'primary' && !isObeyed(caller)) {
    return trouble.kind === 'rdb' ? errors.MISCONF : errors.aofMisconf(trouble.message);
  }
  return lacksReplicas(context) ? errors.NO_REPLICAS : null;
}

function refusalOfRoute(call: Call, entry: CommandEntry, run: ScriptRun): string | null {
  const { cluster } = call.context;
  if (cluster === null || !entry.hasKeys) return null;
  const redirect = route(call, entry, cluster);
  if (redirect !== null) return redirectInScript(redirect, entry.name);
  const slot = keysSlot(call, entry);
  if (slot < 0 || run.allowCrossSlot) return null;
  if (run.slot === -1) run.slot = slot;
  if (run.slot === slot && slot !== SEVERAL_SLOTS) return null;
  return 'ERR Script attempted to access keys that do not hash to the same slot';
}

/** What a redirection is called inside a script, which cannot follow it. */
function redirectInScript(redirect: string, name: string): string {
  const [code = ''] = redirect.split(' ', 1);
  switch (code) {
    case 'CROSSSLOT':
      return `ERR Command '${name}' in script attempted to access keys that don't hash to the same slot`;
    case 'TRYAGAIN':
      return `ERR Unable to execute command '${name}' in script because undeclared keys were accessed during rehashing of the slot`;
    case 'CLUSTERDOWN':
      if (redirect.includes('read-only')) {
        return 'ERR Script attempted to execute a write command while the cluster is down and readonly';
      }
      return redirect.includes('not served')
        ? 'ERR Script attempted to access a slot not served'
        : 'ERR Script attempted to execute a command while the cluster is down';
    default:
      return 'ERR Script attempted to access a non local key in a cluster node';
  }
}
