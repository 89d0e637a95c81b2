// Everyday use of go-redis, told only a host and a port.
//
// Usage: main HOST PORT [default|2|3], main HOST PORT transfers APPLICATIONS for what is in
// transfers.go, main HOST PORT counting SESSIONS NAME for what is in counting.go, main HOST PORT
// scripts for what is in scripts.go, or main HOST PORT replicas for what is in replicas.go.
//
// Prints one JSON line {name, ok, detail} per scenario; exit code 0 when all are ok.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

var scenarios = []scenario{
	{"connect and ping", connectAndPing},
	{"strings", stringValues},
	{"counters", counters},
	{"binary and empty values", binaryAndEmpty},
	{"value of 1 MB", largeValue},
	{"expiry", expiry},
	{"hashes", hashes},
	{"lists", lists},
	{"sets", sets},
	{"sorted sets", sortedSets},
	{"streams", streams},
	{"stream consumer groups", streamGroups},
	{"blocking stream read", blockingStreamRead},
	{"bitmaps", bitmaps},
	{"geo", geo},
	{"scan loops", scanLoops},
	{"scripts", scripts},
	{"pipeline of 2000 commands", bigPipeline},
	{"error inside a pipeline", pipelineError},
	{"transaction", transaction},
	{"transaction refused", transactionRefused},
	{"watch conflict", watchConflict},
	{"watch success", watchSuccess},
	{"blocking pop woken by a push", blockingPop},
	{"blocking pop timing out", blockingPopTimeout},
	{"pub/sub channels", pubSubChannels},
	{"pub/sub patterns", pubSubPatterns},
	{"sharded pub/sub", shardedPubSub},
	{"databases", databases},
	{"wrong type error", wrongType},
	{"missing keys", missingKeys},
	{"server info", serverInfo},
	{"client names", clientNames},
	{"client list and id", clientList},
	{"many connections at once", manyConnections},
	{"quit and close", quitAndClose},
}

func connectAndPing(e *environment) {
	gives("PONG")(e.Ping(e.ctx).Result())
	gives[any]("hello")(e.Echo(e.ctx, "hello").Result())
}

func stringValues(e *environment) {
	a, b, c, none := e.key("a"), e.key("b"), e.key("c"), e.key("none")
	gives("OK")(e.Set(e.ctx, a, "one", 0).Result())
	gives("one")(e.Get(e.ctx, a).Result())
	gives(false)(e.SetNX(e.ctx, a, "two", 0).Result())
	gives("one")(e.SetArgs(e.ctx, a, "two", redis.SetArgs{Get: true}).Result())
	gives(int64(9))(e.Append(e.ctx, a, "-three").Result())
	gives("three")(e.GetRange(e.ctx, a, 4, -1).Result())
	gives(int64(9))(e.SetRange(e.ctx, a, 0, "TWO").Result())
	gives(int64(9))(e.StrLen(e.ctx, a).Result())
	gives("OK")(e.MSet(e.ctx, b, "1", c, "2").Result())
	gives([]any{"TWO-three", "1", "2", nil})(e.MGet(e.ctx, a, b, c, none).Result())
	gives("1")(e.GetDel(e.ctx, b).Result())
	gives(int64(2))(e.Exists(e.ctx, a, b, c).Result())
	gives("string")(e.Type(e.ctx, a).Result())
	gives("OK")(e.Rename(e.ctx, a, e.key("d")).Result())
	gives(int64(2))(e.Del(e.ctx, c, e.key("d"), none).Result())
}

func counters(e *environment) {
	gives(int64(1))(e.Incr(e.ctx, e.key("n")).Result())
	gives(int64(42))(e.IncrBy(e.ctx, e.key("n"), 41).Result())
	gives(int64(41))(e.Decr(e.ctx, e.key("n")).Result())
	gives(10.5)(e.IncrByFloat(e.ctx, e.key("f"), 10.5).Result())
	gives("41")(e.Get(e.ctx, e.key("n")).Result())
}

func binaryAndEmpty(e *environment) {
	everyByte := make([]byte, 256)
	for i := range everyByte {
		everyByte[i] = byte(i)
	}
	everyByte = append(everyByte, "\r\n$-1\r\n*0\r\n"...)
	name := e.key("bin") + "\x00\xff\r\n"
	gives("OK")(e.Set(e.ctx, name, everyByte, 0).Result())
	gives(everyByte)(e.Get(e.ctx, name).Bytes())
	gives("OK")(e.Set(e.ctx, e.key("empty"), "", 0).Result())
	gives("")(e.Get(e.ctx, e.key("empty")).Result())
	gives(int64(0))(e.StrLen(e.ctx, e.key("empty")).Result())
}

