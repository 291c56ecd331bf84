/**
 * The HTTP port for kubelet and Prometheus: `/livez`, `/readyz`, `/metrics`. It speaks to machines, not to
 * users.
 */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { messageOf } from '../config/failure.ts';
import type { Log } from '../config/log.ts';
import { readInfoFields } from './info-fields.ts';
import { type ProbeAnswer, probeLife, probeReadiness } from './probes.ts';
import type { PrometheusPage } from './prometheus.ts';

const REQUEST_MS_MAX = 5000;
const CONNECTIONS_MAX = 64;
const PLAIN = 'text/plain; charset=utf-8';

/** What the port tells about. */
export interface AdminSource {
  /** The sections of INFO by name. */
  render(sections: readonly string[]): string;
  /** Every field that has a metric, as INFO prints fields. */
  renderForMetrics(): string;
}

export interface AdminServerOptions {
  readonly port: number;
  readonly address: string;
  readonly info: AdminSource;
  readonly log: Log;
}

export class AdminServer {
  readonly #options: AdminServerOptions;
  readonly #server: Server;
  #page: PrometheusPage | undefined;

  constructor(options: AdminServerOptions) {
    this.#options = options;
    this.#server = createServer((request, response) => this.#answer(request, response));
    this.#server.requestTimeout = REQUEST_MS_MAX;
    this.#server.headersTimeout = REQUEST_MS_MAX;
    this.#server.keepAliveTimeout = REQUEST_MS_MAX;
    this.#server.maxConnections = CONNECTIONS_MAX;
    this.#server.on('clientError', (_, socket) => socket.destroy());
  }

  /** Opens the port; rejects with the system's error when it cannot. Resolves with the port that is open. */
  listen(): Promise<number> {
    const { port, address } = this.#options;
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, address, () => {
        this.#server.removeListener('error', reject);
        this.#server.on('error', (error) => this.#options.log.warning(`Admin port: ${error.message}`));
        const bound = this.#server.address();
        resolve(typeof bound === 'object' && bound !== null ? bound.port : port);
      });
    });
  }

  /** Closes the port and every connection to it. */
  close(): Promise<void> {
    this.#page?.close();
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      send(response, 405, PLAIN, 'only GET is served here\n');
      return;
    }
    const path = (request.url ?? '/').split('?')[0];
    if (path === '/livez') sendProbe(response, probeLife());
    else if (path === '/readyz') sendProbe(response, this.#readiness());
    else if (path === '/metrics') this.#sendMetrics(response);
    else send(response, 404, PLAIN, 'served here: /livez /readyz /metrics\n');
  }

  #readiness(): ProbeAnswer {
    return probeReadiness(readInfoFields(this.#options.info.render(['persistence', 'replication'])));
  }

  /** The Prometheus library is loaded at the first look: starting the server shall not wait for it. */
  #sendMetrics(response: ServerResponse): void {
    const render = async (): Promise<void> => {
      if (this.#page === undefined) {
        const { PrometheusPage } = await import('./prometheus.ts');
        this.#page ??= new PrometheusPage(() => this.#options.info.renderForMetrics());
      }
      send(response, 200, this.#page.contentType, await this.#page.render());
    };
    render().catch((error: unknown) => {
      const reason = messageOf(error);
      this.#options.log.warning(`Metrics page failed: ${reason}`);
      if (!response.headersSent) send(response, 500, PLAIN, `${reason}\n`);
    });
  }
}

function sendProbe(response: ServerResponse, answer: ProbeAnswer): void {
  send(response, answer.healthy ? 200 : 503, PLAIN, `${answer.reason}\n`);
}

function send(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body) });
  response.end(body);
}
