/** The parameters of the cluster, read from the live configuration at every use. */
import type { Config } from '../config/config.ts';
import type { ClusterSettings } from './cluster-environment.ts';

const BUS_PORT_OFFSET = 10_000;

export function settingsFrom(config: Config): ClusterSettings {
  const { values } = config;
  return {
    get nodeTimeoutMs() {
      return values['cluster-node-timeout'];
    },
    get replicaValidityFactor() {
      return values['cluster-replica-validity-factor'];
    },
    get replicaPingPeriodSeconds() {
      return values['repl-ping-replica-period'];
    },
    get replicaNoFailover() {
      return values['cluster-replica-no-failover'];
    },
    get allowReplicaMigration() {
      return values['cluster-allow-replica-migration'];
    },
    get migrationBarrier() {
      return values['cluster-migration-barrier'];
    },
    get requireFullCoverage() {
      return values['cluster-require-full-coverage'];
    },
    get allowReadsWhenDown() {
      return values['cluster-allow-reads-when-down'];
    },
    get allowShardChannelsWhenDown() {
      return values['cluster-allow-pubsubshard-when-down'];
    },
    get linkSendBufferLimit() {
      return values['cluster-link-sendbuf-limit'];
    },
    get preferredEndpoint() {
      return values['cluster-preferred-endpoint-type'];
    },
    get announceIp() {
      return values['cluster-announce-ip'];
    },
    get announceHostname() {
      return values['cluster-announce-hostname'];
    },
    get announceNodeName() {
      return values['cluster-announce-human-nodename'];
    },
    get port() {
      return values['cluster-announce-port'] || values.port;
    },
    get plainPort() {
      return 0;
    },
    get busPort() {
      const listening = values['cluster-port'] || values.port + BUS_PORT_OFFSET;
      return values['cluster-announce-bus-port'] || listening;
    },
  };
}
