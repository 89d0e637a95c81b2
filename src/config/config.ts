import type { User } from './users.js'

/** The least important events that a log has, most first. */
export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const
export type Level = (typeof LOG_LEVELS)[number]

/** How applications get upstream connections: for each command, or one for as long as they are connected. */
export type Pooling = 'command' | 'session'

/**
 * Which servers read for an application.
 *
 * - primary: the one that it writes to
 * - prefer-replica: a replica, or the primary while none is up
 * - replica: a replica, or nobody
 * - random: any of them, another one each time
 * - nearest: those that answer fastest
 */
export type ReadPreference = (typeof READ_PREFERENCES)[number]
export const READ_PREFERENCES = ['primary', 'prefer-replica', 'replica', 'random', 'nearest'] as const

/** What becomes of a command that applications should rather not use. */
export type Action = (typeof ACTIONS)[number]
export const ACTIONS = ['allow', 'warn', 'deny'] as const

/** How keys are shown to those who run respool: as a digest, by what they begin with, or as they are. */
export type KeyNames = (typeof KEY_NAMES)[number]
export const KEY_NAMES = ['hash', 'prefix', 'full'] as const

/** A rule of what applications may do. */
export interface Rule {
  readonly action: Action
  /** Names in the command table, where a container's stands for all of its subcommands; `@category`, `@all`. */
  readonly commands: readonly string[]
  /** Patterns of keys and of channels; if there are any, it is for commands with such keys or channels only. */
  readonly keys: readonly string[]
  readonly channels: readonly string[]
}

/** What a listener says of its own applications; null for what holds for all. */
export interface ListenerGuard {
  readonly rules: readonly Rule[]
  readonly audit: boolean | null
}

/**
 * How a listener lets applications in.
 *
 * - none: whoever reaches it; a login is checked if one comes
 * - password, users: who shows what is under `auth`
 * - passthrough: whom Redis lets in, and its commands go there as that user
 */
export type AuthMode = (typeof AUTH_MODES)[number]
export const AUTH_MODES = ['none', 'password', 'users', 'passthrough'] as const

/** What a listener is to applications. */
export type ListenerRole = 'primary' | 'replica'

/** How the applications of one listener read; `readYourWrites` in ms, 0 = off. */
export interface Reading {
  readonly role: ListenerRole
  readonly reads: ReadPreference
  readonly readYourWrites: number
}

/** Where to listen or connect. An empty `host` means every interface, IPv4 and IPv6, as `server.listen` reads it. */
export type Address = { kind: 'tcp'; host: string; port: number } | { kind: 'unix'; path: string }

/** Where applications can connect to. */
export interface Place {
  readonly host: string
  readonly port: number
}

/** What respool stands in for, whatever its upstream is. */
export interface StandIn {
  readonly cluster: boolean
  readonly sentinel: boolean
  /** The names that it knows as a sentinel; empty for any. */
  readonly services: readonly string[]
}

export type TlsVersion = '1.2' | '1.3'

/** How servers are dialled with TLS; files by their paths. */
export interface UpstreamTls {
  /** Whose certificates are trusted; if not given, those of the CAs that Node trusts. */
  ca?: string
  /** The certificate that is shown to servers, and its key. */
  cert?: string
  key?: string
  /** The name to ask for and to look for in the certificate, instead of the host that is dialled. */
  serverName?: string
  /** What is checked of the certificate: all of it, all but the name, or nothing. */
  verify: 'full' | 'ca' | 'off'
  minVersion: TlsVersion
}

/** Where the sentinels differ from Redis. */
export interface SentinelTls extends Partial<Pick<UpstreamTls, 'ca' | 'cert' | 'key' | 'serverName'>> {
  /** `auto`: if the URL says so. */
  enabled: 'auto' | 'on' | 'off'
}

/** TLS on a listener; files by their paths. */
export interface ListenerTls {
  cert: string
  key: string
  /** Whose certificates applications may show. */
  ca?: string
  clientAuth: 'none' | 'optional' | 'require'
  minVersion: TlsVersion
}

/** Where a user and a password are read anew. */
export interface LoginSources {
  readonly usernameFile?: string
  readonly passwordFile?: string
  readonly passwordCommand?: readonly string[]
}

/** Null for what is not given, or not known yet. */
export interface Login extends LoginSources {
  readonly username: string | null
  readonly password: string | null
}

/** What an upstream URL names. */
export interface UpstreamTarget {
  kind: 'standalone' | 'cluster' | 'sentinel'
  /** One for standalone; start nodes of a cluster; sentinels. */
  endpoints: Address[]
  /** The name by which the sentinels know the primary; null for other kinds. */
  service: string | null
  database: number
  tls: boolean
  username: string | null
  password: string | null
}

