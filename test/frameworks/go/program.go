// Frameworks over go-redis, told only a host and a port: asynq and redsync.
//
// Usage: PROGRAM HOST PORT
//
// Prints one JSON line {name, ok, detail} per scenario; exit code 0 when all are ok.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"
)

const scenarioTime = 25 * time.Second

type scenario struct {
	name string
	play func(ctx context.Context) error
}

func main() {
	address := os.Args[1] + ":" + os.Args[2]
	failed := false
	for _, s := range append(asynqScenarios(address), redsyncScenarios(address)...) {
		detail := run(s.play)
		failed = failed || detail != ""
		line, _ := json.Marshal(map[string]any{"name": s.name, "ok": detail == "", "detail": detail})
		fmt.Println(string(line))
	}
	if failed {
		os.Exit(1)
	}
}

// run gives what went wrong, or an empty string.
func run(play func(ctx context.Context) error) string {
	ctx, cancel := context.WithTimeout(context.Background(), scenarioTime)
	defer cancel()
	finished := make(chan error, 1)
	go func() { finished <- play(ctx) }()
	select {
	case err := <-finished:
		if err != nil {
			return err.Error()
		}
		return ""
	case <-ctx.Done():
		return "no end after " + scenarioTime.String()
	}
}

// until waits for a condition; the scenario's time limits it.
func until(ctx context.Context, condition func() bool) error {
	for !condition() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
	return nil
}

func same[T comparable](got, expected T) error {
	if got != expected {
		return fmt.Errorf("got %v, expected %v", got, expected)
	}
	return nil
}
