package bootvolume

import (
	"bufio"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// A Runtime is what a running HAProxy says of itself.
type Runtime struct {
	Host        string // that the socket is of
	Connections int64  // now
	Most        int64  // maxconn of the process
	Worker      string // PID of the process and when it began: another one after each reload
	Started     time.Time
	Servers     []Live
	Master      Master // what ReadMaster says; zero: it was not asked
}

// A Live is a row of "show stat": a frontend, a backend, or one server.
type Live struct {
	Proxy, Server      string // Server: FRONTEND, BACKEND, or its name
	Address, Mode      string
	Status             string // such as "UP", "DOWN 1/2", "MAINT", "no check"
	Admin              string // what an operator set: "", "maint", "drain"
	Balance            string // of a BACKEND; "": a socket of level user does not tell
	Backup             bool
	Weight             int64 // of a server, as an operator or an agent has set it
	Sessions, Peak     int64 // at once: now, and the most
	Limit              int64 // of sessions; 0: none
	Queue, QueuePeak   int64
	Refused, Broken    int64 // connections that failed, answers that broke
	LastCheck          string
	Retried, Elsewhere int64 // connections tried again, and sent to another server
}

// A Dialer connects to HAProxy's runtime socket ("stats socket" of its
// configuration, any level). It is called for each command, for HAProxy ends
// the connection after it.
type Dialer func(ctx context.Context) (net.Conn, error)

// maxAnswer bounds what is read of one answer: a row has about 500 bytes.
const maxAnswer = 64 << 20

// ErrAnswer: HAProxy answered something else.
var ErrAnswer = errors.New("bootvolume: not an answer of HAProxy's runtime API")

// ReadRuntime asks a running HAProxy. Similar To: show info; show stat; show
// servers state.
func ReadRuntime(ctx context.Context, dial Dialer, host string) (Runtime, error) {
	r := Runtime{Host: host}
	for _, ask := range []struct {
		command string
		read    func(io.Reader) error
	}{{"show info", r.info}, {"show stat", r.stat}, {"show servers state", r.state}} {
		if err := r.ask(ctx, dial, ask.command, ask.read); err != nil {
			return Runtime{}, fmt.Errorf("%s: %s: %w", host, ask.command, err)
		}
	}
	return r, nil
}

func (r *Runtime) ask(ctx context.Context, dial Dialer, command string, read func(io.Reader) error) error {
	c, err := dial(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })()
	if _, err := c.Write([]byte(command + "\n")); err != nil {
		return err
	}
	err = read(io.LimitReader(c, maxAnswer))
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

func (r *Runtime) info(in io.Reader) error {
	found := false
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ": ")
		switch name {
		case "Maxconn":
			found = true
			r.Most = number(value)
		case "CurrConns":
			r.Connections = number(value)
		case "Pid", "Start_time_sec":
			r.Worker += name + " " + strings.TrimSpace(value) + " "
			if name != "Pid" && number(value) > 0 {
				r.Started = time.Unix(number(value), 0)
			}
		}
	}
	if err := lines.Err(); err != nil || found {
		return err
	}
	return fmt.Errorf("%w: no Maxconn", ErrAnswer)
}

// stat reads the CSV of "show stat" by the names of its columns.
func (r *Runtime) stat(in io.Reader) error {
	rows := csv.NewReader(in)
	rows.FieldsPerRecord, rows.LazyQuotes = -1, true
	head, err := rows.Read()
	if err != nil || len(head) < 2 || head[0] != "# pxname" || head[1] != "svname" {
		return fmt.Errorf("%w: the columns are %.80q: %w", ErrAnswer, head, err)
	}
	for {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%w: %w", ErrAnswer, err)
		}
		if len(row) < 2 {
			continue // the empty line at the end
		}
		r.Servers = append(r.Servers, liveOf(head, row))
	}
}

func liveOf(head, row []string) Live {
	named := make(map[string]string, len(head))
	for i, name := range head[1:] {
		if i+1 < len(row) {
			named[name] = row[i+1]
		}
	}
	n := func(name string) int64 { return number(named[name]) }
	return Live{
		Proxy: row[0], Server: row[1], Address: named["addr"], Mode: named["mode"], Status: named["status"], LastCheck: named["last_chk"],
		Balance: named["algo"], Backup: n("bck") > 0 && row[1] != "BACKEND", Weight: n("weight"), Sessions: n("scur"), Peak: n("smax"), Limit: n("slim"), Queue: n("qcur"), QueuePeak: n("qmax"),
		Refused: n("econ"), Broken: n("eresp"), Retried: n("wretr"), Elsewhere: n("wredis"),
	}
}

// Bits of srv_admin_state (include/haproxy/server-t.h of HAProxy 2.6).
const (
	forcedMaint = 0x01
	forcedDrain = 0x08
)

// state reads what operators set from "show servers state".
func (r *Runtime) state(in io.Reader) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 1<<20)
	column := map[string]int{}
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		switch {
		case len(words) > 2 && words[0] == "#":
			for i, name := range words[1:] {
				column[name] = i
			}
		case len(words) > max(column["srv_admin_state"], column["srv_name"], column["be_name"]) && len(column) > 0:
			r.set(words[column["be_name"]], words[column["srv_name"]], func(l *Live) {
				l.operated(number(words[column["srv_admin_state"]]))
				l.more(column, words)
			})
		}
	}
	if err := lines.Err(); err != nil || column["srv_admin_state"] > 0 {
		return err
	}
	return fmt.Errorf("%w: no srv_admin_state", ErrAnswer)
}

// set changes a server of "show stat" by what another answer says of it.
func (r *Runtime) set(proxy, server string, change func(*Live)) {
	for i, s := range r.Servers {
		if s.Proxy == proxy && s.Server == server {
			change(&r.Servers[i])
		}
	}
}

func (l *Live) operated(state int64) {
	switch {
	case state&forcedMaint != 0:
		l.Admin = "maint"
	case state&forcedDrain != 0:
		l.Admin = "drain"
	}
}

// more takes what "show stat" rounds, or tells only to level operator.
func (l *Live) more(column map[string]int, words []string) {
	of := func(name string) string {
		if i, ok := column[name]; ok && i < len(words) && words[i] != "-" {
			return words[i]
		}
		return ""
	}
	if w := of("srv_uweight"); w != "" {
		l.Weight = number(w)
	}
	if addr, port := of("srv_addr"), of("srv_port"); l.Address == "" && addr != "" && port != "" {
		l.Address = net.JoinHostPort(addr, port)
	}
}

func number(text string) int64 {
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil {
		return 0
	}
	return n
}
