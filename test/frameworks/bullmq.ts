import { FlowProducer, Queue, QueueEvents, UnrecoverableError, Worker, type Job } from 'bullmq'
import { equal, host, ok, play, port } from '../clients/program.ts'

// BullMQ: a queue, its events and two workers, each on connections that BullMQ itself opens with ioredis.

const connection = { host, port }
const queue = new Queue('work', { connection })
// From the first event on: by default those are missed that come before the first blocking read.
const [events, parentEvents] = ['work', 'parents'].map(
  (name) => new QueueEvents(name, { connection, lastEventId: '0' }),
) as [QueueEvents, QueueEvents]
const flows = new FlowProducer({ connection })
const workers = ['work', 'parents'].map((name) => new Worker(name, process_, { connection, concurrency: 5 }))

async function process_(job: Job<{ n?: number }, unknown>): Promise<unknown> {
  if (job.name === 'double') return (job.data.n ?? 0) * 2
  if (job.name === 'fails twice' && job.attemptsMade < 2) throw new Error(`attempt ${job.attemptsMade}`)
  if (job.name === 'fails') throw new UnrecoverableError('for good')
  if (job.name === 'reports') await job.updateProgress(50)
  if (job.name === 'parent') return Object.values(await job.getChildrenValues<number>()).sort((a, b) => a - b)
  return job.name
}

/** The next event of a name that a condition holds for; asked for before its cause. */
function event(name: 'delayed' | 'progress' | 'failed', holds: (args: { jobId: string }) => boolean) {
  return new Promise<Record<string, unknown>>((resolve) => {
    events.on(name, (args: { jobId: string }) => {
      if (holds(args)) resolve(args)
    })
  })
}

await events.waitUntilReady()
await play(
  {
    async 'jobs and their results'() {
      const jobs = await queue.addBulk(Array.from({ length: 100 }, (_, n) => ({ name: 'double', data: { n } })))
      const results = await Promise.all(jobs.map((job) => job.waitUntilFinished(events)))
      equal(
        results,
        Array.from({ length: 100 }, (_, n) => n * 2),
      )
      equal(await queue.getJobCounts('waiting', 'active', 'completed', 'failed'), {
        waiting: 0,
        active: 0,
        completed: 100,
        failed: 0,
      })
    },

    async 'a job that is added while all workers wait'() {
      // Longer than a worker needs to find nothing and block.
      await new Promise((resolve) => setTimeout(resolve, 200))
      equal(await (await queue.add('double', { n: 21 })).waitUntilFinished(events), 42)
    },

    async 'a delayed job'() {
      const delayed = event('delayed', ({ jobId }) => jobId === 'later')
      const job = await queue.add('echo', {}, { jobId: 'later', delay: 300 })
      await delayed
      equal(await job.getState(), 'delayed')
      equal(await job.waitUntilFinished(events), 'echo')
      const { processedOn = 0, timestamp } = (await queue.getJob('later')) as Job
      ok(processedOn - timestamp >= 300, `processed after ${processedOn - timestamp} ms`)
    },

    async 'retries with a delay between them'() {
      const job = await queue.add('fails twice', {}, { attempts: 3, backoff: { type: 'fixed', delay: 50 } })
      equal(await job.waitUntilFinished(events), 'fails twice')
      equal(((await queue.getJob(job.id as string)) as Job).attemptsMade, 3)
    },

    async 'a failure'() {
      const failed = event('failed', ({ jobId }) => jobId === 'broken')
      await queue.add('fails', {}, { jobId: 'broken', attempts: 3 })
      equal((await failed)['failedReason'], 'for good')
      equal(await queue.getFailedCount(), 1)
    },

    async progress() {
      const progress = event('progress', ({ jobId }) => jobId === 'half')
      const job = await queue.add('reports', {}, { jobId: 'half' })
      equal((await progress)['data'], 50)
      await job.waitUntilFinished(events)
    },

    async 'a flow: a parent after its children'() {
      const children = [1, 2, 3].map((n) => ({ name: 'double', queueName: 'work', data: { n } }))
      const { job } = await flows.add({ name: 'parent', queueName: 'parents', children })
      equal(await job.waitUntilFinished(parentEvents), [2, 4, 6])
    },

    async 'a job scheduler'() {
      const times: number[] = []
      const enough = new Promise<void>((resolve) =>
        workers[0]?.on('completed', (job) => {
          if (job.name === 'tick' && times.push(Date.now()) === 3) resolve()
        }),
      )
      await queue.upsertJobScheduler('ticks', { every: 100 }, { name: 'tick' })
      await enough
      equal(await queue.removeJobScheduler('ticks'), true)
    },

    async 'pause and resume'() {
      await queue.pause()
      const job = await queue.add('double', { n: 1 })
      equal(await queue.isPaused(), true)
      await new Promise((resolve) => setTimeout(resolve, 100))
      equal(['waiting', 'paused'].includes(await job.getState()), true)
      await queue.resume()
      equal(await job.waitUntilFinished(events), 2)
    },

    async close() {
      await Promise.all(workers.map((worker) => worker.close()))
      await Promise.all([queue.close(), events.close(), parentEvents.close(), flows.close()])
    },
  },
  30_000,
)
