package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

const scenarioTime = 10 * time.Second

// environment holds one scenario's clients and keys.
type environment struct {
	redis.UniversalClient
	ctx     context.Context
	unique  string
	clients []redis.UniversalClient
}

type scenario struct {
	name string
	play func(e *environment)
}

// failure carries a scenario's error out of it.
type failure struct{ text string }

func fail(format string, args ...any) {
	place := ""
	for skip := 1; skip < 6; skip++ {
		if _, file, line, ok := runtime.Caller(skip); ok && strings.HasSuffix(file, "main.go") {
			place = fmt.Sprintf(" (main.go:%d)", line)
			break
		}
	}
	panic(failure{fmt.Sprintf(format, args...) + place})
}

func check(holds bool, what string) {
	if !holds {
		fail("%s", what)
	}
}

func same(got, expected any) {
	if !reflect.DeepEqual(got, expected) {
		fail("got %.300q, expected %.300q", fmt.Sprint(got), fmt.Sprint(expected))
	}
}

// gives takes a command's result and its error: gives("v")(client.Get(ctx, key).Result()).
func gives[T any](expected T) func(T, error) {
	return func(got T, err error) {
		if err != nil {
			fail("error %v, expected %v", err, expected)
		}
		same(got, expected)
	}
}

// value gives a command's result, which must be no error.
func value[T any](got T, err error) T {
	if err != nil {
		fail("error %v", err)
	}
	return got
}

func refused(err error, text string) {
	if err == nil || !strings.Contains(err.Error(), text) {
		fail("error %v, expected %q", err, text)
	}
}

func missing(err error) {
	if !errors.Is(err, redis.Nil) {
		fail("error %v, expected redis.Nil", err)
	}
}

func address() string { return os.Args[1] + ":" + os.Args[2] }

func (e *environment) key(name string) string { return "{" + e.unique + "}:" + name }

// another gives a further client; change may set options on top of the address. The fourth argument tells what is there: one
// Redis, a node of a cluster, a sentinel, or one Redis with TLS, whose certificate the file in the fifth vouches for.
func (e *environment) another(change func(*redis.UniversalOptions)) redis.UniversalClient {
	options := &redis.UniversalOptions{Addrs: []string{address()}}
	if len(os.Args) > 4 {
		switch os.Args[4] {
		case "cluster":
			options.IsClusterMode = true
		case "sentinel":
			options.MasterName = "mymaster"
		case "tls":
			authorities := x509.NewCertPool()
			authorities.AppendCertsFromPEM(value(os.ReadFile(os.Args[5])))
			options.TLSConfig = &tls.Config{RootCAs: authorities}
		}
	}
	if len(os.Args) > 3 && os.Args[3] != "default" && os.Args[3] != "replicas" {
		options.Protocol, _ = strconv.Atoi(os.Args[3])
	}
	if change != nil {
		change(options)
	}
	client := redis.NewUniversalClient(options)
	e.clients = append(e.clients, client)
	return client
}

// conn gives one connection of the pool, which only the client of one Redis has.
func (e *environment) conn() *redis.Conn {
	one, ok := e.UniversalClient.(*redis.Client)
	check(ok, "no single connection in a cluster")
	return one.Conn()
}

func later(action func()) <-chan struct{} {
	done := make(chan struct{})
	time.AfterFunc(50*time.Millisecond, func() {
		action()
		close(done)
	})
	return done
}

// run plays a scenario and gives what went wrong, or an empty string.
func run(play func(e *environment)) (detail string) {
	ctx, cancel := context.WithTimeout(context.Background(), scenarioTime)
	defer cancel()
	random := make([]byte, 6)
	_, _ = rand.Read(random)
	e := &environment{ctx: ctx, unique: "go-" + hex.EncodeToString(random)}
	e.UniversalClient = e.another(nil)
	defer func() {
		for _, client := range e.clients {
			_ = client.Close()
		}
		if problem := recover(); problem != nil {
			if known, ok := problem.(failure); ok {
				detail = known.text
			} else {
				detail = fmt.Sprint(problem)
			}
		}
	}()
	play(e)
	return ""
}

func main() {
	if len(os.Args) > 4 && os.Args[3] == "transfers" {
		transfers(os.Args[1], os.Args[2], os.Args[4])
	}
	if len(os.Args) > 5 && os.Args[3] == "counting" {
		countUp(os.Args[1], os.Args[2], os.Args[4], os.Args[5])
	}
	if len(os.Args) > 3 && os.Args[3] == "scripts" {
		scriptCalls(os.Args[1], os.Args[2])
	}
	if len(os.Args) > 3 && os.Args[3] == "replicas" {
		playAll(replicaScenarios)
	}
	playAll(scenarios)
}

func playAll(scenarios []scenario) {
	failed := false
	for _, s := range scenarios {
		finished := make(chan string, 1)
		go func() { finished <- run(s.play) }()
		detail := "no end after " + (2 * scenarioTime).String()
		select {
		case detail = <-finished:
		case <-time.After(2 * scenarioTime):
		}
		failed = failed || detail != ""
		line, _ := json.Marshal(map[string]any{"name": s.name, "ok": detail == "", "detail": detail})
		fmt.Println(string(line))
	}
	if failed {
		os.Exit(1)
	}
	os.Exit(0)
}
