package consolelog

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

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
	Stopped    bool // it does not run, and has no numbers
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
		out = append(out, Broker{printable(n.Name), n.MemUsed, n.MemLimit, n.MemAlarm, len(n.Partitions), n.Running != nil && !*n.Running})
	}
	return out, nil
}

// A Queue of RabbitMQ. The answer with a console waits whole in the reply_
// queue of the nova-api that asked for it.
type Queue struct {
	Name     string
	Messages int64
	Bytes    int64 // of the messages' bodies
}

// ReadQueues reads the JSON of GET /api/queues of RabbitMQ's management API.
func ReadQueues(r io.Reader) ([]Queue, error) {
	var queues []struct {
		Name     string `json:"name"`
		Messages int64  `json:"messages"`
		Bytes    int64  `json:"message_bytes"`
	}
	if err := json.NewDecoder(io.LimitReader(r, maxBrokers)).Decode(&queues); err != nil {
		return nil, fmt.Errorf("consolelog: queues of RabbitMQ: %w", err)
	}
	var out []Queue
	for _, q := range queues {
		if q.Name == "" || q.Messages < 0 || q.Bytes < 0 {
			return nil, errors.New("consolelog: queues of RabbitMQ: one has no name or no numbers: not the answer to /api/queues")
		}
		out = append(out, Queue{printable(q.Name), q.Messages, q.Bytes})
	}
	return out, nil
}

// brokerEvidence tells how the brokers bear it: their memory, and the bytes
// that wait in queues. One that is well below its watermark speaks against.
func brokerEvidence(s *Snapshot) []stackmend.Evidence {
	var out []stackmend.Evidence
	for _, b := range s.Brokers {
		if b.Stopped {
			out = append(out, stackmend.Evidence{Source: "RabbitMQ " + b.Name, Value: "it does not run"})
			continue
		}
		out = append(out, stackmend.Evidence{
			Source:  "RabbitMQ " + b.Name,
			Value:   fmt.Sprintf("memory %d of %d bytes, alarm %v, partitions %d", b.Memory, b.Watermark, b.Alarm, b.Partitions),
			Against: !b.Alarm && b.Watermark > 0 && b.Memory < b.Watermark/2,
		})
	}
	if len(s.Queues) == 0 {
		return out
	}
	bytes := int64(0)
	for _, q := range s.Queues {
		bytes += q.Bytes
	}
	most := slices.MaxFunc(s.Queues, func(a, b Queue) int { return cmp.Compare(a.Bytes, b.Bytes) })
	return append(out, stackmend.Evidence{Source: "RabbitMQ queues",
		Value: fmt.Sprintf("%s wait in %d queues, the most in %s: %s in %d messages", size(bytes), len(s.Queues), most.Name, size(most.Bytes), most.Messages)})
}
