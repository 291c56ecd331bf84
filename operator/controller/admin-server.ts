/** The HTTP port of the operator: /metrics for Prometheus, /healthz and /readyz for the kubelet. */
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface AdminServerOptions {
  /** 0: any free one. */
  readonly port: number;
  readonly host?: string;
  readonly metrics: () => Promise<{ readonly contentType: string; readonly text: string }>;
  /** Why the process should be restarted; undefined while it is well. */
  readonly unhealthy: () => string | undefined;
  /** Why it is not ready; undefined when it is. */
  readonly notReady: () => string | undefined;
}

export class AdminServer {
  readonly #options: AdminServerOptions;
  readonly #server: Server;

  constructor(options: AdminServerOptions) {
    this.#options = options;
    this.#server = createServer({ requestTimeout: 10_000, headersTimeout: 5_000 }, (request, response) => {
      void this.#answer(request.url ?? '', response);
    });
    this.#server.maxConnections = 100;
  }

  /** Resolves with the port; rejects when it cannot be bound. */
  listen(): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(this.#options.port, this.#options.host, () => {
        this.#server.off('error', reject);
        resolve((this.#server.address() as AddressInfo).port);
      });
    });
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }

  async #answer(url: string, response: ServerResponse): Promise<void> {
    switch (url.split('?')[0]) {
      case '/metrics':
        try {
          const { contentType, text } = await this.#options.metrics();
          response.writeHead(200, { 'content-type': contentType }).end(text);
        } catch (error) {
          response.writeHead(500).end(`${(error as Error).message}\n`);
        }
        return;
      case '/healthz':
        return probe(response, this.#options.unhealthy());
      case '/readyz':
        return probe(response, this.#options.notReady());
      default:
        response.writeHead(404).end('there are /metrics, /healthz and /readyz\n');
    }
  }
}

function probe(response: ServerResponse, problem: string | undefined): void {
  response.writeHead(problem === undefined ? 200 : 503).end(`${problem ?? 'ok'}\n`);
}
