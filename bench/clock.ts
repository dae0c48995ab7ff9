// All processes of a run share one machine, hence one monotonic clock. Its origin is read once per process, because
// `performance.now()` is several times cheaper than `process.hrtime.bigint()` and is called for every event. Wall time
// (`performance.timeOrigin`) would do as well, until it is set back between two process starts.

const originMs = Number(process.hrtime.bigint()) / 1e6 - performance.now()

/** Milliseconds on the machine's monotonic clock, comparable between processes, with a resolution below 1 µs. */
export const nowMs = (): number => originMs + performance.now()
