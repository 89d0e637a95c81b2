/** Writes config/REFERENCE.md: see reference.ts. */
import { writeFileSync } from 'node:fs'
import { PATH, reference } from './reference.ts'

writeFileSync(PATH, await reference())
