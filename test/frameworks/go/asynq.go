package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hibiken/asynq"
)

// queue is one asynq client with a server that works for it.
type queue struct {
	*asynq.Client
	server    *asynq.Server
	inspector *asynq.Inspector
	scheduler *asynq.Scheduler
	ticks     atomic.Int32
}

func asynqScenarios(address string) []scenario {
	redis := asynq.RedisClientOpt{Addr: address}
	q := &queue{
		Client:    asynq.NewClient(redis),
		inspector: asynq.NewInspector(redis),
		scheduler: asynq.NewScheduler(redis, nil),
		server: asynq.NewServer(redis, asynq.Config{
			Concurrency:              5,
			LogLevel:                 asynq.WarnLevel,
			TaskCheckInterval:        50 * time.Millisecond,
			DelayedTaskCheckInterval: 100 * time.Millisecond,
			RetryDelayFunc:           func(int, error, *asynq.Task) time.Duration { return 10 * time.Millisecond },
			ShutdownTimeout:          time.Second,
		}),
	}
	tasks := asynq.NewServeMux()
	tasks.HandleFunc("echo", echo)
	tasks.HandleFunc("fails twice", failsTwice)
	tasks.HandleFunc("fails", func(context.Context, *asynq.Task) error { return fmt.Errorf("%w: on purpose", asynq.SkipRetry) })
	tasks.HandleFunc("waits", waits)
	tasks.HandleFunc("tick", func(context.Context, *asynq.Task) error { q.ticks.Add(1); return nil })
	if err := q.server.Start(tasks); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return []scenario{
		{"asynq: tasks and their results", q.results},
		{"asynq: a task scheduled for later", q.later},
		{"asynq: retries", q.retries},
		{"asynq: a failure", q.failure},
		{"asynq: a unique task", q.unique},
		{"asynq: cancelling a task at work", q.cancelling},
		{"asynq: periodic tasks", q.periodic},
		{"asynq: pause and resume", q.pausing},
		{"asynq: close", q.close},
	}
}

func echo(_ context.Context, task *asynq.Task) error {
	_, err := task.ResultWriter().Write(task.Payload())
	return err
}

func failsTwice(ctx context.Context, task *asynq.Task) error {
	if attempt, _ := asynq.GetRetryCount(ctx); attempt < 2 {
		return fmt.Errorf("attempt %d", attempt)
	}
	return echo(ctx, task)
}

func waits(ctx context.Context, _ *asynq.Task) error {
	<-ctx.Done()
	return fmt.Errorf("%w: cancelled", asynq.SkipRetry)
}

// add enqueues a task that is kept when done.
func (q *queue) add(kind, payload string, options ...asynq.Option) (*asynq.TaskInfo, error) {
	return q.Enqueue(asynq.NewTask(kind, []byte(payload)), append(options, asynq.Retention(time.Hour))...)
}

// reaches waits until a task is in a state.
func (q *queue) reaches(ctx context.Context, id string, state asynq.TaskState) (info *asynq.TaskInfo, err error) {
	err = until(ctx, func() bool {
		info, err = q.inspector.GetTaskInfo("default", id)
		return err == nil && info.State == state
	})
	return info, err
}

// completes waits for a task's result.
func (q *queue) completes(ctx context.Context, info *asynq.TaskInfo, result string) error {
	info, err := q.reaches(ctx, info.ID, asynq.TaskStateCompleted)
	if err != nil {
		return err
	}
	return same(string(info.Result), result)
}

func (q *queue) results(ctx context.Context) error {
	tasks := make([]*asynq.TaskInfo, 100)
	for i := range tasks {
		var err error
		if tasks[i], err = q.add("echo", fmt.Sprint(i)); err != nil {
			return err
		}
	}
	for i, task := range tasks {
		if err := q.completes(ctx, task, fmt.Sprint(i)); err != nil {
			return err
		}
	}
	info, err := q.inspector.GetQueueInfo("default")
	if err != nil {
		return err
	}
	return same(info.Completed, 100)
}

func (q *queue) later(ctx context.Context) error {
	begun := time.Now()
	task, err := q.add("echo", "later", asynq.ProcessIn(time.Second))
	if err != nil {
		return err
	}
	if err := same(task.State, asynq.TaskStateScheduled); err != nil {
		return err
	}
	if err := q.completes(ctx, task, "later"); err != nil {
		return err
	}
	// Times are kept in whole seconds.
	if waited := time.Since(begun); waited < 100*time.Millisecond {
		return fmt.Errorf("done after %v", waited)
	}
	return nil
}

func (q *queue) retries(ctx context.Context) error {
	task, err := q.add("fails twice", "third time", asynq.MaxRetry(5))
	if err != nil {
		return err
	}
	if err := q.completes(ctx, task, "third time"); err != nil {
		return err
	}
	info, err := q.inspector.GetTaskInfo("default", task.ID)
	if err != nil {
		return err
	}
	return same(info.Retried, 2)
}

func (q *queue) failure(ctx context.Context) error {
	task, err := q.add("fails", "")
	if err != nil {
		return err
	}
	info, err := q.reaches(ctx, task.ID, asynq.TaskStateArchived)
	if err != nil {
		return err
	}
	if !strings.Contains(info.LastErr, "on purpose") {
		return errors.New(info.LastErr)
	}
	return nil
}

func (q *queue) unique(ctx context.Context) error {
	options := []asynq.Option{asynq.Unique(time.Hour), asynq.ProcessIn(time.Hour)}
	task, err := q.add("echo", "once", options...)
	if err != nil {
		return err
	}
	if _, err := q.add("echo", "once", options...); !errors.Is(err, asynq.ErrDuplicateTask) {
		return fmt.Errorf("error %v, expected %v", err, asynq.ErrDuplicateTask)
	}
	if err := q.inspector.RunTask("default", task.ID); err != nil {
		return err
	}
	return q.completes(ctx, task, "once")
}

// cancelling goes by a message that is published to all servers.
func (q *queue) cancelling(ctx context.Context) error {
	task, err := q.add("waits", "")
	if err != nil {
		return err
	}
	if _, err := q.reaches(ctx, task.ID, asynq.TaskStateActive); err != nil {
		return err
	}
	return until(ctx, func() bool {
		_ = q.inspector.CancelProcessing(task.ID)
		info, err := q.inspector.GetTaskInfo("default", task.ID)
		return err == nil && info.State == asynq.TaskStateArchived
	})
}

func (q *queue) periodic(ctx context.Context) error {
	if _, err := q.scheduler.Register("@every 1s", asynq.NewTask("tick", nil)); err != nil {
		return err
	}
	if err := q.scheduler.Start(); err != nil {
		return err
	}
	defer q.scheduler.Shutdown()
	return until(ctx, func() bool { return q.ticks.Load() >= 2 })
}

func (q *queue) pausing(ctx context.Context) error {
	if err := q.inspector.PauseQueue("default"); err != nil {
		return err
	}
	task, err := q.add("echo", "resumed")
	if err != nil {
		return err
	}
	time.Sleep(200 * time.Millisecond)
	if info, err := q.inspector.GetTaskInfo("default", task.ID); err != nil || info.State != asynq.TaskStatePending {
		return fmt.Errorf("%v, error %v: expected to be pending", info, err)
	}
	if err := q.inspector.UnpauseQueue("default"); err != nil {
		return err
	}
	return q.completes(ctx, task, "resumed")
}

func (q *queue) close(context.Context) error {
	q.server.Shutdown()
	return errors.Join(q.inspector.Close(), q.Client.Close())
}