func largeValue(e *environment) {
	large := make([]byte, 1<<20)
	for i := range large {
		large[i] = byte(i * 31 % 251)
	}
	gives("OK")(e.Set(e.ctx, e.key("large"), large, 0).Result())
	gives(int64(1 << 20))(e.StrLen(e.ctx, e.key("large")).Result())
	check(bytes.Equal(value(e.Get(e.ctx, e.key("large")).Bytes()), large), "1 MB came back changed")
}

func expiry(e *environment) {
	a, b := e.key("a"), e.key("b")
	gives("OK")(e.SetEx(e.ctx, a, "v", 100*time.Second).Result())
	ttl := value(e.TTL(e.ctx, a).Result())
	check(ttl > 0 && ttl <= 100*time.Second, "TTL after SETEX")
	gives(true)(e.Persist(e.ctx, a).Result())
	gives(time.Duration(-1))(e.TTL(e.ctx, a).Result())
	gives(time.Duration(-2))(e.TTL(e.ctx, e.key("none")).Result())
	gives(true)(e.Expire(e.ctx, a, 200*time.Second).Result())
	check(value(e.PTTL(e.ctx, a).Result()) > 100*time.Second, "PTTL after EXPIRE")
	gives("OK")(e.Set(e.ctx, b, "v", time.Millisecond).Result())
	for e.Get(e.ctx, b).Err() == nil {
		time.Sleep(time.Millisecond)
	}
	gives(int64(0))(e.Exists(e.ctx, b).Result())
}

func hashes(e *environment) {
	k := e.key("h")
	gives(int64(3))(e.HSet(e.ctx, k, "a", "1", "b", "2", "c", "").Result())
	gives("1")(e.HGet(e.ctx, k, "a").Result())
	gives(map[string]string{"a": "1", "b": "2", "c": ""})(e.HGetAll(e.ctx, k).Result())
	gives([]any{"1", nil, ""})(e.HMGet(e.ctx, k, "a", "none", "c").Result())
	gives(int64(10))(e.HIncrBy(e.ctx, k, "a", 9).Result())
	gives(int64(1))(e.HDel(e.ctx, k, "b", "none").Result())
	gives(false)(e.HExists(e.ctx, k, "b").Result())
	gives(int64(2))(e.HLen(e.ctx, k).Result())
	same(sorted(value(e.HKeys(e.ctx, k).Result())), []string{"a", "c"})
	same(sorted(value(e.HVals(e.ctx, k).Result())), []string{"", "10"})
	gives(map[string]string{})(e.HGetAll(e.ctx, e.key("none")).Result())
}

func sorted(list []string) []string {
	sort.Strings(list)
	return list
}

func lists(e *environment) {
	k, m := e.key("l"), e.key("m")
	gives(int64(3))(e.RPush(e.ctx, k, "a", "b", "c").Result())
	gives(int64(4))(e.LPush(e.ctx, k, "z").Result())
	gives([]string{"z", "a", "b", "c"})(e.LRange(e.ctx, k, 0, -1).Result())
	gives("z")(e.LPop(e.ctx, k).Result())
	gives([]string{"c", "b"})(e.RPopCount(e.ctx, k, 2).Result())
	gives(int64(2))(e.LInsertBefore(e.ctx, k, "a", "y").Result())
	gives("y")(e.LIndex(e.ctx, k, 0).Result())
	gives("OK")(e.LSet(e.ctx, k, 0, "x").Result())
	gives("OK")(e.LTrim(e.ctx, k, 0, 0).Result())
	gives("x")(e.LMove(e.ctx, k, m, "LEFT", "RIGHT").Result())
	gives(int64(0))(e.LLen(e.ctx, k).Result())
	gives([]string{"x"})(e.LRange(e.ctx, m, 0, -1).Result())
}

func sets(e *environment) {
	a, b, d := e.key("a"), e.key("b"), e.key("d")
	gives(int64(3))(e.SAdd(e.ctx, a, "1", "2", "3").Result())
	gives(int64(3))(e.SAdd(e.ctx, b, "2", "3", "4").Result())
	gives(map[string]struct{}{"1": {}, "2": {}, "3": {}})(e.SMembersMap(e.ctx, a).Result())
	gives(true)(e.SIsMember(e.ctx, a, "1").Result())
	gives([]bool{true, false})(e.SMIsMember(e.ctx, a, "1", "9").Result())
	same(sorted(value(e.SInter(e.ctx, a, b).Result())), []string{"2", "3"})
	same(sorted(value(e.SUnion(e.ctx, a, b).Result())), []string{"1", "2", "3", "4"})
	gives(int64(1))(e.SDiffStore(e.ctx, d, a, b).Result())
	gives(int64(1))(e.SRem(e.ctx, a, "1", "9").Result())
	gives(int64(2))(e.SCard(e.ctx, a).Result())
	gives("1")(e.SPop(e.ctx, d).Result())
}

