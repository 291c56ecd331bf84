/** `proc-title-template`: text with variables in braces, `{{` for a brace itself. */

/** What the variables stand for. */
export interface TitleFacts {
  readonly title: string;
  readonly 'listen-addr': string;
  readonly 'server-mode': string;
  readonly port: string;
  readonly 'tls-port': string;
  readonly unixsocket: string;
  readonly 'config-file': string;
}

const NO_FACTS: TitleFacts = {
  title: 'x',
  'listen-addr': '',
  'server-mode': '',
  port: '',
  'tls-port': '',
  unixsocket: '',
  'config-file': '',
};

/** The name in the process list; null when the template has an unknown variable or an open brace. */
export function expandTitle(template: string, facts: TitleFacts): string | null {
  let title = '';
  for (let at = 0; at < template.length; ) {
    const brace = template.indexOf('{', at);
    if (brace < 0) return (title + template.slice(at)).trim();
    title += template.slice(at, brace);
    if (template[brace + 1] === '{') {
      title += '{';
      at = brace + 2;
      continue;
    }
    const end = template.indexOf('}', brace);
    const name = template.slice(brace + 1, end);
    if (end < 0 || !Object.hasOwn(facts, name)) return null;
    title += facts[name as keyof TitleFacts];
    at = end + 1;
  }
  return title.trim();
}

/** Why it cannot be the template, or undefined. */
export function titleProblem(template: string): string | undefined {
  const known = expandTitle(template, NO_FACTS);
  return known === null || known === ''
    ? 'template format is invalid or contains unknown variables'
    : undefined;
}
