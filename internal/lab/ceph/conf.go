package ceph

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/template"
)

// conf is the cluster's configuration. What the defaults of a data centre
// would make slow here is small: recovery does not sleep, heartbeats are
// quick, and an OSD takes the first report of a neighbour for true.
var conf = template.Must(template.New("ceph.conf").Parse(`[global]
fsid = {{.FSID}}
mon host = [v2:127.0.0.1:{{.V2}},v1:127.0.0.1:{{.V1}}]
public addr = 127.0.0.1
cluster addr = 127.0.0.1
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
auth allow insecure global id reclaim = false
keyring = {{.Dir}}/keyring.$name
run dir = {{.Dir}}/asok
admin socket = {{.Dir}}/asok/$name.asok
log file = {{.Dir}}/log/$name.log
pid file = {{.Dir}}/pid/$name.pid
crash dir = {{.Dir}}/crash
log to stderr = false
err to stderr = true
mon allow pool delete = true
osd pool default size = 3
osd pool default min size = 2
osd pool default pg autoscale mode = off
mon data avail warn = 2
mon data avail crit = 1
[client]
admin socket =
log file =
[mon]
keyring = {{.Dir}}/mon.a/keyring
mon data = {{.Dir}}/mon.a
mon cluster log file = {{.Dir}}/log/cluster.log
mon osd min down reporters = 1
mon osd down out interval = 600
paxos propose interval = 0.05
mon warn on insecure global id reclaim allowed = false
[mgr]
mgr data = {{.Dir}}/mgr.x
mgr initial modules = iostat
[osd]
osd data = {{.Dir}}/$name
osd objectstore = bluestore
bluestore block size = 2147483648
bluestore block create = true
osd memory target = 939524096
osd memory cache min = 33554432
osd memory base = 134217728
osd heartbeat grace = 6
osd heartbeat interval = 2
osd op queue = wpq
osd recovery sleep hdd = 0
{{range $id, $host := .Hosts}}[osd.{{$id}}]
crush location = host={{$host}} root=default
{{end}}`))

type confData struct {
	FSID, Dir, V1, V2 string
	Hosts             []string // of each OSD
}

// Host is the CRUSH host of an OSD.
func (c *Cluster) Host(osd int) string { return "host" + strconv.Itoa(osd/c.each) }

// writeConf makes the folders and the configuration of a cluster in dir.
func (c *Cluster) writeConf() error {
	for _, d := range []string{"mon.a", "mgr.x", "asok", "log", "pid", "crash"} {
		if err := os.MkdirAll(filepath.Join(c.Dir, d), 0o700); err != nil {
			return err
		}
	}
	v1, v2, err := freePorts()
	if err != nil {
		return err
	}
	var hosts []string
	for id := range c.Size {
		hosts = append(hosts, c.Host(id))
	}
	var b strings.Builder
	if err := conf.Execute(&b, confData{c.FSID, c.Dir, v1, v2, hosts}); err != nil {
		return err
	}
	c.addr = "[v2:127.0.0.1:" + v2 + ",v1:127.0.0.1:" + v1 + "]"
	return os.WriteFile(c.Conf, []byte(b.String()), 0o600)
}

// freePorts returns two ports of loopback that were free a moment ago.
func freePorts() (v1, v2 string, err error) {
	var ports [2]string
	for i := range ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return "", "", err
		}
		defer l.Close()
		if _, ports[i], err = net.SplitHostPort(l.Addr().String()); err != nil {
			return "", "", err
		}
	}
	return ports[0], ports[1], nil
}