func sortedSets(e *environment) {
	k := e.key("z")
	gives(int64(3))(e.ZAdd(e.ctx, k, redis.Z{Score: 1, Member: "a"}, redis.Z{Score: 2.5, Member: "b"}, redis.Z{Score: 3, Member: "c"}).Result())
	gives(2.5)(e.ZScore(e.ctx, k, "b").Result())
	gives(2.75)(e.ZIncrBy(e.ctx, k, 0.25, "b").Result())
	gives([]string{"a", "b", "c"})(e.ZRange(e.ctx, k, 0, -1).Result())
	gives([]redis.Z{{Score: 1, Member: "a"}, {Score: 2.75, Member: "b"}, {Score: 3, Member: "c"}})(e.ZRangeWithScores(e.ctx, k, 0, -1).Result())
	byScore := redis.ZRangeArgs{Key: k, ByScore: true, Start: "(1", Stop: "+inf"}
	gives([]string{"b", "c"})(e.ZRangeArgs(e.ctx, byScore).Result())
	gives(int64(2))(e.ZRank(e.ctx, k, "c").Result())
	gives([]string{"c"})(e.ZRangeArgs(e.ctx, redis.ZRangeArgs{Key: k, Rev: true, Start: 0, Stop: 0}).Result())
	gives([]redis.Z{{Score: 1, Member: "a"}})(e.ZPopMin(e.ctx, k).Result())
	gives(int64(2))(e.ZCount(e.ctx, k, "-inf", "+inf").Result())
	gives(int64(1))(e.ZRem(e.ctx, k, "b").Result())
	gives(int64(1))(e.ZCard(e.ctx, k).Result())
	missing(e.ZScore(e.ctx, k, "none").Err())
}

func message(id string, fields ...string) redis.XMessage {
	values := map[string]any{}
	for i := 0; i < len(fields); i += 2 {
		values[fields[i]] = fields[i+1]
	}
	return redis.XMessage{ID: id, Values: values}
}

// shown gives messages as text: go-redis adds fields to XMessage from version to version.
func shown(messages []redis.XMessage) string {
	parts := []string{}
	for _, m := range messages {
		parts = append(parts, fmt.Sprint(m.ID, m.Values))
	}
	return strings.Join(parts, " ")
}

func shownStreams(streams []redis.XStream, err error) string {
	text := ""
	for _, s := range value(streams, err) {
		text += s.Stream + ": " + shown(s.Messages)
	}
	return text
}

func streams(e *environment) {
	k := e.key("s")
	gives("1-1")(e.XAdd(e.ctx, &redis.XAddArgs{Stream: k, ID: "1-1", Values: []string{"n", "1", "m", "x"}}).Result())
	gives("2-1")(e.XAdd(e.ctx, &redis.XAddArgs{Stream: k, ID: "2-1", Values: []string{"n", "2"}}).Result())
	check(strings.Contains(value(e.XAdd(e.ctx, &redis.XAddArgs{Stream: k, Values: []string{"n", "3"}}).Result()), "-"), "XADD * gives an id")
	gives(int64(3))(e.XLen(e.ctx, k).Result())
	one, two := message("1-1", "n", "1", "m", "x"), message("2-1", "n", "2")
	same(shown(value(e.XRange(e.ctx, k, "-", "2").Result())), shown([]redis.XMessage{one, two}))
	same(shown(value(e.XRevRangeN(e.ctx, k, "2-1", "-", 1).Result())), shown([]redis.XMessage{two}))
	read := &redis.XReadArgs{Streams: []string{k, "1-1"}, Count: 1, Block: -1}
	same(shownStreams(e.XRead(e.ctx, read).Result()), k+": "+shown([]redis.XMessage{two}))
	gives(int64(1))(e.XDel(e.ctx, k, "1-1").Result())
	gives(int64(1))(e.XTrimMaxLen(e.ctx, k, 1).Result())
	same(value(e.XInfoStream(e.ctx, k).Result()).Length, int64(1))
}

