/**
 * Every event in the log, by its name, which never changes: what has happened, and which fields say more. `endpoint` and `error`
 * mean the same everywhere: a server as HOST:PORT, and what went wrong in words.
 */
export const EVENTS = {
  // Life
  started: 'It listens and serves. `listening`: addresses; `upstream`: where commands go.',
  draining: 'It was told to stop, and goes on accepting for a while. `notice`, `timeout`: ms; `connections`: how many.',
  accepts_no_more: 'It accepts no more; connections end as they become idle. `connections`.',
  drain_cut: 'The time is over: what is not answered gets an error. `connections`: how many are left.',
  stopped: 'It has ended as it was asked to.',
  start_failed: 'It could not start, and ends. `err`.',
  fault: 'An error that nobody expected; it ends. `err`.',
  admin_error: 'A request to the admin port has failed inside respool. `route`, `err`.',
  config_reloaded:
    'The configuration was read again. `cause`: what for; `result`; `changes`: keys with their effects, never values.',
  config_refused: 'The same with mistakes; nothing has changed. `cause`, `problems`.',
  succession_started: 'A successor has been started, which takes over. `successor`: its process.',
  succession_done: 'It has taken over; this process ends. `successor`.',
  succession_failed: 'It could not take over; this process goes on. `error`.',
  workers_started: 'All workers serve. `workers`: their processes.',
  worker_lost: 'A worker has ended unasked, and is replaced. `worker`: its number; `pid`; `how`: signal or exit code.',
  socket_unused: 'A socket was passed on that the configuration has no use for. `socket`.',
  notify_failed: 'The service manager could not be told how things are. `states`, `error`.',
  log_overflow: 'So many kinds of events come at once that some are left out. `suppressed`: how many.',

  // Servers
  upstream_up: 'A server has been reached. `endpoint`, `version`.',
  upstream_down: 'A server cannot be reached. `endpoint`, `error`, `retryInMs`.',
  upstream_silent: 'A server has stopped answering; commands for it fail until it does again. `endpoint`.',
  upstream_moved: 'Another server is the primary now. `endpoint`, `from`.',
  upstream_closed:
    'A connection to a server has closed. `endpoint`, `reason`, `detail`. An error if the server has said something that cannot be read.',
  commands_learned: 'A server has commands that were not known. `endpoint`, `commands`: how many.',
  discovery_failed:
    'A server does not tell its commands or databases; they are asked about one by one. `endpoint`, `error`.',
  topology_changed:
    'Slots of the cluster have other primaries. `slotsMoved`, `slotsCovered`, `primaries`, `replicas`: how many; `version`.',
  cluster_node_failed: 'A node does not tell who serves which slot; another one is asked. `endpoint`, `error`.',
  sentinel_failed: 'A sentinel cannot be asked; another one is. `sentinel`, `service`, `error`.',
  sentinel_unaware: 'A sentinel does not know the service; another one is asked. `sentinel`, `service`.',

  // Replies that are kept
  cache_ready: 'A server tells what changes: replies of it may be kept from now on. `endpoint`.',
  cache_off: 'A server does not tell what changes, or no longer: nothing of it is kept. `endpoint`, `error`.',

  // Applications
  accept_failed: 'A connection of an application could not be accepted. `error`.',
  connection_refused: 'A connection was refused because there are too many. `limit`.',
  connection_closed: 'A connection of an application has closed. `id`, `reason`.',

  // Logins
  listener_open: 'Others than this host can reach a listener, and need not log in. `listener`, `advice`.',
  credentials_renewed: 'Another user or password is used from now on. `name`: the section of the configuration.',
  credentials_unreadable:
    'A file with a user or password cannot be read; what was read before is used on. `name`, `error`.',
  credentials_command_failed:
    'The program that tells the password is of no use; it is run again. `name`, `error`: never what it wrote; `retryInMs`.',
  login_refused: 'A server does not take the new login on a live connection; it is tried again. `endpoint`, `error`.',
  login_revoked: 'Redis takes a login no more; its applications are disconnected. `connections`: how many.',
  users_read: 'The users were read again.',
  users_unreadable: 'The users cannot be read; those that were read before count on. `error`, `advice`.',

  // The guard
  guard:
    'A rule or limit has met a command. `action`, `rule`, `command`, `client`; `before`: times that were not logged since the last one.',
  guard_rule_for_unknown_command: 'A rule names a command that respool does not know.',
  audit: 'What an audit has found so far.',

  // TLS
  tls_renewed: 'Certificates were read again. `name`: the section of the configuration.',
  tls_renewal_failed: 'Changed certificates cannot be used; the old ones stay. `name`, `error`, `advice`.',
  tls_unverified: 'Certificates are not checked, as configured. `name`, `advice`.',
  tls_refused: 'TLS has failed on the connection of an application. `listener`, `client`, `error`.',
  tls_abandoned: 'An application has gone away during the handshake of TLS. `listener`, `client`, `error`.',

  // Tracing
  tracing_failed: 'Spans could not be sent to the collector, and are lost. `error`.',
} as const satisfies Record<string, string>

export type EventName = keyof typeof EVENTS
