/**
 * A process in the place of the child that Redis forks for a snapshot: to be found, named in file names and
 * killed, which ends the snapshot. It is there only while `rdb-key-save-delay` slows snapshots down, that is
 * for tests; starting it copies the page tables as a fork does, which no snapshot in earnest may cost.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { constants } from 'node:os';

/** Ends by itself when its input ends, so also when this process is killed. */
const PROGRAM = 'cat';

export class StandIn {
  readonly #child: ChildProcess;
  #wanted = true;

  /** `onKilled` is told once when it ends before `end()`; 0 for an end without a signal. */
  constructor(onKilled: (signal: number) => void) {
    this.#child = spawn(PROGRAM, { stdio: ['pipe', 'ignore', 'ignore'] });
    this.#child.on('exit', (_code, signal) => {
      if (!this.#wanted) return;
      this.#wanted = false;
      onKilled(signal === null ? 0 : constants.signals[signal]);
    });
    // Without the program a snapshot has only its number to miss.
    this.#child.on('error', () => {
      this.#wanted = false;
    });
  }

  /** This process when there is no other. */
  get pid(): number {
    return this.#child.pid ?? process.pid;
  }

  end(): void {
    if (!this.#wanted) return;
    this.#wanted = false;
    this.#child.kill('SIGKILL');
  }
}