func streamGroups(e *environment) {
	k := e.key("s")
	gives("OK")(e.XGroupCreateMkStream(e.ctx, k, "g", "0").Result())
	refused(e.XGroupCreate(e.ctx, k, "g", "0").Err(), "BUSYGROUP")
	value(e.XAdd(e.ctx, &redis.XAddArgs{Stream: k, ID: "1-1", Values: []string{"n", "1"}}).Result())
	value(e.XAdd(e.ctx, &redis.XAddArgs{Stream: k, ID: "2-1", Values: []string{"n", "2"}}).Result())
	read := func(consumer string) *redis.XStreamSliceCmd {
		return e.XReadGroup(e.ctx, &redis.XReadGroupArgs{Group: "g", Consumer: consumer, Streams: []string{k, ">"}, Count: 1, Block: -1})
	}
	second := []redis.XMessage{message("2-1", "n", "2")}
	same(shownStreams(read("alice").Result()), k+": "+shown([]redis.XMessage{message("1-1", "n", "1")}))
	same(shownStreams(read("bob").Result()), k+": "+shown(second))
	missing(read("bob").Err())
	gives(int64(1))(e.XAck(e.ctx, k, "g", "1-1").Result())
	pending := value(e.XPending(e.ctx, k, "g").Result())
	same([]any{pending.Count, pending.Lower}, []any{int64(1), "2-1"})
	detail := value(e.XPendingExt(e.ctx, &redis.XPendingExtArgs{Stream: k, Group: "g", Start: "-", End: "+", Count: 10}).Result())
	same(len(detail), 1)
	same([]any{detail[0].ID, detail[0].Consumer, detail[0].RetryCount}, []any{"2-1", "bob", int64(1)})
	claim := &redis.XClaimArgs{Stream: k, Group: "g", Consumer: "carol", Messages: []string{"2-1"}}
	same(shown(value(e.XClaim(e.ctx, claim).Result())), shown(second))
	claimed, next, err := e.XAutoClaim(e.ctx, &redis.XAutoClaimArgs{Stream: k, Group: "g", Consumer: "dave", Start: "0"}).Result()
	same([]any{shown(value(claimed, err)), next}, []any{shown(second), "0-0"})
	same(value(e.XInfoGroups(e.ctx, k).Result())[0].Name, "g")
	gives(int64(1))(e.XGroupDestroy(e.ctx, k, "g").Result())
}

func blockingStreamRead(e *environment) {
	k := e.key("s")
	done := later(func() { e.XAdd(e.ctx, &redis.XAddArgs{Stream: k, ID: "5-1", Values: []string{"n", "1"}}) })
	read := func(after string, block time.Duration) *redis.XStreamSliceCmd {
		return e.XRead(e.ctx, &redis.XReadArgs{Streams: []string{k, after}, Block: block})
	}
	// From the beginning, since it may be late itself.
	same(shownStreams(read("0", 5*time.Second).Result()), k+": "+shown([]redis.XMessage{message("5-1", "n", "1")}))
	<-done
	missing(read("$", 50*time.Millisecond).Err())
	gives(int64(1))(e.XLen(e.ctx, k).Result())
}

func bitmaps(e *environment) {
	k := e.key("b")
	gives(int64(0))(e.SetBit(e.ctx, k, 7, 1).Result())
	gives(int64(0))(e.SetBit(e.ctx, k, 100, 1).Result())
	gives(int64(1))(e.GetBit(e.ctx, k, 7).Result())
	gives(int64(0))(e.GetBit(e.ctx, k, 8).Result())
	gives(int64(2))(e.BitCount(e.ctx, k, nil).Result())
	gives(int64(7))(e.BitPos(e.ctx, k, 1).Result())
	gives(int64(13))(e.BitOpNot(e.ctx, e.key("not"), k).Result())
	gives(int64(13*8 - 2))(e.BitCount(e.ctx, e.key("not"), nil).Result())
	gives([]int64{0, 44})(e.BitField(e.ctx, e.key("f"), "SET", "u8", 0, 200, "INCRBY", "u8", 0, 100).Result())
}

func geo(e *environment) {
	k := e.key("g")
	palermo := &redis.GeoLocation{Name: "Palermo", Longitude: 13.361389, Latitude: 38.115556}
	catania := &redis.GeoLocation{Name: "Catania", Longitude: 15.087269, Latitude: 37.502669}
	gives(int64(2))(e.GeoAdd(e.ctx, k, palermo, catania).Result())
	check(math.Abs(value(e.GeoDist(e.ctx, k, "Palermo", "Catania", "km").Result())-166.2742) < 0.001, "GEODIST")
	gives([]string{"sqc8b49rny0"})(e.GeoHash(e.ctx, k, "Palermo").Result())
	position := value(e.GeoPos(e.ctx, k, "Catania").Result())[0]
	check(math.Abs(position.Longitude-catania.Longitude) < 1e-5, "GEOPOS")
	search := redis.GeoSearchQuery{Longitude: 15, Latitude: 37, Radius: 100, RadiusUnit: "km"}
	near := value(e.GeoSearchLocation(e.ctx, k, &redis.GeoSearchLocationQuery{GeoSearchQuery: search, WithDist: true}).Result())
	same(len(near), 1)
	same([]any{near[0].Name, math.Round(near[0].Dist)}, []any{"Catania", 56.0})
	gives([]*redis.GeoPos{nil})(e.GeoPos(e.ctx, k, "Nowhere").Result())
}

