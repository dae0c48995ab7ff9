/** An entry of the table of settings, and the kinds of values that entries have. */

/** The value, or each problem as the rest of a sentence that begins with the variable. */
export type Read<T> = { value: T } | { problems: readonly string[] }

export interface Kind<T> {
  read: (text: string) => Read<T>
  /** What holds when the variable is not set, as one would write it. Empty: nothing is set. */
  default: string
  /** The sentence of the document that says what is valid, as Markdown. */
  valid: string
  /** Every character counts, also at the ends, but for line breaks there. */
  isExact?: true
}

interface Words {
  /** What the setting is for, as Markdown. */
  means: string
  /** Instead of the sentence of the kind. */
  valid?: string
  /** Instead of the default of the kind, where it depends on other settings. */
  default?: string
}

export interface Setting<T, Secret extends boolean = boolean> extends Required<Words> {
  variable: string
  kind: Kind<T>
  isSecret: Secret
  /** What may be shown of a text that is set: of a setting all of it, of a secret as little as helps. */
  show: (text: string) => string
}

const withWords = ({ default: text, valid }: Kind<unknown>, words: Words): Required<Words> => ({
  valid,
  default: text === '' ? 'unset' : `\`${text}\``,
  ...words,
})

/** What anyone who may look at the gateway may see. */
export const setting = <T>(variable: string, kind: Kind<T>, words: Words): Setting<T, false> => ({
  ...withWords(kind, words),
  variable,
  kind,
  isSecret: false,
  show: (text) => text,
})

/** What must not show itself: its kind reads it into something that does not. */
export const secret = <T>(
  variable: string,
  kind: Kind<T>,
  { show, ...words }: Words & { show?: (text: string) => string },
): Setting<T, true> => ({
  ...withWords(kind, words),
  variable,
  kind,
  isSecret: true,
  show: show ?? (() => '[secret]'),
})
