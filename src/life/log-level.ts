import type { Logger } from 'pino'
import type { Config, Level } from '../config/config.js'
import type { Part } from '../config/part.js'

/** The level of the log: as configured, unless somebody has asked for another one since. */
export class LogLevel implements Part {
  #configured: Level

  constructor(
    config: Config,
    readonly logger: Logger,
  ) {
    this.#configured = config.log.level
  }

  get current(): Level {
    return this.logger.level as Level
  }

  set current(level: Level) {
    this.logger.level = level
  }

  apply({ log: { level } }: Config): void {
    if (level !== this.#configured) this.current = level
    this.#configured = level
  }
}
