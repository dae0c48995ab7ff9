const HIDDEN = '[secret]'

/**
 * A text that does not show itself by accident: printing, logging or serialising the text, or an object around it,
 * gives `[secret]`. Only settings use this class; values that every delivery reads are plain texts.
 */
export class Hidden {
  readonly #text: string

  constructor(text: string) {
    this.#text = text
  }

  /** The text itself. Only the callers of this function can leak it. */
  reveal(): string {
    return this.#text
  }

  get length(): number {
    return this.#text.length
  }

  toString(): string {
    return HIDDEN
  }

  toJSON(): string {
    return HIDDEN
  }

  /** `console.log` and `util.inspect` call this. */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return HIDDEN
  }
}
