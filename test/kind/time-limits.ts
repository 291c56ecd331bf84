/**
 * How long things in the local Kubernetes may take: one profile for all stories, with room for a stock kind
 * on two busy cores. What the cluster itself waits for (grace periods, tolerations) stands in
 * `cluster.yaml`.
 */
export const timeLimits = {
  /** One docker command: kill, start, pause, inspect. */
  dockerMs: 30_000,
  /** A program in a node, unless the caller says otherwise. */
  nodeExecMs: 30_000,
  pullImageMs: 300_000,
  loadNodeImageMs: 300_000,
  startDaemonMs: 60_000,
  createClusterMs: 420_000,
  deleteClusterMs: 120_000,
  /** All nodes Ready after the cluster was created. */
  nodesReadyMs: 120_000,
  /** One archive to all nodes. */
  loadImageMs: 180_000,
  /** From the death of a node until Kubernetes says so: 12 s of grace and what a busy machine adds. */
  nodeLossMs: 60_000,
  /** From the start of a killed node until it is Ready. */
  nodeReturnMs: 120_000,
  /** A namespace with everything in it gone. */
  cleanUpMs: 120_000,
} as const;
