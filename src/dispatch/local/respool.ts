import type { Arguments } from '../../resp/arguments.js'
import { quoted } from '../../resp/encode.js'
import type { Session } from '../session.js'
import { explain } from './explain.js'
import { failure, type Outcome, reply } from './outcome.js'
import { help } from './place.js'
import { wrongArity } from './syntax.js'

const HELP = help('RESPOOL', [
  [
    'EXPLAIN <command> [<argument> ...]',
    'What would become of the command: its way, the reason and the server. It is not executed.',
  ],
  ['HELP', 'This text.'],
])

/** RESPOOL, which no server has: what respool tells of itself on an application's connection. */
export function respool(session: Session, args: Arguments): Outcome {
  if (args.count < 2) return failure(wrongArity('respool'))
  switch (args.lower(1)) {
    case 'explain':
      return args.count < 3 ? failure(wrongArity('respool|explain')) : reply(explain(session, args.texts(2)))
    case 'help':
      return reply(HELP)
    default:
      return failure(`ERR unknown subcommand '${quoted(args.text(1))}'. Try RESPOOL HELP.`)
  }
}
