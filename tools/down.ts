/** `make down`: takes away what `make up` has put on this machine; the caches stay. */
import { removeEnvironment } from '../test/kind/removal.ts';
import { runMain, runStage } from './stages.ts';

await runMain(async () => {
  const left = await runStage('removing the local Kubernetes', (stage) => removeEnvironment(stage.say));
  if (left.length > 0) {
    throw new Error(`still there:\n${left.map((line) => `  ${line}`).join('\n')}`);
  }
  process.stdout.write(
    'no process, mount, network, container or file of it is left; builds stay in the cache\n',
  );
});
