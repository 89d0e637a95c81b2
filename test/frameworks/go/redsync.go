package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-redsync/redsync/v4"
	"github.com/go-redsync/redsync/v4/redis/goredis/v9"
	"github.com/redis/go-redis/v9"
)

type locks struct {
	client *redis.Client
	*redsync.Redsync
}

func redsyncScenarios(address string) []scenario {
	client := redis.NewClient(&redis.Options{Addr: address})
	l := &locks{client, redsync.New(goredis.NewPool(client))}
	return []scenario{
		{"redsync: lock and release", l.lockAndRelease},
		{"redsync: refused while another holds it", l.refused},
		{"redsync: extended", l.extended},
		{"redsync: only one at a time of many", l.oneAtATime},
		{"redsync: close", func(context.Context) error { return client.Close() }},
	}
}

func (l *locks) lockAndRelease(ctx context.Context) error {
	mutex := l.NewMutex("a")
	if err := mutex.LockContext(ctx); err != nil {
		return err
	}
	if err := same(l.client.Get(ctx, "a").Val(), mutex.Value()); err != nil {
		return err
	}
	if _, err := mutex.UnlockContext(ctx); err != nil {
		return err
	}
	return same(l.client.Exists(ctx, "a").Val(), 0)
}

func (l *locks) refused(ctx context.Context) error {
	one, other := l.NewMutex("b"), l.NewMutex("b")
	if err := one.LockContext(ctx); err != nil {
		return err
	}
	var taken *redsync.ErrTaken
	if err := other.TryLockContext(ctx); !errors.As(err, &taken) {
		return fmt.Errorf("error %v, expected it to be taken", err)
	}
	if _, err := one.UnlockContext(ctx); err != nil {
		return err
	}
	return other.TryLockContext(ctx)
}

func (l *locks) extended(ctx context.Context) error {
	mutex := l.NewMutex("c", redsync.WithExpiry(10*time.Second))
	if err := mutex.LockContext(ctx); err != nil {
		return err
	}
	l.client.PExpire(ctx, "c", 2*time.Second)
	if ok, err := mutex.ExtendContext(ctx); !ok || err != nil {
		return fmt.Errorf("%v, error %v", ok, err)
	}
	if left := l.client.PTTL(ctx, "c").Val(); left < 5*time.Second {
		return fmt.Errorf("%v left", left)
	}
	return nil
}

func (l *locks) oneAtATime(ctx context.Context) error {
	var inside, crowds atomic.Int32
	var all sync.WaitGroup
	failures := make(chan error, 20)
	for range 20 {
		all.Add(1)
		go func() {
			defer all.Done()
			mutex := l.NewMutex("d", redsync.WithTries(1000), redsync.WithRetryDelay(5*time.Millisecond))
			if err := mutex.LockContext(ctx); err != nil {
				failures <- err
				return
			}
			if inside.Add(1) > 1 {
				crowds.Add(1)
			}
			l.client.Incr(ctx, "count")
			inside.Add(-1)
			if _, err := mutex.UnlockContext(ctx); err != nil {
				failures <- err
			}
		}()
	}
	all.Wait()
	select {
	case err := <-failures:
		return err
	default:
	}
	return errors.Join(same(crowds.Load(), 0), same(l.client.Get(ctx, "count").Val(), "20"))
}
