// Numbers into lines of text.

const LABEL_WIDTH = 36

export interface Latency {
  p50: number
  p99: number
  max: number
}

export function latency(valuesMs: Float64Array): Latency {
  const sorted = valuesMs.toSorted()
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
  return { p50: at(0.5), p99: at(0.99), max: at(1) }
}

/** The middle one of an odd number of values. */
export const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN

export const heading = (text: string): void => write(`\n${text}`)
export const note = (text: string): void => write(`  ${text}`)
export const line = (label: string, value: string): void => write(`  ${label.padEnd(LABEL_WIDTH)}${value}`)

export const rate = (perSecond: number): string => `${Math.round(perSecond).toLocaleString('en')} /s`
export const ms = (value: number): string => `${value.toFixed(value < 10 ? 2 : 1)} ms`
export const percentiles = ({ p50, p99, max }: Latency): string => `p50 ${ms(p50)}   p99 ${ms(p99)}   max ${ms(max)}`
export const target = (met: boolean, text: string): string => `(target ${text}: ${met ? 'met' : 'MISSED'})`

function write(text: string): void {
  process.stdout.write(`${text}\n`)
}
