import type { Socket } from 'node:net';

/** Two ends of a relay: both stand in `sockets` while they are open, and neither outlives the other. */
export function joinSockets(near: Socket, far: Socket, sockets: Set<Socket>): void {
  for (const [from, to] of [
    [near, far],
    [far, near],
  ] as const) {
    sockets.add(from);
    from.on('error', () => to.destroy());
    from.on('close', () => {
      sockets.delete(from);
      to.destroy();
    });
  }
}
