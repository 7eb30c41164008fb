package bpdu

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"time"
)

// OVS is what Open vSwitch's database says of its bridges.
type OVS struct{ Bridges []OVSBridge }

// An OVSBridge is one of its bridges.
type OVSBridge struct {
	Name string
	// ForwardBPDU is other-config:forward-bpdu: the action NORMAL passes
	// frames to the addresses of BPDUs instead of dropping them.
	ForwardBPDU bool
	STP, RSTP   bool     // it takes part itself, and sends
	Ports       []string // sorted
}

// OVSSocket is where ovsdb-server listens, of Debian and of most others.
const OVSSocket = "/run/openvswitch/db.sock"

// maxOVS bounds an answer of the database, in bytes.
const maxOVS = 64 << 20

// ReadOVS asks ovsdb-server, over a connection to its socket, by one
// transaction that only selects (RFC 7047, section 4.1.3; ovs-vswitchd.conf.db(5)
// of Open vSwitch 3.1). The end of ctx ends it. It does not close the
// connection.
func ReadOVS(ctx context.Context, conn net.Conn) (*OVS, error) {
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()
	const ask = `{"id":"stackmend","method":"transact","params":["Open_vSwitch",` +
		`{"op":"select","table":"Bridge","where":[],"columns":["name","other_config","stp_enable","rstp_enable","ports"]},` +
		`{"op":"select","table":"Port","where":[],"columns":["_uuid","name"]}]}`
	if _, err := io.WriteString(conn, ask); err != nil {
		return nil, fmt.Errorf("bpdu: ovsdb: %w", errors.Join(err, context.Cause(ctx)))
	}
	o, err := readOVS(io.LimitReader(conn, maxOVS))
	if err != nil {
		return nil, fmt.Errorf("bpdu: ovsdb: %w", errors.Join(err, context.Cause(ctx)))
	}
	return o, nil
}

type ovsReply struct {
	ID     any             `json:"id"`
	Method string          `json:"method"` // of what the server asks us, such as echo
	Error  json.RawMessage `json:"error"`
	Result []struct {
		Error string   `json:"error"`
		Rows  []ovsRow `json:"rows"`
	} `json:"result"`
}

type ovsRow struct {
	UUID  ovsList `json:"_uuid"`
	Name  string  `json:"name"`
	Other ovsList `json:"other_config"`
	STP   bool    `json:"stp_enable"`
	RSTP  bool    `json:"rstp_enable"`
	Ports ovsList `json:"ports"`
}

// readOVS reads the answer.
func readOVS(r io.Reader) (*OVS, error) {
	d := json.NewDecoder(r)
	var reply ovsReply
	for reply.ID != "stackmend" {
		reply = ovsReply{}
		if err := d.Decode(&reply); err != nil {
			return nil, err
		}
	}
	if len(reply.Error) > 0 && string(reply.Error) != "null" {
		return nil, fmt.Errorf("it answers %.200s", reply.Error)
	}
	if len(reply.Result) != 2 || reply.Result[0].Error+reply.Result[1].Error != "" {
		return nil, errors.New("the answer has not the two tables that were asked for")
	}
	ports := map[string]string{}
	for _, row := range reply.Result[1].Rows {
		for _, id := range row.UUID.words("uuid") {
			ports[id] = row.Name
		}
	}
	o := &OVS{}
	for _, row := range reply.Result[0].Rows {
		o.Bridges = append(o.Bridges, row.bridge(ports))
	}
	return o, nil
}

func (row ovsRow) bridge(ports map[string]string) OVSBridge {
	b := OVSBridge{Name: row.Name, STP: row.STP, RSTP: row.RSTP, ForwardBPDU: row.Other.pairs()["forward-bpdu"] == "true"}
	for _, id := range row.Ports.words("uuid") {
		if name := ports[id]; name != "" {
			b.Ports = append(b.Ports, name)
		}
	}
	slices.Sort(b.Ports)
	return b
}

// An ovsList is ["uuid", id], ["set", [...]] or ["map", [[key, value], ...]].
type ovsList [2]json.RawMessage

func (l ovsList) kind() (kind string) {
	_ = json.Unmarshal(l[0], &kind)
	return kind
}

// words are the values of a kind, be they one or a set.
func (l ovsList) words(kind string) []string {
	if l.kind() == kind {
		var one string
		_ = json.Unmarshal(l[1], &one)
		return []string{one}
	}
	var out []string
	var set []ovsList
	_ = json.Unmarshal(l[1], &set)
	for _, e := range set {
		if e.kind() == kind {
			out = append(out, e.words(kind)...)
		}
	}
	return out
}

func (l ovsList) pairs() map[string]string {
	var list [][2]string
	_ = json.Unmarshal(l[1], &list)
	out := map[string]string{}
	for _, p := range list {
		out[p[0]] = p[1]
	}
	return out
}

// bridge returns the bridge that has the port.
func (o *OVS) bridge(port string) (OVSBridge, bool) {
	if o == nil {
		return OVSBridge{}, false
	}
	i := slices.IndexFunc(o.Bridges, func(b OVSBridge) bool { return slices.Contains(b.Ports, port) })
	if i < 0 {
		return OVSBridge{}, false
	}
	return o.Bridges[i], true
}

// forwarders are the bridges that pass BPDUs on.
func (o *OVS) forwarders() []string {
	var out []string
	for _, b := range o.Bridges {
		if b.ForwardBPDU {
			out = append(out, b.Name)
		}
	}
	return out
}
