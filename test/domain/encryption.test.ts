import { randomBytes } from 'node:crypto'
import { inspect } from 'node:util'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  Encryption,
  encryptionKey,
  keyIdOf,
  parseEncryptionKeys,
  type Place,
  Undecryptable,
} from '../../src/domain/encryption.ts'

const bytesOf = (n: number) => Buffer.alloc(32, n)
const [oldKey, newKey] = [encryptionKey(bytesOf(1)), encryptionKey(bytesOf(2))]
const encryption = new Encryption([newKey, oldKey], randomBytes)
const PLACE: Place = { table: 'endpoint', column: 'secrets', id: 'ep_1' }

const text = fc.string({ unit: 'binary', maxLength: 300 })
const word = fc.stringMatching(/^[a-z_0-9]{1,12}$/)
const place = fc.record({ table: word, column: word, id: word })

describe('encryption', () => {
  test('gives any text back, and never shows it', () => {
    fc.assert(
      fc.property(text, place, (plain, at) => {
        const stored = encryption.encrypt(plain, at)
        expect(encryption.decrypt(stored, at)).toBe(plain)
        expect(stored).toMatch(/^enc:v1:[0-9a-f]{8}:[\w-]{16}:[\w-]*:[\w-]{22}$/)
        expect(plain.length > 6 && stored.includes(plain)).toBe(false)
      }),
    )
  })

  test('gives any text back without a key, also one that looks encrypted', () => {
    const none = new Encryption([], randomBytes)
    const looksEncrypted = fc.oneof(
      text,
      text.map((rest) => `enc:${rest}`),
      text.map((rest) => `enc:v1:${rest}`),
    )
    fc.assert(
      fc.property(looksEncrypted, (plain) => {
        const stored = none.encrypt(plain, PLACE)
        expect(none.decrypt(stored, PLACE)).toBe(plain)
        expect(encryption.decrypt(stored, PLACE)).toBe(plain)
        expect(keyIdOf(stored)).toBeNull()
      }),
    )
  })

  test('refuses a value that was moved to another table, column or row', () => {
    fc.assert(
      fc.property(text, place, place, (plain, from, to) => {
        fc.pre(`${from.table}|${from.column}|${from.id}` !== `${to.table}|${to.column}|${to.id}`)
        expect(() => encryption.decrypt(encryption.encrypt(plain, from), to)).toThrow(Undecryptable)
      }),
    )
  })

  test('refuses a value that was cut', () => {
    fc.assert(
      fc.property(text, fc.nat(), (plain, n) => {
        const stored = encryption.encrypt(plain, PLACE)
        const length = 'enc:'.length + (n % (stored.length - 'enc:'.length))
        expect(() => encryption.decrypt(stored.slice(0, length), PLACE)).toThrow(Undecryptable)
      }),
    )
  })

  test('refuses a value of which a byte was changed', () => {
    fc.assert(
      fc.property(text, fc.nat(2), fc.nat(), fc.integer({ min: 1, max: 255 }), (plain, part, at, mask) => {
        const parts = encryption.encrypt(plain, PLACE).split(':')
        const bytes = Buffer.from(parts[3 + part]!, 'base64url')
        fc.pre(bytes.length > 0)
        bytes[at % bytes.length]! ^= mask
        parts[3 + part] = bytes.toString('base64url')
        expect(() => encryption.decrypt(parts.join(':'), PLACE)).toThrow(Undecryptable)
      }),
    )
  })

  test('takes what was stored before there was a key as it is', () => {
    expect(encryption.decrypt('[{"secret":"whsec_x"}]', PLACE)).toBe('[{"secret":"whsec_x"}]')
  })

  test('encrypts with the newest key and decrypts with each of them', () => {
    const stored = new Encryption([oldKey], randomBytes).encrypt('of old', PLACE)
    expect(keyIdOf(stored)).toBe(oldKey.id)
    expect(encryption.decrypt(stored, PLACE)).toBe('of old')
    expect(keyIdOf(encryption.encrypt('new', PLACE))).toBe(newKey.id)
  })

  test('names the key that is wanted, and neither the text nor a key', () => {
    const stored = encryption.encrypt('whsec_secret', PLACE)
    const wrong = new Encryption([oldKey], randomBytes)
    expect(() => wrong.decrypt(stored, PLACE)).toThrow(
      `secrets of ep_1 is encrypted with the key ${newKey.id}, which ENCRYPTION_KEY does not have`,
    )
  })

  test('uses another nonce each time', () => {
    const seen = new Set(Array.from({ length: 1_000 }, () => encryption.encrypt('same', PLACE)))
    expect(seen.size).toBe(1_000)
  })

  test('opens a value that is kept here for ever', () => {
    // Made by this code once: files of users hold such values.
    const stored = 'enc:v1:c63f951a:NO45NOAemlTHGYY6:EKMQj1cO3V5l:DAUkuqS0XyYKvGcBl-perg'
    expect(encryption.decrypt(stored, PLACE)).toBe('my secret')
  })
})

describe('keys', () => {
  test('do not show themselves', () => {
    const base64 = bytesOf(2).toString('base64')
    for (const shown of [inspect(newKey, { depth: 9 }), JSON.stringify(newKey), inspect(encryption, { depth: 9 })])
      expect(shown).not.toContain(base64.slice(0, 8))
  })

  test('are read in both alphabets, newest first, from a list or from lines', () => {
    const [one, two] = [Buffer.alloc(32, 0xfb), Buffer.alloc(32, 0xff)]
    const ids = [encryptionKey(one).id, encryptionKey(two).id]
    for (const given of [
      `${one.toString('base64')},${two.toString('base64')}`,
      ` ${one.toString('base64url')} , ${two.toString('base64url')},`,
      `${one.toString('base64')}\n${two.toString('base64')}\n`,
    ]) {
      const read = parseEncryptionKeys(given)
      expect('keys' in read && read.keys.map(({ id }) => id)).toEqual(ids)
    }
    expect(parseEncryptionKeys('')).toEqual({ keys: [] })
  })

  test.each([
    ['too short', Buffer.alloc(31, 7).toString('base64')],
    ['too long', Buffer.alloc(33, 7).toString('base64')],
    ['hexadecimal', Buffer.alloc(32, 7).toString('hex')],
    ['words', 'correct horse battery staple'],
  ])('of a wrong form are refused without being repeated: %s', (_, given) => {
    const read = parseEncryptionKeys(`${bytesOf(1).toString('base64')},${given}`)
    expect(read).toEqual({
      problem: 'has as number 2 what is not base64 of 32 bytes: `openssl rand -base64 32` makes a key',
    })
  })

  test('that are named twice are refused', () => {
    const key = bytesOf(1).toString('base64')
    expect(parseEncryptionKeys(`${key},${key}`)).toEqual({
      problem: 'has the same key twice, the second time as number 2',
    })
  })
})