func scanLoops(e *environment) {
	pipe := e.Pipeline()
	keys, fields, members, scores := map[string]bool{}, map[string]string{}, map[string]bool{}, map[string]string{}
	for i := 0; i < 600; i++ {
		n := fmt.Sprint(i)
		pipe.Set(e.ctx, e.key("k"+n), n, 0)
		pipe.HSet(e.ctx, e.key("hash"), "f"+n, n)
		pipe.SAdd(e.ctx, e.key("set"), "m"+n)
		pipe.ZAdd(e.ctx, e.key("zset"), redis.Z{Score: float64(i), Member: "z" + n})
		keys[e.key("k"+n)], fields["f"+n], members["m"+n], scores["z"+n] = true, n, true, n
	}
	value(pipe.Exec(e.ctx))
	same(found(e, e.Scan(e.ctx, 0, e.key("k*"), 50)), keys)
	same(pairs(e, e.HScan(e.ctx, e.key("hash"), 0, "", 50)), fields)
	same(found(e, e.SScan(e.ctx, e.key("set"), 0, "", 50)), members)
	same(pairs(e, e.ZScan(e.ctx, e.key("zset"), 0, "", 50)), scores)
}

func found(e *environment, cmd *redis.ScanCmd) map[string]bool {
	seen := map[string]bool{}
	iterator := cmd.Iterator()
	for iterator.Next(e.ctx) {
		seen[iterator.Val()] = true
	}
	same(iterator.Err(), nil)
	return seen
}

func pairs(e *environment, cmd *redis.ScanCmd) map[string]string {
	seen := map[string]string{}
	iterator := cmd.Iterator()
	for iterator.Next(e.ctx) {
		name := iterator.Val()
		check(iterator.Next(e.ctx), "a value follows each name")
		seen[name] = iterator.Val()
	}
	same(iterator.Err(), nil)
	return seen
}

func scripts(e *environment) {
	n := []string{e.key("n")}
	gives[any]([]any{e.key("a"), "x", int64(42), nil})(e.Eval(e.ctx, "return {KEYS[1], ARGV[1], 42, false}", []string{e.key("a")}, "x").Result())
	script := redis.NewScript("-- " + e.unique + "\nreturn redis.call('INCRBY', KEYS[1], ARGV[1])")
	err := script.EvalSha(e.ctx, e, n, 1).Err()
	refused(err, "NOSCRIPT No matching script")
	check(redis.HasErrorPrefix(err, "NOSCRIPT"), "NOSCRIPT is recognised")
	gives[any](int64(5))(script.Run(e.ctx, e, n, 5).Result())
	gives[any](int64(7))(script.EvalSha(e.ctx, e, n, 2).Result())
	gives([]bool{true, false})(e.ScriptExists(e.ctx, script.Hash(), strings.Repeat("0", 40)).Result())
	gives("e0e1f9fabfc9d4800c877a703b823ac0578ff8db")(e.ScriptLoad(e.ctx, "return 1").Result())
	refused(e.Eval(e.ctx, "return redis.error_reply('my own words')", nil).Err(), "my own words")
}

func bigPipeline(e *environment) {
	pipe := e.Pipeline()
	for i := 0; i < 1000; i++ {
		name := e.key(fmt.Sprint("p", i))
		pipe.Set(e.ctx, name, fmt.Sprint("value ", i), 0)
		pipe.Get(e.ctx, name)
	}
	replies := value(pipe.Exec(e.ctx))
	same(len(replies), 2000)
	for i := 0; i < 1000; i++ {
		gives("OK")(replies[2*i].(*redis.StatusCmd).Result())
		gives(fmt.Sprint("value ", i))(replies[2*i+1].(*redis.StringCmd).Result())
	}
}

