import { afterAll, beforeAll } from 'vitest';
import { type Access, accessTo, beginStory, type Story, smallCluster, waitReady } from './story.ts';

/** A story in whose namespace a small RedisCluster of the same name was Ready when its tests began. */
export interface ClusterStory extends Omit<Story, 'end'> {
  readonly access: Access;
}

const beginMsMax = 400_000;
const endMsMax = 180_000;

/**
 * Begins the story before the tests of a `describe` and ends it after them; its parts are there in between.
 */
export function clusterStory(name: string): ClusterStory {
  let story: Story | undefined;
  let access: Access | undefined;
  beforeAll(async () => {
    story = await beginStory(name);
    await story.kubectl.apply(smallCluster(name));
    await waitReady(story.kubectl, name);
    access = await accessTo(story.kubectl, name);
  }, beginMsMax);
  afterAll(async () => {
    await story?.end();
  }, endMsMax);
  const begun = <Part>(part: Part | undefined): Part => {
    if (part === undefined) throw new Error(`the story ${name} has not begun`);
    return part;
  };
  return {
    get cluster() {
      return begun(story).cluster;
    },
    get kubectl() {
      return begun(story).kubectl;
    },
    get access() {
      return begun(access);
    },
  };
}
