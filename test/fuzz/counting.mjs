// For Node's --import: modules under the folders that FUZZ_COUNT names count how often each of their statements and branches is run.
import { register } from 'node:module'

register('./counting-loader.mjs', import.meta.url, { data: { folders: (process.env.FUZZ_COUNT ?? '').split(',') } })