func pipelineError(e *environment) {
	pipe := e.Pipeline()
	set := pipe.Set(e.ctx, e.key("a"), "text", 0)
	incr := pipe.Incr(e.ctx, e.key("a"))
	get := pipe.Get(e.ctx, e.key("a"))
	unknown := pipe.Do(e.ctx, "NOSUCHCOMMAND", "x")
	after := pipe.Set(e.ctx, e.key("b"), "after", 0)
	_, err := pipe.Exec(e.ctx)
	refused(err, "ERR value is not an integer or out of range")
	gives("OK")(set.Result())
	same(incr.Err().Error(), "ERR value is not an integer or out of range")
	gives("text")(get.Result())
	refused(unknown.Err(), "ERR unknown command 'NOSUCHCOMMAND'")
	gives("OK")(after.Result())
	gives("after")(e.Get(e.ctx, e.key("b")).Result())
}

func transaction(e *environment) {
	var set, done *redis.StatusCmd
	var incr *redis.IntCmd
	var all *redis.MapStringStringCmd
	var none *redis.StringCmd
	_, err := e.TxPipelined(e.ctx, func(pipe redis.Pipeliner) error {
		set = pipe.Set(e.ctx, e.key("a"), "1", 0)
		incr = pipe.Incr(e.ctx, e.key("a"))
		pipe.HSet(e.ctx, e.key("h"), "f", "v")
		all = pipe.HGetAll(e.ctx, e.key("h"))
		none = pipe.Get(e.ctx, e.key("none"))
		return nil
	})
	missing(err)
	gives("OK")(set.Result())
	gives(int64(2))(incr.Result())
	gives(map[string]string{"f": "v"})(all.Result())
	missing(none.Err())
	_, err = e.TxPipelined(e.ctx, func(pipe redis.Pipeliner) error {
		pipe.Set(e.ctx, e.key("a"), "text", 0)
		incr = pipe.Incr(e.ctx, e.key("a"))
		done = pipe.Set(e.ctx, e.key("b"), "done", 0)
		return nil
	})
	refused(err, "ERR value is not an integer")
	refused(incr.Err(), "ERR value is not an integer")
	gives("OK")(done.Result())
}

func transactionRefused(e *environment) {
	_, err := e.TxPipelined(e.ctx, func(pipe redis.Pipeliner) error {
		pipe.Set(e.ctx, e.key("a"), "1", 0)
		pipe.Do(e.ctx, "GET")
		return nil
	})
	refused(err, "EXECABORT")
	missing(e.Get(e.ctx, e.key("a")).Err())
}

func watchConflict(e *environment) {
	k, other := e.key("w"), e.another(nil)
	value(e.Set(e.ctx, k, "1", 0).Result())
	err := e.Watch(e.ctx, func(tx *redis.Tx) error {
		gives("1")(tx.Get(e.ctx, k).Result())
		gives("OK")(other.Set(e.ctx, k, "2", 0).Result())
		_, err := tx.TxPipelined(e.ctx, func(pipe redis.Pipeliner) error { return pipe.Set(e.ctx, k, "3", 0).Err() })
		return err
	}, k)
	check(errors.Is(err, redis.TxFailedErr), fmt.Sprintf("error %v, expected TxFailedErr", err))
	gives("2")(e.Get(e.ctx, k).Result())
}

func watchSuccess(e *environment) {
	k := e.key("w")
	value(e.Set(e.ctx, k, "1", 0).Result())
	err := e.Watch(e.ctx, func(tx *redis.Tx) error {
		n := value(tx.Get(e.ctx, k).Int())
		_, err := tx.TxPipelined(e.ctx, func(pipe redis.Pipeliner) error { return pipe.Set(e.ctx, k, n+1, 0).Err() })
		return err
	}, k)
	same(err, nil)
	gives("2")(e.Get(e.ctx, k).Result())
	same(e.Watch(e.ctx, func(tx *redis.Tx) error { return tx.Unwatch(e.ctx).Err() }, k), nil)
}

func blockingPop(e *environment) {
	q, z := e.key("q"), e.key("z")
	done := later(func() { e.RPush(e.ctx, q, "job") })
	gives([]string{q, "job"})(e.BLPop(e.ctx, 5*time.Second, e.key("other"), q).Result())
	<-done
	done = later(func() { e.ZAdd(e.ctx, z, redis.Z{Score: 1, Member: "m"}) })
	gives(&redis.ZWithKey{Z: redis.Z{Score: 1, Member: "m"}, Key: z})(e.BZPopMin(e.ctx, 5*time.Second, z).Result())
	<-done
	gives(int64(0))(e.LLen(e.ctx, q).Result())
}

func blockingPopTimeout(e *environment) {
	// The library's own methods round up to a second.
	missing(e.Do(e.ctx, "BLPOP", e.key("q"), 0.1).Err())
	missing(e.Do(e.ctx, "BLMOVE", e.key("q"), e.key("p"), "LEFT", "RIGHT", 0.1).Err())
	gives(int64(1))(e.RPush(e.ctx, e.key("q"), "late").Result())
	gives([]string{"late"})(e.LRange(e.ctx, e.key("q"), 0, -1).Result())
}

