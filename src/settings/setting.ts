/** An entry of the table of settings, and the kinds of values that entries have. */

/** The value, or each problem as the rest of a sentence that begins with the variable. */
export type Read<T> = { value: T } | { problems: readonly string[] }

export interface Kind<T> {
  read: (text: string) => Read<T>
  /** The text that holds when the variable is not set, in the form that a user would write. Empty: no value. */
  default: string
  /** The sentence of the document that says which values are valid, as Markdown. */
  valid: string
  /** True when every character counts, also at the ends, except line breaks there. */
  isExact?: true
}

interface Words {
  /** The purpose of the setting, as Markdown. */
  means: string
  /** Replaces the sentence of the kind. */
  valid?: string
  /** Replaces the default of the kind, when it depends on other settings. */
  default?: string
}

export interface Setting<T, Secret extends boolean = boolean> extends Required<Words> {
  variable: string
  kind: Kind<T>
  isSecret: Secret
  /** The part of a set text that may be shown: all of a plain setting, as little of a secret as helps. */
  show: (text: string) => string
}

const withWords = ({ default: text, valid }: Kind<unknown>, words: Words): Required<Words> => ({
  valid,
  default: text === '' ? 'unset' : `\`${text}\``,
  ...words,
})

/** A setting that anyone with access to the gateway may see. */
export const setting = <T>(variable: string, kind: Kind<T>, words: Words): Setting<T, false> => ({
  ...withWords(kind, words),
  variable,
  kind,
  isSecret: false,
  show: (text) => text,
})

/** A setting that must stay hidden: its kind reads it into a value that does not show itself. */
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
