import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { IMAGE_USER } from '../helpers/deployed.ts'
import { ROOT } from '../helpers/modules.ts'
import manifest from '../../package.json' with { type: 'json' }
import compiler from '../../tsconfig.json' with { type: 'json' }

// What can be said of the image without building one. test/integration/deploy-image.test.ts runs what would be in it.

interface Instruction {
  name: string
  rest: string
}

const read = (path: string) => readFileSync(join(ROOT, path), 'utf8')
const stages = stagesOf(read('Dockerfile'))
const last = stages.at(-1)!
const sent = read('.dockerignore')
  .split('\n')
  .filter((line) => line !== '' && !line.startsWith('#'))

describe('the image', () => {
  it('is built in stages, and what runs has no shell', () => {
    assert.ok(stages.length > 1)
    assert.match(last[0].rest, /^gcr\.io\/distroless\/nodejs\d+-debian\d+:nonroot$/)
    assert.deepEqual(
      last.filter(({ name }) => name === 'RUN'),
      [],
    )
  })

  it('has one Node.js throughout, which is new enough', () => {
    const majors = stages.map(([{ rest }]) => /node(?:js|:)(\d+)/.exec(rest)?.[1])
    assert.equal(new Set(majors).size, 1, String(majors))
    assert.ok(Number(majors[0]) >= parseInt(manifest.engines.node.replace('>=', '')))
  })

  it('does not run as root, and says as whom by a number', () => {
    assert.equal(only('USER'), `${IMAGE_USER}:${IMAGE_USER}`)
  })

  it('copies what there is and what is sent to the builder', () => {
    for (const stage of stages) {
      for (const { sources } of copiesOf(stage).filter(({ from }) => from === undefined)) {
        for (const source of sources) {
          assert.ok(existsSync(join(ROOT, source)), source)
          assert.ok(sent.includes(`!${source}`), `${source} is left out by .dockerignore`)
        }
      }
    }
  })

  it('is sent nothing else', () => {
    assert.equal(sent[0], '*')
    const used = new Set(stages.flatMap(copiesOf).flatMap(({ from, sources }) => (from === undefined ? sources : [])))
    assert.deepEqual(
      sent.slice(1).filter((line) => !used.has(line.slice(1))),
      [],
    )
  })

  it('takes from earlier stages what they make: the program, and packages that it needs to run', () => {
    const taken = copiesOf(last).filter(({ from }) => from !== undefined)
    assert.deepEqual(
      taken.map(({ from, sources }) => [from, ...sources]),
      [
        ['packages', '/respool/node_modules'],
        ['build', `/respool/${compiler.compilerOptions.outDir}`],
      ],
    )
    assert.match(runsOf('build'), /npm run build/)
    assert.match(runsOf('packages'), /npm ci --omit=dev/)
  })

  it('starts what the build makes, without a shell, so that signals reach it', () => {
    const [node, program, ...more] = JSON.parse(only('ENTRYPOINT')) as string[]
    assert.deepEqual([node, more], ['/nodejs/bin/node', []])
    assert.equal(program, `${only('WORKDIR')}/${manifest.bin.respool}`)
    assert.ok(existsSync(join(ROOT, manifest.bin.respool.replace(/^dist/, 'src').replace(/js$/, 'ts'))))
    assert.equal(only('STOPSIGNAL'), 'SIGTERM')
    assert.match(read('src/main.ts'), /process\.on\('SIGTERM'/)
  })

  it('holds what tells its version, and the licence', () => {
    const copied = copiesOf(last).flatMap(({ sources }) => sources)
    for (const file of ['package.json', 'LICENSE']) assert.ok(copied.includes(file), file)
  })

  it('has labels, and says which ports there are', () => {
    assert.ok(only('LABEL').includes(`org.opencontainers.image.description="${manifest.description}"`))
    assert.ok(only('LABEL').includes(`org.opencontainers.image.licenses="${manifest.license}"`))
    const sample = read('config/respool.yaml')
    for (const port of only('EXPOSE').split(' '))
      assert.match(sample, new RegExp(`^[^#]*127\\.0\\.0\\.1:${port}$`, 'm'))
  })
})

/** The argument of an instruction that the last stage has once. */
function only(name: string): string {
  const found = last.filter((instruction) => instruction.name === name)
  assert.equal(found.length, 1, name)
  return found[0].rest
}

function runsOf(stage: string): string {
  const found = stages.find(([{ rest }]) => rest.endsWith(` AS ${stage}`)) ?? []
  return found.flatMap(({ name, rest }) => (name === 'RUN' ? [rest] : [])).join('\n')
}

function copiesOf(stage: Instruction[]): { from: string | undefined; sources: string[] }[] {
  return stage
    .filter(({ name }) => name === 'COPY')
    .map(({ rest }) => {
      const words = rest.split(' ')
      const options = words.filter((word) => word.startsWith('--'))
      const from = options.find((word) => word.startsWith('--from='))?.slice('--from='.length)
      return { from, sources: words.slice(options.length, -1) }
    })
}

/** Instructions from one FROM to the next. */
function stagesOf(text: string): Instruction[][] {
  const stages: Instruction[][] = []
  const lines = text
    .replace(/^#.*\n/gm, '')
    .replace(/\\\n\s*/g, '')
    .split('\n')
  for (const line of lines.filter((each) => each.trim() !== '')) {
    const [, name, rest] = /^(\w+) +(.*)$/.exec(line)!
    if (name === 'FROM') stages.push([])
    stages.at(-1)!.push({ name, rest })
  }
  return stages
}
