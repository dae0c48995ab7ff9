/**
 * Tells why a text is not JSON, from the error of `JSON.parse`: where, as far as the engine says it. The engine's own
 * message may quote the text, which can hold secrets.
 */
export function jsonProblem({ message }: Error): string {
  if (message.includes('Unexpected end')) return 'it ends too early'
  const position = / at position (\d+)/.exec(message)?.[1]
  return position === undefined
    ? 'it has a character that JSON does not allow there'
    : `the fault is at position ${position}`
}
