const HIDDEN = '[secret]'

/**
 * A text that does not show itself by accident: whatever prints, logs or serialises it, or something that it is in, gets
 * `[secret]`. For settings; what is read at every delivery is plain.
 */
export class Hidden {
  readonly #text: string

  constructor(text: string) {
    this.#text = text
  }

  /** The text itself. Where this is called is where it may leak. */
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

  /** What `console.log` and `util.inspect` ask for. */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return HIDDEN
  }
}
