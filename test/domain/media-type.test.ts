import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { isFormType, jsonTypeOf, mediaTypeOf } from '../../src/domain/media-type.ts'

test.each([
  'application/json',
  'application/json; charset=utf-8',
  'application/json ;charset="utf-8" ; a=b',
  'application/cloudevents+json;',
  'application/vnd.a.b+json; profile="https://a.example/b,c;d\\"e"',
  '*/*',
])('%s is a media type, and stays as it is', (header) => {
  expect(mediaTypeOf(header)).toBe(header)
})

test.each([
  ['application/json,application/json', 'application/json'],
  ['application/json, text/plain', 'application/json'],
  ['application/json;charset=utf-8,application/json;charset=utf-8', 'application/json'],
  ['application/cloudevents+json,application/cloudevents+json', 'application/cloudevents+json'],
  ['application/json charset=utf-8', 'application/json'],
  ['application/json; charset', 'application/json'],
  ['application/json; charset="utf-8', 'application/json'],
  ['"application/json"', 'application/json'],
  [' text/plain ', 'text/plain'],
  ['', 'application/json'],
  ['json', 'application/json'],
  ['undefined', 'application/json'],
  ['application/', 'application/json'],
  ['/json', 'application/json'],
  ['Content-Type: application/json', 'application/json'],
])('%j means %s', (header, meant) => {
  expect(mediaTypeOf(header)).toBe(meant)
})

test('whatever is put right stays as it is', () => {
  const part = fc.constantFrom('application', '/', 'json', ';', ' ', ',', '"', '\\', 'a=b', '=', 'x')
  fc.assert(
    fc.property(fc.array(part, { maxLength: 12 }), (parts) => {
      const meant = mediaTypeOf(parts.join(''))
      expect(mediaTypeOf(meant)).toBe(meant)
    }),
  )
})

test('a long header is read in a time that grows with its length only', () => {
  for (const piece of [' ;', ';', '; a=b ', ' ; ;"', '"', 'a/b; x="\\'])
    expect(mediaTypeOf(`a/b ${piece.repeat(8_000)},`)).toBe('a/b')
})

test.each([
  [undefined, 'application/json'],
  ['application/x-www-form-urlencoded', 'application/json'],
  ['text/plain', 'application/json'],
  ['application/octet-stream', 'application/json'],
  ['multipart/form-data; boundary=x', 'application/json'],
  ['text/plain; x=/json', 'application/json'],
  ['application/json-seq', 'application/json'],
  ['*/*', 'application/json'],
  ['application/json', 'application/json'],
  ['Application/JSON; charset=utf-8', 'Application/JSON; charset=utf-8'],
  ['application/vnd.api+json', 'application/vnd.api+json'],
  ['text/json', 'text/json'],
])('JSON that is called %s is delivered as %s', (mediaType, delivered) => {
  expect(jsonTypeOf(mediaType)).toBe(delivered)
})

test('a form is told from what only looks like one', () => {
  expect(isFormType('Application/x-www-form-urlencoded; charset=utf-8')).toBe(true)
  expect(isFormType('application/x-www-form-urlencoded+json')).toBe(false)
})
