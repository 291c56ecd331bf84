/** The file redis.conf of a cluster: one setting a line, quoted as the servers' own parser reads it. */
import { createHash } from 'node:crypto';
import type { Effective } from '../api/effective.ts';
import { fileSettings, type Setting } from '../api/settings.ts';

/** Settings whose value is several words; everything else is one. */
const WORD_LISTS: ReadonlySet<string> = new Set([
  'bind',
  'save',
  'client-output-buffer-limit',
  'oom-score-adj-values',
]);

/** Text of redis.conf. Holds no password. */
export function renderRedisConf(effective: Effective): string {
  const lines = fileSettings(effective).map(renderSetting);
  return `# Written by the Redwarden operator from the RedisCluster; changes here are overwritten.\n${lines.join('\n')}\n`;
}

/** Changes exactly when a setting changes that running servers cannot take over. */
export function restartFingerprint(effective: Effective): string {
  const lines = fileSettings(effective)
    .filter(({ change }) => change === 'restart')
    .map(renderSetting);
  return createHash('sha256').update(lines.join('\n')).digest('hex').slice(0, 12);
}

function renderSetting({ name, value }: Setting): string {
  if (value !== '' && WORD_LISTS.has(name))
    return `${name} ${value.trim().split(/\s+/).map(quote).join(' ')}`;
  return `${name} ${quote(value)}`;
}

/** One word for the parser: as it is where that is safe, in double quotes with escapes otherwise. */
export function quote(word: string): string {
  if (/^[A-Za-z0-9_.:/@%+*,-]+$/.test(word)) return word;
  const escaped = Buffer.from(word, 'utf8').reduce((text, byte) => text + escapeByte(byte), '');
  return `"${escaped}"`;
}

function escapeByte(byte: number): string {
  if (byte === 0x22 || byte === 0x5c) return `\\${String.fromCharCode(byte)}`;
  if (byte >= 0x20 && byte < 0x7f) return String.fromCharCode(byte);
  return `\\x${byte.toString(16).padStart(2, '0')}`;
}
