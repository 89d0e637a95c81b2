package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/redis/go-redis/v9"
)

// A script object, called once for each line of standard input. What is printed: see ../script_calls.ts.
func scriptCalls(host, port string) {
	ctx := context.Background()
	client := redis.NewClient(&redis.Options{Addr: host + ":" + port})
	script := redis.NewScript("-- go-redis\nreturn redis.call('INCRBY', KEYS[1], ARGV[1])")
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		result := map[string]any{}
		if number, err := script.Run(ctx, client, []string{lines.Text()}, 1).Int(); err != nil {
			result["error"] = err.Error()
		} else {
			result["value"] = number
		}
		line, _ := json.Marshal(result)
		fmt.Println(string(line))
	}
	os.Exit(0)
}