/** What applications should rather not do, and what is noted of what they do. Times in ms. */
export interface GuardSettings {
  readonly rules: readonly Rule[]
  readonly audit: boolean
  readonly keyNames: KeyNames
  readonly bigRequest: { readonly bytes: number; readonly action: Action }
  readonly bigReply: { readonly bytes: number; readonly action: 'allow' | 'warn' }
  readonly manyKeys: { readonly keys: number; readonly action: Action }
  readonly endlessBlock: Action
  readonly noTtl: { readonly prefixes: readonly string[]; readonly action: Action }
  /** A threshold of 0 = never. */
  readonly slowLog: { readonly threshold: number; readonly entries: number }
  /** One command in `sample` is looked at; 0 = none. */
  readonly hotKeys: { readonly sample: number; readonly keys: number }
}

/** What the applications of one listener may use together; 0 for any number. */
export interface ListenerLimits {
  connections: number
  commandsPerSecond: number
  bufferedBytes: number
}

/** Where applications come in, and what holds for all of them there. */
export interface ListenEntry {
  address: Address
  pooling: Pooling
  /** What applications are told about the listener; null for where they have dialled. */
  announce: Place | null
  tls: ListenerTls | null
  /** None, if not given. */
  auth?: AuthMode
  /** What its applications may use together. */
  limits?: ListenerLimits
}

/**
 * The effective configuration, deep-frozen: durations in milliseconds, sizes in bytes, addresses parsed, secrets read.
 * What each key means and allows stands in schema.ts.
 */
export interface Config {
  listen: (ListenEntry & Reading & ListenerGuard)[]
  /** Null if switched off. */
  admin: Address | null
  /** What calls that change something must bear; null if there is none. */
  adminToken: string | null
  /** `password` is that in the file, if one is given. */
  auth: Login & { users: readonly User[]; usersFile?: string }
  passthrough: {
    maxLogins: number
    connections: number
    leases: number
    recheckInterval: number
    idleTimeout: number
  }
  upstream: LoginSources & {
    target: UpstreamTarget
    passwordInterval: number
    /** 0 = not at all */
    passwordOverlap: number
    /** Of use only if the target wants TLS. */
    tls: UpstreamTls
    /** The login at the sentinels, and TLS to them. */
    sentinel: Login & { tls: SentinelTls }
    /** `addressMap` says where servers are reached that announce other addresses. */
    cluster: { refreshInterval: number; addressMap: Readonly<Record<string, string>> }
    start: 'lazy' | 'eager'
    clientName: string
    connectTimeout: number
    commandTimeout: number
    holdTime: number
    maxHeld: number
    reconnect: { minDelay: number; maxDelay: number }
    /** 0 = off */
    keepAlive: number
  }
  pool: {
    max: number
    min: number
    /** 0 = never */
    idleTimeout: number
    /** 0 = never */
    maxLifetime: number
    /** Fraction of `maxLifetime` by which lifetimes differ, up and down. */
    jitter: number
    /** 0 = off */
    healthCheckInterval: number
    leases: { max: number; waitTimeout: number; maxWaiters: number; reserve: number; maxBlocking: number }
  }
  commands: {
    /** Names in the command table of what is carried though it would be refused by default. */
    allow: readonly string[]
    /** Whether commands with keys in several slots of a cluster are taken apart. */
    split: boolean
  }
  standIn: StandIn
  guard: GuardSettings
  limits: {
    connections: number
    bulkBytes: number
    arrayLength: number
    inlineBytes: number
    outstanding: number
    outputBytes: number
    subscriberBytes: number
    mergedBytes: number
    bufferedBytes: number
    stallTimeout: number
    handshakeTimeout: number
    /** 0 = never */
    blockTime: number
    idleTimeout: number
  }
  /** Scripts that are remembered: most of them, and most bytes; 0 = none. */
  scripts: { cacheCount: number; cacheBytes: number }
  /** Replies that are kept: of keys that begin so; `maxAge` in ms. */
  cache: {
    prefixes: readonly string[]
    maxBytes: number
    maxEntries: number
    maxEntryBytes: number
    maxAge: number
  }
  /** How long it goes on accepting when it is told to stop, and how long what is in flight may take after that. */
  drain: { notice: number; timeout: number }
  /** What makes it read its file again: being told to, or also that the file has changed. */
  reload: 'signal' | 'watch'
  log: { level: Level }
  /** Without `endpoint` commands are not traced. */
  tracing: { endpoint?: string; sampleRatio: number }
  workers: number
}
