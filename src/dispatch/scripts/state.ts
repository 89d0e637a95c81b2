/** What a session keeps of the scripts it calls. */
export class ScriptState {
  /** The call that could be sent again if nothing follows it. Only one is kept, so that a pipeline of them costs no memory. */
  newest: { forget(): void } | null = null
  /** The script that the EVALSHA at hand has been waiting for; the wait is over whatever came of it. */
  awaited: object | null = null
  /** True if the transaction flushes the scripts when it is executed. */
  flushes = false
}
