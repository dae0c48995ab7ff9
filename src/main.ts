#!/usr/bin/env node
/**
 * The first file of the program. It imports nothing before it knows that Node.js is new enough: an older one would stop at
 * something that it cannot read, with a message that helps nobody. So this file, and no other, has to run on old ones.
 */

/** As `engines` of package.json says; a test compares them. */
const NODE_MAJOR_MIN = 24

if (Number(process.versions.node.split('.')[0]) < NODE_MAJOR_MIN) {
  process.stderr.write(
    `hookferry: Node.js ${NODE_MAJOR_MIN} or newer is needed, and this is ${process.versions.node}: https://nodejs.org/en/download\n`,
  )
  process.exitCode = 1
} else {
  const { runCommand } = await import('./cli/commands.ts')
  await runCommand(process.argv.slice(2), process.env)
}
