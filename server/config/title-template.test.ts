import { describe, expect, it } from 'vitest';
import { expandTitle, type TitleFacts, titleProblem } from './title-template.ts';

const facts: TitleFacts = {
  title: '/usr/bin/redis-server',
  'listen-addr': '127.0.0.1:7000',
  'server-mode': '',
  port: '7000',
  'tls-port': '0',
  unixsocket: '',
  'config-file': '/etc/redis.conf',
};

describe('expandTitle', () => {
  it.each([
    ['{title} {listen-addr} {server-mode}', '/usr/bin/redis-server 127.0.0.1:7000'],
    ['TEST {port} {tls-port} {config-file}', 'TEST 7000 0 /etc/redis.conf'],
    ['{{title} {port}', '{title} 7000'],
    ['  plain  ', 'plain'],
  ])('%s becomes %s', (template, title) => {
    expect(expandTitle(template, facts)).toBe(title);
  });

  it.each(['{invalid-var}', '{title', '{}', '{toString}'])('%s is no template', (template) => {
    expect(expandTitle(template, facts)).toBeNull();
    expect(titleProblem(template)).toMatch(/^template format is invalid/);
  });
});

describe('titleProblem', () => {
  it('takes the default, and no template that shows nothing', () => {
    expect(titleProblem('{title} {listen-addr} {server-mode}')).toBeUndefined();
    expect(titleProblem(' ')).toBeDefined();
  });
});
