/** The functions of docs/verify.md, run in their languages against what the gateway signs. */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { parseSecret } from '../../src/domain/secret.ts'
import { signStandard } from '../../src/domain/signature.ts'

const page = readFileSync(join(import.meta.dirname, '../../docs/verify.md'), 'utf8')
const snippet = (language: string) => new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, 'm').exec(page)?.[1] ?? ''

const folder = mkdtempSync(join(tmpdir(), 'hookferry-verify-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const file = (name: string, text: string) => {
  writeFileSync(join(folder, name), text)
  return join(folder, name)
}

const NOW = 1_700_000_000
const BODY = '{"order": 1, "name": "Zoë"}'

interface Case {
  secret: string
  headers: Record<string, string>
  body: string
  now: number
}

const signed = (secret: string): Case => ({
  secret,
  headers: {
    'webhook-id': 'msg_1',
    'webhook-timestamp': String(NOW),
    'webhook-signature': signStandard(parseSecret(secret), 'msg_1', NOW, Buffer.from(BODY)),
  },
  body: BODY,
  now: NOW + 10,
})
const withHeader = (one: Case, name: string, value: string): Case => ({
  ...one,
  headers: { ...one.headers, [name]: value },
})

const TEXT = signed('my-secret')
const BASE64 = signed('whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw')
const rotated = `v1,AAAA ${TEXT.headers['webhook-signature']}`
const CASES: [name: string, one: Case, valid: boolean][] = [
  ['a secret that is a text', TEXT, true],
  ['a secret whsec_', BASE64, true],
  ['two signatures', withHeader(TEXT, 'webhook-signature', rotated), true],
  ['another secret', { ...TEXT, secret: 'my-secreT' }, false],
  ['another body', { ...TEXT, body: '{"order":1,"name":"Zoë"}' }, false],
  ['another id', withHeader(TEXT, 'webhook-id', 'msg_2'), false],
  ['an old timestamp', { ...TEXT, now: NOW + 301 }, false],
  ['a timestamp from the future', { ...TEXT, now: NOW - 301 }, false],
  ['a timestamp that is no number', withHeader(TEXT, 'webhook-timestamp', 'soon'), false],
  ['an empty signature', withHeader(TEXT, 'webhook-signature', ''), false],
  ['no headers', { ...TEXT, headers: {} }, false],
]
const input = JSON.stringify(CASES.map(([, one]) => one))
const expected = CASES.map(([, , valid]) => valid)

const PYTHON_MAIN = `
import json
import sys

cases = json.load(sys.stdin)
print(json.dumps([verify(c["secret"], c["headers"], c["body"].encode(), c["now"]) for c in cases]))
`
const GO_MAIN = `package main

import (
	"encoding/json"
	"os"
	"verify/webhook"
)

func main() {
	var cases []struct {
		Secret  string
		Headers map[string]string
		Body    string
		Now     int64
	}
	if err := json.NewDecoder(os.Stdin).Decode(&cases); err != nil {
		panic(err)
	}
	valid := []bool{}
	for _, c := range cases {
		valid = append(valid, webhook.Verify(c.Secret, c.Headers, []byte(c.Body), c.Now))
	}
	json.NewEncoder(os.Stdout).Encode(valid)
}
`
const isInstalled = (command: string, flag: string) => spawnSync(command, [flag]).status === 0
const output = (command: string, args: string[]) =>
  JSON.parse(execFileSync(command, args, { input, cwd: folder, encoding: 'utf8', timeout: 60_000 })) as unknown

describe('the functions of docs/verify.md', () => {
  test('in JavaScript tell what is signed from what is not', async () => {
    const { verify } = (await import(file('verify.mjs', snippet('js')))) as {
      verify: (secret: string, headers: Record<string, string>, body: Buffer, now: number) => boolean
    }
    expect(CASES.map(([, one]) => verify(one.secret, one.headers, Buffer.from(one.body), one.now))).toEqual(expected)
  })

  test.skipIf(!isInstalled('python3', '--version'))('in Python do, too', () => {
    expect(output('python3', [file('verify.py', snippet('python') + PYTHON_MAIN)])).toEqual(expected)
  })

  test.skipIf(!isInstalled('go', 'version'))(
    'in Go do, too',
    () => {
      execFileSync('mkdir', ['-p', join(folder, 'webhook')])
      file('go.mod', 'module verify\n\ngo 1.19\n')
      file('webhook/verify.go', snippet('go'))
      file('main.go', GO_MAIN)
      expect(output('go', ['run', '.'])).toEqual(expected)
    },
    90_000,
  )
})
