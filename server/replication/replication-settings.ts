/** The configuration as replication reads it. */
import type { Config } from '../config/config.ts';
import type { ReplicationSettings } from './replication-seams.ts';

/** Live: each access reads the present value. `listeningPort` tells the port that clients really reach. */
export function replicationSettings(config: Config, listeningPort: () => number): ReplicationSettings {
  const { values } = config;
  return {
    get port() {
      return listeningPort();
    },
    get sourceAddress() {
      return values['bind-source-addr'];
    },
    get primaryUser() {
      return values['masteruser'];
    },
    get primaryPassword() {
      return values['masterauth'];
    },
    get announceAddress() {
      return values['replica-announce-ip'];
    },
    get announcePort() {
      return values['replica-announce-port'];
    },
    get announced() {
      return values['replica-announced'];
    },
    get priority() {
      return values['replica-priority'];
    },
    get replicaReadOnly() {
      return values['replica-read-only'];
    },
    get disklessSync() {
      return values['repl-diskless-sync'];
    },
    get disklessSyncDelaySeconds() {
      return values['repl-diskless-sync-delay'];
    },
    get disklessSyncMaxReplicas() {
      return values['repl-diskless-sync-max-replicas'];
    },
    get pingPeriodSeconds() {
      return values['repl-ping-replica-period'];
    },
    get timeoutSeconds() {
      return values['repl-timeout'];
    },
    get emptyPrimaryWaitSeconds() {
      return values['repl-empty-primary-wait'];
    },
    get backlogBytes() {
      return values['repl-backlog-size'];
    },
    get backlogTtlSeconds() {
      return values['repl-backlog-ttl'];
    },
    get minReplicasToWrite() {
      return values['min-replicas-to-write'];
    },
    get minReplicasMaxLagSeconds() {
      return values['min-replicas-max-lag'];
    },
    get outputLimit() {
      return values['client-output-buffer-limit'].replica;
    },
  };
}
