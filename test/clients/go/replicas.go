package main

import (
	"strings"

	"github.com/redis/go-redis/v9"
)

// A client of the replicas that a sentinel names. What is played: see ../replica_reads.ts.
var replicaScenarios = []scenario{
	{"reads", func(e *environment) {
		client := replicaClient(e)
		for range 20 {
			gives("hello")(client.Get(e.ctx, "greeting").Result())
		}
	}},
	{"finds a replica", func(e *environment) {
		info := value(replicaClient(e).Info(e.ctx, "replication").Result())
		check(strings.Contains(info, "role:slave"), info)
	}},
	{"does not write there", func(e *environment) {
		refused(replicaClient(e).Set(e.ctx, "greeting", "x", 0).Err(), "You can't write against a read only replica")
	}},
	{"reads all of a transaction", func(e *environment) {
		transaction := replicaClient(e).TxPipeline()
		greeting, length := transaction.Get(e.ctx, "greeting"), transaction.StrLen(e.ctx, "greeting")
		value(transaction.Exec(e.ctx))
		gives("hello")(greeting.Result())
		gives(int64(5))(length.Result())
	}},
}

func replicaClient(e *environment) *redis.Client {
	client := redis.NewFailoverClient(&redis.FailoverOptions{
		MasterName:    "mymaster",
		SentinelAddrs: []string{address()},
		ReplicaOnly:   true,
	})
	e.clients = append(e.clients, client)
	return client
}
