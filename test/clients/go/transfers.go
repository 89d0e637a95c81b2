package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"sync"

	"github.com/redis/go-redis/v9"
)

// Many applications that transfer money, each over a connection of its own.
// What a transfer is, when an application ends and what is printed: see ../transfers.ts.

const accounts = 500

var errClosed = errors.New("business is over")

type report struct {
	sync.Mutex `json:"-"`
	Confirmed  []string `json:"confirmed"`
	Conflicts  int      `json:"conflicts"`
	Lost       int      `json:"lost"`
	Errors     []string `json:"errors"`
}

func transfers(host, port, applications string) {
	result := report{Confirmed: []string{}, Errors: []string{}}
	number, _ := strconv.Atoi(applications)
	var all sync.WaitGroup
	for application := range number {
		all.Add(1)
		go func() {
			defer all.Done()
			result.application(host+":"+port, application)
		}()
	}
	all.Wait()
	line, _ := json.Marshal(&result)
	fmt.Println(string(line))
	os.Exit(0)
}

func (r *report) application(address string, number int) {
	open := func() *redis.Client { return redis.NewClient(&redis.Options{Addr: address, PoolSize: 1}) }
	client := open()
	defer func() { _ = client.Close() }()
	for count := 1; ; count++ {
		name := fmt.Sprintf("%d:%d", number, count)
		err := transfer(client, name)
		if errors.Is(err, errClosed) {
			return
		}
		r.Lock()
		var network net.Error
		switch {
		case err == nil:
			r.Confirmed = append(r.Confirmed, name)
		case errors.Is(err, redis.TxFailedErr):
			r.Conflicts++
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.As(err, &network):
			// The connection is gone: another application takes over.
			r.Lost++
			_ = client.Close()
			client = open()
		default:
			r.Errors = append(r.Errors, err.Error())
			r.Unlock()
			return
		}
		r.Unlock()
	}
}

func transfer(client *redis.Client, name string) error {
	ctx := context.Background()
	first := rand.IntN(accounts)
	second := (first + 1 + rand.IntN(accounts-1)) % accounts
	from, to, amount := fmt.Sprintf("account:%d", first), fmt.Sprintf("account:%d", second), 1+rand.IntN(10)
	return client.Watch(ctx, func(tx *redis.Tx) error {
		values, err := tx.MGet(ctx, from, to, "closed").Result()
		if err != nil {
			return err
		}
		if values[2] != nil {
			return errClosed
		}
		rich, _ := strconv.Atoi(values[0].(string))
		poor, _ := strconv.Atoi(values[1].(string))
		_, err = tx.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
			pipe.Set(ctx, from, rich-amount, 0)
			pipe.Set(ctx, to, poor+amount, 0)
			pipe.RPush(ctx, "journal", fmt.Sprintf("%s %s %s %d", name, from, to, amount))
			return nil
		})
		return err
	}, from, to)
}