func pubSubChannels(e *environment) {
	one, two := e.key("one"), e.key("two")
	subscriber := e.Subscribe(e.ctx, one, two)
	defer subscriber.Close()
	expect := func(expected any) {
		got := value(subscriber.ReceiveTimeout(e.ctx, 5*time.Second))
		if m, ok := got.(*redis.Message); ok {
			got = m.Channel + " " + m.Payload
		}
		same(fmt.Sprint(got), fmt.Sprint(expected))
	}
	expect(&redis.Subscription{Kind: "subscribe", Channel: one, Count: 1})
	expect(&redis.Subscription{Kind: "subscribe", Channel: two, Count: 2})
	gives(int64(1))(e.Publish(e.ctx, one, "hello").Result())
	expect(one + " hello")
	for i := 0; i < 100; i++ {
		value(e.Publish(e.ctx, two, i).Result())
	}
	for i := 0; i < 100; i++ {
		expect(fmt.Sprint(two, " ", i))
	}
	gives(map[string]int64{one: 1})(e.PubSubNumSub(e.ctx, one).Result())
	same(subscriber.Ping(e.ctx, "are you there"), nil)
	expect(&redis.Pong{Payload: "are you there"})
	same(subscriber.Unsubscribe(e.ctx, one), nil)
	expect(&redis.Subscription{Kind: "unsubscribe", Channel: one, Count: 1})
	gives(int64(0))(e.Publish(e.ctx, one, "nobody").Result())
}

func pubSubPatterns(e *environment) {
	subscriber := e.PSubscribe(e.ctx, e.key("news.*"))
	defer subscriber.Close()
	first := value(subscriber.Receive(e.ctx)).(*redis.Subscription)
	same([]any{first.Kind, first.Channel, first.Count}, []any{"psubscribe", e.key("news.*"), 1})
	gives(int64(1))(e.Publish(e.ctx, e.key("news.art"), "x").Result())
	received := value(subscriber.ReceiveMessage(e.ctx))
	same([]string{received.Pattern, received.Channel, received.Payload}, []string{e.key("news.*"), e.key("news.art"), "x"})
	same(subscriber.PUnsubscribe(e.ctx), nil)
	last := value(subscriber.Receive(e.ctx)).(*redis.Subscription)
	same([]any{last.Kind, last.Count}, []any{"punsubscribe", 0})
}

func shardedPubSub(e *environment) {
	// All of them hash to different slots, so each has a subscriber of its own.
	for n := 0; n < 6; n++ {
		name := fmt.Sprint(e.unique, ":", n)
		subscriber := e.SSubscribe(e.ctx, name)
		defer subscriber.Close()
		first := value(subscriber.Receive(e.ctx)).(*redis.Subscription)
		same([]any{first.Kind, first.Channel, first.Count}, []any{"ssubscribe", name, 1})
		for i := 0; i < 10; i++ {
			gives(int64(1))(e.SPublish(e.ctx, name, i).Result())
		}
		for i := 0; i < 10; i++ {
			received := value(subscriber.ReceiveMessage(e.ctx))
			same([]string{received.Channel, received.Payload}, []string{name, fmt.Sprint(i)})
		}
		same(subscriber.SUnsubscribe(e.ctx), nil)
		last := value(subscriber.Receive(e.ctx)).(*redis.Subscription)
		same([]any{last.Kind, last.Count}, []any{"sunsubscribe", 0})
		gives(int64(0))(e.SPublish(e.ctx, name, "nobody").Result())
	}
}

func databases(e *environment) {
	k, third := e.key("same"), e.another(func(o *redis.UniversalOptions) { o.DB = 3 })
	gives("OK")(e.Set(e.ctx, k, "zero", 0).Result())
	missing(third.Get(e.ctx, k).Err())
	gives("OK")(third.Set(e.ctx, k, "three", 0).Result())
	for i := 0; i < 20; i++ {
		gives("zero")(e.Get(e.ctx, k).Result())
		gives("three")(third.Get(e.ctx, k).Result())
	}
	gives(int64(1))(third.Del(e.ctx, k).Result())
	gives("zero")(e.Get(e.ctx, k).Result())
	one := e.conn()
	defer one.Close()
	gives("OK")(one.Select(e.ctx, 3).Result())
	missing(one.Get(e.ctx, k).Err())
	gives("OK")(one.Select(e.ctx, 0).Result())
	gives("zero")(one.Get(e.ctx, k).Result())
}

