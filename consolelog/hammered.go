package consolelog

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/stackmend/stackmend"
)

// A Broker is a node of RabbitMQ, through which every console goes on its way
// from nova-compute to nova-api.
type Broker struct {
	Name       string
	Memory     int64 // bytes in use
	Watermark  int64 // bytes at which it blocks its publishers
	Alarm      bool  // it blocks them now
	Partitions int
}

// maxBrokers bounds the answer of the management API.
const maxBrokers = 64 << 20

// ReadBrokers reads the JSON of GET /api/nodes of RabbitMQ's management API.
// https://www.rabbitmq.com/docs/http-api-reference
func ReadBrokers(r io.Reader) ([]Broker, error) {
	var nodes []struct {
		Name       string   `json:"name"`
		Running    *bool    `json:"running"`
		MemUsed    int64    `json:"mem_used"`
		MemLimit   int64    `json:"mem_limit"`
		MemAlarm   bool     `json:"mem_alarm"`
		Partitions []string `json:"partitions"`
	}
	if err := json.NewDecoder(io.LimitReader(r, maxBrokers)).Decode(&nodes); err != nil {
		return nil, fmt.Errorf("consolelog: nodes of RabbitMQ: %w", err)
	}
	var out []Broker
	for _, n := range nodes {
		if n.Name == "" {
			return nil, fmt.Errorf("consolelog: nodes of RabbitMQ: one has no name: not the answer to /api/nodes")
		}
		out = append(out, Broker{printable(n.Name), n.MemUsed, n.MemLimit, n.MemAlarm, len(n.Partitions)})
	}
	return out, nil
}

// asker is one user who asks for one instance's console.
type asker struct {
	instance, user, project, address string
}

// asked is what one asker got.
type asked struct {
	asker
	times          int
	bytes, largest int64
	first, last    time.Time
}

// hammered says who refreshes a large console.
func (p Policy) hammered(s *Snapshot) []stackmend.Finding {
	var out []stackmend.Finding
	for _, a := range askers(s.Requests) {
		if a.bytes < p.Answers {
			break
		}
		f := stackmend.Finding{Code: Hammered, Status: stackmend.Warn, Subject: a.instance, Confidence: stackmend.Medium,
			Message: fmt.Sprintf("user %s of project %s had its console sent %d times, %s in all", a.user, a.project, a.times, size(a.bytes)),
			Fix:     "bound the log, and ask the user to stop refreshing; every answer goes through RabbitMQ whole",
			Evidence: []stackmend.Evidence{{Source: "nova-api's log", At: a.last,
				Value: fmt.Sprintf("%d answers from %s to %s for %s, the longest of %d bytes", a.times, a.first.UTC().Format(time.RFC3339), a.last.UTC().Format(time.RFC3339), a.address, a.largest)}}}
		f.Evidence = append(f.Evidence, brokerEvidence(s.Brokers)...)
		for _, l := range s.Logs {
			if instanceID(l.Instance) == a.instance {
				f.Confidence = stackmend.High
				f.Evidence = append(f.Evidence, stackmend.Evidence{Source: l.Path, Value: fmt.Sprintf("size %d", l.Size)})
			}
		}
		out = append(out, f)
	}
	return out
}

// askers sums up requests, those who got most first.
func askers(all []Request) []asked {
	sums := map[asker]*asked{}
	for _, q := range all {
		k := asker{q.Instance, q.User, q.Project, q.Address}
		a := sums[k]
		if a == nil {
			a = &asked{asker: k, first: q.At}
			sums[k] = a
		}
		a.times++
		a.bytes += q.Bytes
		a.largest = max(a.largest, q.Bytes)
		if q.At.Before(a.first) {
			a.first = q.At
		}
		if q.At.After(a.last) {
			a.last = q.At
		}
	}
	var out []asked
	for _, a := range sums {
		out = append(out, *a)
	}
	slices.SortFunc(out, func(a, b asked) int {
		return cmp.Or(cmp.Compare(b.bytes, a.bytes), cmp.Compare(a.instance, b.instance), cmp.Compare(a.user, b.user), cmp.Compare(a.address, b.address))
	})
	return out
}

// brokerEvidence tells how the brokers bear it. One that is well below its
// watermark speaks against.
func brokerEvidence(brokers []Broker) []stackmend.Evidence {
	var out []stackmend.Evidence
	for _, b := range brokers {
		out = append(out, stackmend.Evidence{
			Source:  "RabbitMQ " + b.Name,
			Value:   fmt.Sprintf("memory %d of %d bytes, alarm %v, partitions %d", b.Memory, b.Watermark, b.Alarm, b.Partitions),
			Against: !b.Alarm && b.Watermark > 0 && b.Memory < b.Watermark/2,
		})
	}
	return out
}
