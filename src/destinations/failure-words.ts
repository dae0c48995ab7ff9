/** Says why a request got no answer, in words that tell the endpoint's owner what to do. */
import { formatDuration } from '../lib/duration.ts'
import { DESTINATION_LIMITS } from './limits.ts'

const WORDS: Readonly<Record<string, (host: string) => string>> = {
  ENOTFOUND: (host) => `DNS name not found: ${host}`,
  EAI_AGAIN: (host) => `DNS did not answer for ${host}`,
  DNS_NO_ANSWER: (host) => `DNS did not answer for ${host}`,
  DNS_SERVER_FAILURE: (host) => `DNS failed for ${host}: its name server has a fault or refuses to answer`,
  DNS_BAD_ANSWER: (host) => `DNS answered for ${host} with something that cannot be read`,
  ECONNREFUSED: (host) => `connection refused by ${host}`,
  ECONNRESET: (host) => `connection reset by ${host} before it answered`,
  EPIPE: (host) => `connection closed by ${host} while the request was sent`,
  EHOSTUNREACH: (host) => `no route to ${host}`,
  ENETUNREACH: (host) => `no route to the network of ${host}`,
  ETIMEDOUT: (host) => `connecting to ${host} timed out`,
  UND_ERR_CONNECT_TIMEOUT: (host) => `connecting to ${host} timed out`,
  EACCES: (host) => `connecting to ${host} is not permitted`,
  ECONNABORTED: (host) => `connection to ${host} aborted before it answered`,
  UND_ERR_SOCKET: (host) => `connection closed by ${host} before it answered`,
  UND_ERR_HEADERS_OVERFLOW: (host) => `${host} answered with headers that are too large`,
  UND_ERR_HEADERS_TIMEOUT: (host) => `${host} did not answer in time`,
  UND_ERR_BODY_TIMEOUT: (host) => `${host} did not end its answer in time`,
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: (host) =>
    `${host} answered with another number of bytes than its content-length says`,
  UND_ERR_RES_EXCEEDED_MAX_SIZE: (host) => `${host} sent too much for one answer`,
  ANSWER_TOO_LONG: (host) => `${host} sent too much without coming to the end of its headers`,
  INTERIM_ANSWERS: (host) => `${host} sent more than ${DESTINATION_LIMITS.interimAnswersMax} interim answers`,
  // undici asserts that a status has three digits and is at least 100.
  ERR_ASSERTION: notHttp,
  UND_ERR_REQ_CONTENT_LENGTH_MISMATCH: () => 'the request cannot be written as HTTP',
  UND_ERR_NOT_SUPPORTED: () => 'the request cannot be written as HTTP',
  UND_ERR_ABORTED: () => 'ended by the gateway',
  UND_ERR_DESTROYED: () => 'ended because the gateway shut down',
  UND_ERR_CLOSED: () => 'ended because the gateway shut down',
  CERT_HAS_EXPIRED: (host) => `the TLS certificate of ${host} has expired`,
  CERT_NOT_YET_VALID: (host) => `the TLS certificate of ${host} is not valid yet`,
  ERR_TLS_CERT_ALTNAME_INVALID: (host) => `the TLS certificate is not for ${host}`,
  DEPTH_ZERO_SELF_SIGNED_CERT: (host) => `the TLS certificate of ${host} is self-signed`,
  SELF_SIGNED_CERT_IN_CHAIN: (host) => `the TLS certificate chain of ${host} contains a self-signed certificate`,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: (host) =>
    `the TLS certificate of ${host} cannot be verified: its chain is incomplete`,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: (host) => `the TLS certificate of ${host} is from an unknown authority`,
  EPROTO: (host) => `${host} does not speak TLS at this port, or no version that is allowed`,
}

/** Never uses an error's own words where the error has a code: the words of Node and undici hold addresses. */
export function failureWords(error: unknown, host: string): string {
  if (!(error instanceof Error)) return String(error)
  const code = 'code' in error && typeof error.code === 'string' ? error.code : ''
  // Several addresses were tried; the first failure stands for all.
  if (error instanceof AggregateError && error.errors.length > 0) return failureWords(error.errors[0], host)
  // The guard's refusals are already in words for the owner.
  if (code === 'BLOCKED_ADDRESS') return `blocked: ${error.message}`
  if (code === 'PROXY_REFUSAL') return `${host}: ${error.message}`
  // undici's "bad response" is an answer before there was a request; its "bad upgrade" is a 101 without a request for
  // one.
  if (code.startsWith('HPE_') || error.name === 'HTTPParserError' || /^bad (response|upgrade)$/.test(error.message))
    return notHttp(host)
  // undici's words name the header, and come from the request alone.
  if (code === 'UND_ERR_INVALID_ARG') return `the request cannot be written as HTTP: ${error.message}`
  // OpenSSL's own words hold memory addresses and names of its functions.
  if (code.startsWith('ERR_SSL_')) return WORDS['EPROTO']!(host)
  return WORDS[code]?.(host) ?? (code === '' ? error.message || error.name : `the request to ${host} failed (${code})`)
}

function notHttp(host: string): string {
  return `${host} answered with something that is not HTTP/1.1`
}

export const timedOutWords = (timeoutMs: number): string => `timed out after ${formatDuration(timeoutMs)}`
