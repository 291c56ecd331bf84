/** Users over the wire: signing in, what is refused, ACL files, who is closed. */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { RawConnection } from '../support/raw-connection.ts';
import { ServerProcess } from '../support/server-process.ts';

let server: ServerProcess;
let admin: RawConnection;
const opened: RawConnection[] = [];

/** A connection; its answers as text. */
async function open(): Promise<(line: string) => Promise<string>> {
  const connection = await RawConnection.open(server.port);
  opened.push(connection);
  return async (line) => (await connection.call(line.split(' '))).toString();
}

let ask: (line: string) => Promise<string>;

beforeEach(async () => {
  server = await ServerProcess.start('redwarden-server', ['--save', '']);
  admin = await RawConnection.open(server.port);
  ask = async (line) => (await admin.call(line.split(' '))).toString();
});

afterEach(async () => {
  for (const connection of opened.splice(0)) connection.close();
  admin.close();
  await server.stop();
});

describe('users', () => {
  it('may do what their rules say, in a transaction and in a script as well', async () => {
    await ask('ACL SETUSER u on >secret ~k* +get +set +multi +exec +eval +acl|whoami');
    const user = await open();
    expect(await user('AUTH u wrong')).toMatch(/^-WRONGPASS /);
    expect(await user('AUTH u secret')).toBe('+OK\r\n');
    expect(await user('ACL WHOAMI')).toBe('$1\r\nu\r\n');
    expect(await user('SET k1 v')).toBe('+OK\r\n');
    expect(await user('SET other v')).toBe('-NOPERM No permissions to access a key\r\n');
    expect(await user('DEL k1')).toBe("-NOPERM User u has no permissions to run the 'del' command\r\n");
    expect(await user('ACL LIST')).toBe(
      "-NOPERM User u has no permissions to run the 'acl|list' command\r\n",
    );
    await user('MULTI');
    expect(await user('DEL k1')).toMatch(/^-NOPERM /);
    expect(await user('EXEC')).toMatch(/^-EXECABORT /);
    expect(await user("EVAL redis.call('del',KEYS[1]) 1 k1")).toMatch(/^-ERR /);
    const log = await ask('ACL LOG');
    for (const word of ['auth', 'key', 'command', 'multi', 'toplevel', 'other', 'del', 'acl|list']) {
      expect(log).toContain(word);
    }
    expect(await ask('INFO stats')).toContain('acl_access_denied_auth:1');
  });

  it('are refused by EXEC what they lost after MULTI', async () => {
    await ask('ACL SETUSER u on nopass ~* +set +multi +exec');
    const user = await open();
    await user('AUTH u any');
    await user('MULTI');
    await user('SET k v');
    await ask('ACL SETUSER u -set');
    expect(await user('EXEC')).toContain('-NOPERM ACLs rules changed between the moment');
  });

  it('are closed when they are deleted, and when they lose a channel they listen to', async () => {
    await ask('ACL SETUSER u on nopass +@all ~* &a &b');
    const listener = await open();
    await listener('AUTH u any');
    expect(await listener('SUBSCRIBE c')).toBe('-NOPERM No permissions to access a channel\r\n');
    await listener('SUBSCRIBE a');
    const second = await open();
    await second('AUTH u any');
    expect(await ask('CLIENT LIST')).toContain('user=u');
    await ask('ACL SETUSER u resetchannels &b');
    expect((await ask('CLIENT LIST')).match(/user=u/g)).toHaveLength(1);
    expect(await ask('ACL DELUSER u')).toBe(':1\r\n');
    expect(await ask('CLIENT LIST')).not.toContain('user=u');
  });

  it('need a password once there is one, and none once it is gone', async () => {
    await ask('CONFIG SET requirepass word');
    const stranger = await open();
    expect(await stranger('GET k')).toBe('-NOAUTH Authentication required.\r\n');
    expect(await stranger('AUTH word')).toBe('+OK\r\n');
    expect(await ask('ACL LIST')).toContain('user default on sanitize-payload #');
    await admin.call(['CONFIG', 'SET', 'requirepass', '']);
    expect(await (await open())('GET k')).toBe('$-1\r\n');
  });
});

describe('the ACL file', () => {
  it('is read at the start and by ACL LOAD, written by ACL SAVE, and refused as a whole when a line is wrong', async () => {
    const file = path.join(server.directory, 'users.acl');
    writeFileSync(file, 'user default on nopass ~* &* +@all\nuser a on >x ~* +get\n');
    const other = await ServerProcess.start('redwarden-server', ['--save', '', '--aclfile', file]);
    const connection = await RawConnection.open(other.port);
    const call = async (line: string): Promise<string> => (await connection.call(line.split(' '))).toString();
    expect(await call('ACL USERS')).toBe('*2\r\n$1\r\na\r\n$7\r\ndefault\r\n');
    await call('ACL SETUSER b on nopass +set');
    expect(await call('ACL SAVE')).toBe('+OK\r\n');
    expect(readFileSync(file, 'latin1')).toContain(
      'user b on nopass sanitize-payload resetchannels -@all +set\n',
    );
    writeFileSync(file, 'user default on nopass ~* &* +@all\nuser c on +nosuch\n');
    expect(await call('ACL LOAD')).toContain("Error in applying operation '+nosuch'");
    expect(await call('ACL USERS')).toContain('$1\r\nb\r\n');
    writeFileSync(file, 'user c on nopass +get\n');
    expect(await call('ACL LOAD')).toBe('+OK\r\n');
    expect(await call('ACL USERS')).toBe('*2\r\n$1\r\nc\r\n$7\r\ndefault\r\n');
    connection.close();
    await other.stop();
  });

  it('is said to be missing', async () => {
    expect(await ask('ACL LOAD')).toContain('not configured to use an ACL file');
  });
});
