package dhcp

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// randomEvent has whatever an event may have.
func randomEvent(rnd *rand.Rand) Event {
	e := Event{Lease: time.Duration(rnd.Uint32()) * time.Second, Number: rnd.Int64N(1 << 40), XID: rnd.Uint32(), Kind: Kind(rnd.IntN(len(kindNames))),
		Cast: Cast(rnd.IntN(3)), Flags: Flags(rnd.IntN(64)), Who: uint8(rnd.IntN(9))}
	e.Addr[rnd.IntN(4)], e.Server[rnd.IntN(4)] = 7, 9
	if rnd.IntN(4) > 0 {
		e.Time = time.Unix(0, rnd.Int64()).UTC()
	}
	switch rnd.IntN(4) {
	case 0:
		e.Reason = "wrong network"
	case 1:
		e.Before = Before{From: rnd.Int64(), To: rnd.Int64(), ARPAsked: rnd.Uint32()}
	}
	return e
}

// TestStore: the events of many tracks in one store are those that were put
// there, also after some were given back and a copy was made.
func TestStore(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	s := &store{}
	chains, want := make([]chain, 40), make([][]Event, 40)
	for range 20_000 {
		i := rnd.IntN(len(chains))
		if rnd.IntN(30) == 0 {
			chains[i].clear(s)
			want[i] = nil
			continue
		}
		e := randomEvent(rnd)
		chains[i].add(s, &e)
		want[i] = append(want[i], e)
	}
	frozen := s.clone()
	for i, c := range chains {
		for j, e := range slices.Backward(want[i]) {
			if k := c.fromEnd(s, len(want[i])-1-j); k.xid != e.XID || !k.time().Equal(e.Time) {
				t.Fatalf("event %d of %d is %+v, want %+v", j, len(want[i]), k, e)
			}
		}
		chains[i].clear(s)
		if got := c.appendTo(nil, frozen); !slices.Equal(got, want[i]) {
			t.Fatalf("%+v\nwant %+v", got, want[i])
		}
	}
	if used := int(s.chunks.n) - len(s.freeChunks); used != 0 || len(s.freeExtras) != int(s.extras.n) {
		t.Errorf("%d chunks and %d of %d extras are not given back", used, int(s.extras.n)-len(s.freeExtras), s.extras.n)
	}
}

// TestTerms: there may be more terms than have numbers.
func TestTerms(t *testing.T) {
	s, c := &store{}, chain{}
	var want []Event
	for i := range 70_000 {
		e := Event{Lease: time.Duration(i%69_000) * time.Second, Server: IPv4{10, 0, 0, 1}}
		if i%2 == 0 {
			e.Reason = "wrong network"
		}
		c.add(s, &e)
		want = append(want, e)
	}
	if got := c.appendTo(nil, s); !slices.Equal(got, want) || s.extras.n == 0 {
		t.Error("not what was put there")
	}
	last := c.fromEnd(s, 0)
	for _, lease := range []uint32{90_000, 7} { // as told after the answer
		terms, x := s.detailOf(last)
		terms.lease = lease
		s.detail(last, terms, x)
		if got, x := s.detailOf(last); got != terms || x.reason != want[len(want)-1].Reason {
			t.Errorf("%+v %+v, want %+v", got, x, terms)
		}
	}
}

// TestKeep: what a store has no room for is kept as near as may be.
func TestKeep(t *testing.T) {
	few := EventsOf([]Event{{Time: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), Lease: 1 << 62}, {Time: time.Date(1, 1, 2, 0, 0, 0, 0, time.UTC), Lease: -1}})
	e := few.List()
	if few.Len() != 2 || e[0].Time.Year() != 2262 || e[0].Lease != (1<<32-1)*time.Second || e[1].Time.Year() != 1677 || e[1].Lease != 0 {
		t.Errorf("%+v", e)
	}
}

// TestEventsJSON: a track is written and read back as a list of its events.
func TestEventsJSON(t *testing.T) {
	rnd := rand.New(rand.NewPCG(7, 8))
	var list []Event
	for range 9 {
		list = append(list, randomEvent(rnd))
	}
	for _, want := range [][]Event{list, nil} {
		plain, _ := json.Marshal(want)
		text, err := json.Marshal(Track{Events: EventsOf(want)})
		if err != nil || !bytes.Contains(text, append([]byte(`"Events":`), plain...)) {
			t.Errorf("%s %v", text, err)
		}
		var back Track
		if err := json.Unmarshal(text, &back); err != nil || !slices.Equal(back.Events.List(), want) {
			t.Errorf("%+v %v", back, err)
		}
	}
}

// TestTable: the table has what a map would have.
func TestTable(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	var tab table
	want := map[MAC]slot{}
	for i := range uint32(50_000) {
		m := MAC{byte(rnd.IntN(2)), 0, 0, 0, byte(rnd.IntN(100)), byte(rnd.IntN(256))}
		if tab.get(m) != want[m] {
			t.Fatalf("%s is %v, want %v", m, tab.get(m), want[m])
		}
		s := tab.put(m)
		if rnd.IntN(2) == 0 {
			s.client = i + 1
		} else {
			s.flow = i + 1
		}
		want[m] = *s
	}
	if tab.n != len(want) || len(want) < 20_000 {
		t.Errorf("%d, want %d", tab.n, len(want))
	}
}

// TestTexts: texts are found again, whatever piece they are in.
func TestTexts(t *testing.T) {
	var all texts
	want := map[uint32]string{}
	for i := range 20_000 {
		text := strings.Repeat("x", i%400) + strconv.Itoa(i)
		at := all.put([]byte(text))
		if _, twice := want[at]; twice || at == 0 {
			t.Fatalf("text %d is at %d", i, at)
		}
		want[at] = text
	}
	for at, text := range want {
		if got := string(all.at(at)); got != text {
			t.Fatalf("%q, want %q", got, text)
		}
	}
}
