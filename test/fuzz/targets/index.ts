import type { Target } from '../target.ts'

/** What can be fuzzed, in the order of `npm run fuzz`; each with the folders whose code counts. Only what is run gets loaded. */
export const TARGETS: Readonly<Record<string, { folders: readonly string[]; load: () => Promise<Target> }>> = {
  requests: { folders: ['src/resp'], load: async () => (await import('./requests.ts')).requests },
  framing: { folders: ['src/resp'], load: async () => (await import('./framing.ts')).framing },
  replies: { folders: ['src/resp'], load: async () => (await import('./replies.ts')).replies },
  keys: { folders: ['src/commands'], load: async () => (await import('./keys.ts')).keys },
  learning: { folders: ['src/commands'], load: async () => (await import('./learning.ts')).learning },
  config: { folders: ['src/config'], load: async () => (await import('./config.ts')).config },
  session: {
    folders: ['src/downstream', 'src/dispatch', 'src/upstream'],
    load: async () => (await import('./session.ts')).session,
  },
}
