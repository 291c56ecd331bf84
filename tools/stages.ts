/** Work in named stages that people watch: what is going on, and how long each part took. */

const heartbeatMs = 15_000;
const lineLengthMax = 110;

export interface Stage {
  /** A fact worth a line of its own. */
  say(line: string): void;
  /** What a long step is doing right now; shown when nothing else has been for a while. */
  progress(line: string): void;
}

/** Runs one stage: its name, its lines, a sign of life at least every 15 s, its time. */
export async function runStage<Value>(name: string, work: (stage: Stage) => Promise<Value>): Promise<Value> {
  const started = performance.now();
  const seconds = (): string => ((performance.now() - started) / 1000).toFixed(1);
  let latest = '';
  let lines = 0;
  const write = (line: string): void => {
    process.stdout.write(`    ${line.slice(0, lineLengthMax)}\n`);
  };
  process.stdout.write(`==> ${name}\n`);
  const heartbeat = setInterval(() => {
    write(`… ${seconds()} s, ${lines} lines of output so far${latest === '' ? '' : `, last: ${latest}`}`);
  }, heartbeatMs);
  try {
    const value = await work({
      say: write,
      progress: (line) => {
        if (line.trim() !== '') {
          latest = line.trim();
          lines++;
        }
      },
    });
    write(`done in ${seconds()} s`);
    return value;
  } catch (error) {
    write(`failed after ${seconds()} s`);
    throw error;
  } finally {
    clearInterval(heartbeat);
  }
}

/** Runs a tool's main function; an error is printed as a sentence and ends the process with 1. */
export async function runMain(main: () => Promise<void>): Promise<void> {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      process.stderr.write(`\n${signal}: stopping; make down takes away what is there already\n`);
      process.exit(130);
    });
  }
  try {
    await main();
  } catch (error) {
    process.stderr.write(`\n${(error as Error).message}\n`);
    process.exitCode = 1;
  }
}
