/**
 * The machine's own knowledge of names: its hosts file, its search list, and the family of addresses that it prefers.
 */
import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs'
import { hostname, networkInterfaces } from 'node:os'
import type { Clock } from '../lib/clock.ts'
import { DESTINATION_LIMITS } from './limits.ts'
import { type Hosts, parseHosts, parseSearchRules, type SearchRules } from './name-files.ts'

export interface SystemFiles {
  hosts: string
  resolvConf: string
}

export const SYSTEM_FILES: SystemFiles = {
  hosts: process.platform === 'win32' ? String.raw`C:\Windows\System32\drivers\etc\hosts` : '/etc/hosts',
  resolvConf: '/etc/resolv.conf',
}

/** Checks the files once a second at most, and reads a file again when it has changed. */
export class SystemNames {
  readonly #clock: Clock
  readonly #hostsFile: WatchedFile<Hosts>
  readonly #resolvConf: WatchedFile<SearchRules>
  #lookedAt = -Infinity
  #prefersIpv6 = false

  constructor(clock: Clock, files: SystemFiles) {
    this.#clock = clock
    this.#hostsFile = new WatchedFile(files.hosts, parseHosts)
    this.#resolvConf = new WatchedFile(files.resolvConf, (text) => parseSearchRules(text, hostname()))
  }

  get hosts(): Hosts {
    this.#look()
    return this.#hostsFile.content
  }

  get searchRules(): SearchRules {
    this.#look()
    return this.#resolvConf.content
  }

  /** This machine can reach a public IPv6 address only with one of its own (RFC 6724, 5, rules 1 and 5). */
  get prefersIpv6(): boolean {
    this.#look()
    return this.#prefersIpv6
  }

  #look(): void {
    const now = this.#clock.now()
    if (now >= this.#lookedAt && now - this.#lookedAt < DESTINATION_LIMITS.systemFilesLookMs) return
    this.#lookedAt = now
    this.#hostsFile.look()
    this.#resolvConf.look()
    try {
      const addresses = Object.values(networkInterfaces()).flatMap((all) => all ?? [])
      this.#prefersIpv6 = addresses.some(({ family, address }) => family === 'IPv6' && /^[23]/.test(address))
    } catch {
      // Without descriptors nothing new can be learned; the old knowledge holds.
    }
  }
}

/** A small text file that others may replace at any time. While the file is unreadable, its last content holds. */
class WatchedFile<T> {
  readonly #path: string
  readonly #parse: (text: string) => T
  #version = ''
  content: T

  constructor(path: string, parse: (text: string) => T) {
    this.#path = path
    this.#parse = parse
    this.content = parse('')
  }

  look(): void {
    try {
      // Not through the thread pool: two such calls a second cost less than the way there and back.
      const { mtimeMs, size, ino } = statSync(this.#path)
      const version = `${mtimeMs} ${size} ${ino}`
      if (version === this.#version) return
      this.content = this.#parse(beginningOf(this.#path))
      this.#version = version
    } catch (error) {
      const isGone = error instanceof Error && 'code' in error && error.code === 'ENOENT'
      if (!isGone || this.#version === '') return
      this.content = this.#parse('')
      this.#version = ''
    }
  }
}

/** The complete lines of the text, up to a bound. */
function beginningOf(path: string): string {
  const file = openSync(path, 'r')
  try {
    const bytes = Buffer.alloc(Math.min(fstatSync(file).size, DESTINATION_LIMITS.systemFileBytesMax))
    const read = readSync(file, bytes, 0, bytes.length, 0)
    const text = bytes.toString('utf8', 0, read)
    return read < DESTINATION_LIMITS.systemFileBytesMax ? text : text.slice(0, text.lastIndexOf('\n') + 1)
  } finally {
    closeSync(file)
  }
}
