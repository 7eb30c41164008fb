package watchdog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/ceph"
)

// store is the monitors' key-value store: its writes and reads are in order,
// its answers take their time.
type store struct {
	mu     sync.Mutex
	keys   map[string]string
	delay  func() time.Duration
	frozen map[string]bool // hosts that get no answer
}

func newStore() *store {
	return &store{keys: map[string]string{}, frozen: map[string]bool{}, delay: func() time.Duration { return 10 * time.Millisecond }}
}

// of is the store as a host reaches it.
func (s *store) of(host string) ceph.Commander { return reach{s, host} }

type reach struct {
	*store
	host string
}

func (s reach) Command(ctx context.Context, c ceph.Command) (io.ReadCloser, error) {
	s.mu.Lock()
	before, after, frozen := s.delay(), s.delay(), s.frozen[s.host]
	s.mu.Unlock()
	if frozen {
		<-ctx.Done()
		return nil, ceph.Lost(c, ctx)
	}
	time.Sleep(before)
	body, err := s.serve(c)
	time.Sleep(after)
	return ceph.Answer(body, err), nil
}

func (s *store) serve(c ceph.Command) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	arg := map[string]string{}
	for _, a := range c.Args {
		arg[a.Name], _ = a.Value.(string)
	}
	switch c.Prefix {
	case "config-key set":
		s.keys[arg["key"]] = arg["val"]
	case "config-key rm":
		delete(s.keys, arg["key"])
	case "config-key dump":
		out := map[string]string{}
		for k, v := range s.keys {
			if strings.HasPrefix(k, arg["key"]) {
				out[k] = v
			}
		}
		return json.Marshal(out)
	default:
		return nil, ceph.Failed(c, 22, "unknown")
	}
	return nil, nil
}

func claimsOf(t testing.TB, s *store, host string) *Claims {
	t.Helper()
	c, err := NewClaims(s.of(host), host, ClaimOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestOnlyOneEnters lets many watchdogs race over a slow store, some of which
// die while they hold the claim.
func TestOnlyOneEnters(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			s := newStore()
			r := rand.New(rand.NewPCG(seed, 1))
			s.delay = func() time.Duration { return time.Duration(r.Int64N(int64(700 * time.Millisecond))) }
			var mu sync.Mutex
			inside, entered := 0, 0
			var all sync.WaitGroup
			for i := range 6 {
				c := claimsOf(t, s, fmt.Sprintf("host%d", i))
				all.Go(func() {
					for range 8 {
						if c.Enter(t.Context(), i) != nil {
							time.Sleep(time.Second)
							continue
						}
						mu.Lock()
						if inside++; inside > 1 {
							t.Errorf("seed %d: %d watchdogs restart at once", seed, inside)
						}
						entered++
						mu.Unlock()
						time.Sleep(5 * time.Second)
						if err := c.Confirm(t.Context(), i); err != nil {
							t.Errorf("seed %d: the claim was lost: %v", seed, err)
						}
						mu.Lock()
						inside--
						mu.Unlock()
						if err := c.Leave(t.Context()); err != nil {
							t.Error(err)
						}
					}
				})
			}
			all.Wait()
			if entered < 6 {
				t.Errorf("seed %d: only %d entered", seed, entered)
			}
		})
	}
}

// TestDeadHolder: a holder that gets no answer any more is passed over after a
// lease, and knows by then that it has lost.
func TestDeadHolder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		a, b := claimsOf(t, s, "a"), claimsOf(t, s, "b")
		if err := a.Enter(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		s.mu.Lock()
		s.frozen["a"] = true
		s.mu.Unlock()
		begun := time.Now()
		for {
			err := b.Enter(t.Context(), 2)
			if err == nil {
				break
			}
			if !errors.Is(err, stackmend.ErrLocked) || !strings.Contains(err.Error(), "a, for osd.1") {
				t.Fatal(err)
			}
			if time.Since(begun) > time.Minute {
				t.Fatal("never passed over")
			}
			time.Sleep(time.Second)
		}
		if waited := time.Since(begun); waited < 20*time.Second {
			t.Errorf("passed over after %v", waited)
		}
		s.mu.Lock()
		s.frozen["a"] = false // it wakes up, and renews
		s.mu.Unlock()
		time.Sleep(10 * time.Second)
		if err := a.Confirm(t.Context(), 1); !errors.Is(err, stackmend.ErrLocked) {
			t.Errorf("a holder that was passed over: %v", err)
		}
		if err := b.Confirm(t.Context(), 2); err != nil {
			t.Error(err)
		}
		_, _ = a.Leave(t.Context()), b.Leave(t.Context())
	})
}

// TestClaimTakenAway: a claim that was removed or edited is lost.
func TestClaimTakenAway(t *testing.T) {
	for name, spoil := range map[string]func(s *store, key string){
		"removed": func(s *store, key string) { delete(s.keys, key) },
		"edited":  func(s *store, key string) { s.keys[key] = `{"host":"a","seq":999}` },
		"garbage": func(s *store, key string) { s.keys[key] = "\x00" },
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newStore()
			c := claimsOf(t, s, "a")
			if err := c.Enter(t.Context(), 1); err != nil {
				t.Fatal(err)
			}
			s.mu.Lock()
			spoil(s, c.key)
			s.mu.Unlock()
			if err := c.Confirm(t.Context(), 1); !errors.Is(err, stackmend.ErrLocked) {
				t.Errorf("%s: %v", name, err)
			}
			_ = c.Leave(t.Context())
		})
	}
}

// TestUnreadableClaim: a claim of another form stands in the way until it
// has not moved for a lease.
func TestUnreadableClaim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		s.keys["stackmend/watchdog/0"] = `{"host":"x","wishes":[{"osd":-1}]}`
		c := claimsOf(t, s, "a")
		if err := c.Enter(t.Context(), 1); !errors.Is(err, stackmend.ErrLocked) {
			t.Errorf("%v", err)
		}
		time.Sleep(21 * time.Second)
		if err := c.Enter(t.Context(), 1); err != nil {
			t.Error(err)
		}
		_ = c.Leave(t.Context())
	})
}

// TestTakeOver: a process takes over what one that was killed on its host
// left; two that live take each other's claims away.
func TestTakeOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		old, next := claimsOf(t, s, "a"), claimsOf(t, s, "a")
		if err := old.Enter(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		if err := next.Enter(t.Context(), 1); err != nil {
			t.Error(err)
		}
		if err := old.Confirm(t.Context(), 1); !errors.Is(err, stackmend.ErrLocked) {
			t.Errorf("%v", err)
		}
		_ = old.Leave(t.Context())
		if err := next.Close(t.Context()); err != nil || len(s.keys) != 0 {
			t.Errorf("%v %v", err, s.keys)
		}
	})
}

func FuzzClaims(f *testing.F) {
	f.Add([]byte(`{"p/a.x":"{\"host\":\"a\",\"seq\":3,\"entering\":1,\"wishes\":[{\"osd\":1,\"left_ns\":5}]}","q":"no"}`))
	f.Add([]byte(`{"p/a":"{"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		claims, err := parseClaims(b, "p/")
		if err != nil {
			return
		}
		for _, w := range wishes(claims) {
			if w.OSD < 0 || w.Left < 0 {
				t.Errorf("a wish that cannot be: %+v", w)
			}
		}
		for _, c := range claims {
			if !strings.HasPrefix(c.Key, "p/") || c.unread && !c.entering() {
				t.Errorf("%+v", c)
			}
		}
	})
}