func wrongType(e *environment) {
	value(e.Set(e.ctx, e.key("s"), "text", 0).Result())
	err := e.LPush(e.ctx, e.key("s"), "x").Err()
	refused(err, "WRONGTYPE Operation against a key holding the wrong kind of value")
	refused(e.Do(e.ctx, "GET").Err(), "ERR wrong number of arguments for 'get' command")
	gives("text")(e.Get(e.ctx, e.key("s")).Result())
}

func missingKeys(e *environment) {
	k := e.key("none")
	missing(e.Get(e.ctx, k).Err())
	missing(e.HGet(e.ctx, k, "f").Err())
	missing(e.LPop(e.ctx, k).Err())
	missing(e.SPop(e.ctx, k).Err())
	missing(e.ZScore(e.ctx, k, "m").Err())
	gives([]string{})(e.LRange(e.ctx, k, 0, -1).Result())
	gives(int64(0))(e.Exists(e.ctx, k).Result())
	gives(int64(0))(e.Del(e.ctx, k).Result())
	gives("none")(e.Type(e.ctx, k).Result())
}

func serverInfo(e *environment) {
	info := value(e.Info(e.ctx).Result())
	check(strings.Contains(info, "\nrole:master\r") && strings.Contains(info, "\nloading:0\r"), "INFO names role and loading")
	check(strings.Contains(info, "\nredis_version:"), "INFO names a version")
	memory := value(e.Info(e.ctx, "memory").Result())
	check(strings.Contains(memory, "used_memory:") && !strings.Contains(memory, "run_id:"), "INFO of one section")
	gives(map[string]string{"databases": "16"})(e.ConfigGet(e.ctx, "databases").Result())
	check(value(e.Time(e.ctx).Result()).Sub(time.Now()).Abs() < time.Minute, "TIME")
	check(value(e.DBSize(e.ctx).Result()) >= 0, "DBSIZE")
	check(value(e.Do(e.ctx, "COMMAND", "COUNT").Int64()) > 100, "COMMAND COUNT")
}

func clientNames(e *environment) {
	one := e.another(func(o *redis.UniversalOptions) { o.ClientName = "one-" + e.unique })
	gives("one-" + e.unique)(one.ClientGetName(e.ctx).Result())
	two := e.conn()
	defer two.Close()
	missing(two.ClientGetName(e.ctx).Err())
	gives(true)(two.ClientSetName(e.ctx, "two").Result())
	gives("two")(two.ClientGetName(e.ctx).Result())
	gives("one-" + e.unique)(one.ClientGetName(e.ctx).Result())
}

func clientList(e *environment) {
	name := "me-" + e.unique
	me := e.another(func(o *redis.UniversalOptions) { o.ClientName = name; o.PoolSize = 1 })
	number := value(me.ClientID(e.ctx).Result())
	gives(number)(me.ClientID(e.ctx).Result())
	mine := []string{}
	for _, line := range strings.Split(value(me.ClientList(e.ctx).Result()), "\n") {
		if strings.Contains(line, " name="+name+" ") {
			mine = append(mine, strings.Fields(line)[0])
		}
	}
	same(mine, []string{fmt.Sprint("id=", number)})
	same(value(me.ClientInfo(e.ctx).Result()).Name, name)
	check(value(e.ClientID(e.ctx).Result()) != number, "ids differ")
}

func manyConnections(e *environment) {
	var group sync.WaitGroup
	problems := make(chan any, 16)
	clients := []redis.UniversalClient{}
	for n := 0; n < 16; n++ {
		clients = append(clients, e.another(nil))
	}
	for n, client := range clients {
		group.Add(1)
		go func() {
			defer group.Done()
			defer func() { problems <- recover() }()
			for i := 0; i < 25; i++ {
				value(client.Set(e.ctx, e.key(fmt.Sprint(n)), fmt.Sprint(n, ":", i), 0).Result())
				gives(fmt.Sprint(n, ":", i))(client.Get(e.ctx, e.key(fmt.Sprint(n))).Result())
			}
		}()
	}
	group.Wait()
	for range clients {
		if problem := <-problems; problem != nil {
			panic(problem)
		}
	}
}

func quitAndClose(e *environment) {
	other := e.another(nil)
	gives("OK")(other.Set(e.ctx, e.key("last"), "word", 0).Result())
	gives[any]("OK")(other.Do(e.ctx, "QUIT").Result())
	same(other.Close(), nil)
	check(errors.Is(other.Ping(e.ctx).Err(), redis.ErrClosed), "closed client refuses commands")
	gives("word")(e.Get(e.ctx, e.key("last")).Result())
}
