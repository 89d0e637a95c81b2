package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/redis/go-redis/v9"
)

// Sessions that count, each over a connection of its own.
// What a session does, and what is printed: see ../counting.ts.

const (
	countingKeys = 300
	atOnce       = 6
)

type counting struct {
	sync.Mutex
	out *bufio.Writer
}

func countUp(host, port, sessions, name string) {
	c := counting{out: bufio.NewWriter(os.Stdout)}
	number, _ := strconv.Atoi(sessions)
	var all sync.WaitGroup
	var over atomic.Bool
	for nth := range number {
		all.Add(1)
		go func() {
			defer all.Done()
			client := redis.NewClient(&redis.Options{Addr: host + ":" + port, PoolSize: 1, MaxRetries: -1})
			defer func() { _ = client.Close() }()
			for step := nth; !over.Load(); step++ {
				c.play(client, fmt.Sprintf("%s:%d", name, nth), step)
			}
		}()
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
	over.Store(true)
	all.Wait()
	_ = c.out.Flush()
	os.Exit(0)
}

func (c *counting) play(client *redis.Client, session string, step int) {
	ctx := context.Background()
	var counters, texts, values []string
	var pairs []any
	for i := range atOnce {
		nth := (step*atOnce + i) % countingKeys
		counters = append(counters, fmt.Sprintf("counter:%s:%d", session, nth))
		// Two in each slot.
		texts = append(texts, fmt.Sprintf("text:{%s:%d}:%d", session, nth>>1, nth))
		values = append(values, fmt.Sprintf("%s %d", texts[i], step))
		pairs = append(pairs, texts[i], values[i])
	}
	switch step % 5 {
	case 0:
		count, err := client.Incr(ctx, counters[0]).Result()
		c.record("incr", counters[0], "", count, err)
	case 1:
		var counts []*redis.IntCmd
		var sets []*redis.StatusCmd
		var gets []*redis.StringCmd
		// Each command has its own error.
		_, _ = client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
			for i := range counters {
				counts = append(counts, pipe.Incr(ctx, counters[i]))
				sets = append(sets, pipe.Set(ctx, texts[i], values[i], 0))
				gets = append(gets, pipe.Get(ctx, texts[i]))
			}
			return nil
		})
		for i := range counters {
			c.record("incr", counters[i], "", counts[i].Val(), counts[i].Err())
			c.record("set", texts[i], values[i], sets[i].Val(), sets[i].Err())
			c.record("get", texts[i], "", gets[i].Val(), gets[i].Err())
		}
	case 2:
		done, err := client.MSet(ctx, pairs...).Result()
		for i := range texts {
			c.record("mset", texts[i], values[i], done, err)
		}
		got, err := client.MGet(ctx, texts...).Result()
		for i := range texts {
			var reply any
			if err == nil {
				reply = got[i]
			}
			c.record("get", texts[i], "", reply, err)
		}
	case 3:
		count, err := transact(ctx, client, counters[0])
		c.record("exec", counters[0], "", count, err)
	default:
		// In one write.
		var count *redis.IntCmd
		var value *redis.StringCmd
		_, err := client.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
			count, value = pipe.Incr(ctx, counters[0]), pipe.Get(ctx, counters[0])
			return nil
		})
		c.record("multi", counters[0], value.Val(), count.Val(), err)
	}
}

// transact watches and reads the counter, then counts up in a transaction; nil if the key had changed.
func transact(ctx context.Context, client *redis.Client, key string) (any, error) {
	var count *redis.IntCmd
	err := client.Watch(ctx, func(tx *redis.Tx) error {
		if err := tx.Get(ctx, key).Err(); err != nil && !errors.Is(err, redis.Nil) {
			return err
		}
		_, err := tx.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
			count = pipe.Incr(ctx, key)
			return nil
		})
		return err
	}, key)
	if errors.Is(err, redis.TxFailedErr) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return count.Val(), nil
}

// record prints a line; an error begins with ! and nil is ~.
func (c *counting) record(operation, key, value string, reply any, err error) {
	text := fmt.Sprint(reply)
	switch {
	case errors.Is(err, redis.Nil) || (err == nil && reply == nil):
		text = "~"
	case err != nil:
		text = "!" + err.Error()
	}
	c.Lock()
	defer c.Unlock()
	_, _ = fmt.Fprintf(c.out, "%s\t%s\t%s\t%s\n", operation, key, value, strings.Join(strings.Fields(text), " "))
}
