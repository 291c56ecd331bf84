/** INFO read back into fields: probes and Prometheus see what INFO prints, so a fact is computed once. */

/** Fields and values; lines that are no fields are left out. */
export function readInfoFields(text: string): Map<string, string> {
  const fields = new Map<string, string>();
  for (const line of text.split('\r\n')) {
    const colon = line.indexOf(':');
    if (colon > 0 && !line.startsWith('#')) fields.set(line.slice(0, colon), line.slice(colon + 1));
  }
  return fields;
}

/** The parts of a value such as `keys=5,expires=1`. */
export function readInfoParts(value: string): Map<string, number> {
  const parts = new Map<string, number>();
  for (const part of value.split(',')) {
    const [name = '', number = ''] = part.split('=');
    parts.set(name, Number(number));
  }
  return parts;
}
