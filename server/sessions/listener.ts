/**
 * Listening sockets that can be made while nobody waits: a change of `port` or `bind` must succeed or fail
 * within its command. Node binds without waiting only through the handle under its servers.
 */
import { chmodSync, chownSync, readFileSync } from 'node:fs';
import net from 'node:net';

interface TcpHandle {
  listen(backlog: number): number;
  close(): void;
}

/** What `node:net` has and does not document. */
interface HandleMaker {
  _createServerHandle(
    address: string,
    port: number,
    family: 4 | 6,
    fd: undefined,
    flags: number,
  ): TcpHandle | number;
}

const IPV6_ONLY = 1;

/** An address of `bind` as the system wants it, and whether it may be missing. */
export interface BindAddress {
  readonly host: string;
  readonly optional: boolean;
}

export function bindAddress(text: string): BindAddress {
  const optional = text.startsWith('-');
  const host = (optional ? text.slice(1) : text).replace(/^\*$/, '0.0.0.0').replace(/^::\*$/, '::');
  return { host, optional };
}

/** A handle that listens; a negative error number of the system when it cannot. */
export function listenNow(host: string, port: number, backlog: number): net.Socket | number {
  const family = net.isIPv6(host) ? 6 : 4;
  if (net.isIP(host) === 0) return NOT_AN_ADDRESS;
  const maker = net as unknown as HandleMaker;
  const handle = maker._createServerHandle(host, port, family, undefined, family === 6 ? IPV6_ONLY : 0);
  if (typeof handle === 'number') return handle;
  const error = handle.listen(backlog);
  if (error === 0) return handle as unknown as net.Socket;
  handle.close();
  return error;
}

const NOT_AN_ADDRESS = -22;
const ADDRESS_NOT_AVAILABLE = -99;
const FAMILY_NOT_SUPPORTED = -97;

/** Whether an optional address that fails so is simply left out. */
export function isMissingAddress(error: number): boolean {
  return error === ADDRESS_NOT_AVAILABLE || error === FAMILY_NOT_SUPPORTED;
}

/** Gives a Unix socket its permission bits (0: as they are) and group. Throws when the system refuses. */
export function restrictSocket(path: string, mode: number, group: string): void {
  if (mode !== 0) chmodSync(path, mode);
  if (group !== '') chownSync(path, process.getuid?.() ?? 0, groupId(group));
}

function groupId(name: string): number {
  const lines = readFileSync('/etc/group', 'utf8').split('\n');
  const fields = lines.map((line) => line.split(':')).find(([known]) => known === name);
  if (fields?.[2] === undefined) throw new Error(`unknown group ${name} in unixsocketgroup`);
  return Number(fields[2]);
}
