package openstack

import (
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/template"
)

//go:embed files
var files embed.FS

// setting is what the templates of the configuration files are filled with.
type setting struct {
	*Cloud
	Cell     string // cell1 or cell2
	Host     string // of a compute
	Database bool   // computes have no access to it
	Volumes  string // the URL of cinder's database; see SpreadVolumes
}

// DB is the database of a service.
func (s setting) DB(name string) string {
	return fmt.Sprintf("mysql+pymysql://nova:nova@%s:3306/%s?charset=utf8", s.Addr, name)
}

// CellDB is the database of a cell; that of cell2 is behind the relay.
func (s setting) CellDB(cell string) string {
	if cell == "cell2" {
		return strings.Replace(s.DB("nova_cell2"), ":3306", ":3307", 1)
	}
	return s.DB("nova_cell1")
}

// Rabbit is the message queue of a cell.
func (s setting) Rabbit(cell string) string {
	return fmt.Sprintf("rabbit://guest:guest@%s:5672/%s", s.Addr, map[string]string{"cell2": "cell2"}[cell])
}

// configure writes every file that the services read.
func (c *Cloud) configure() error {
	for _, d := range []string{"instances", "conf/nova", "log", "py", "state/fernet", "state/cred", "state/glance/images", "state/glance/staging",
		"state/glance/tasks", "state/nova", "state/neutron", "state/cinder", "state/rabbit"} {
		if err := os.MkdirAll(filepath.Join(c.Dir, d), 0o700); err != nil {
			return err
		}
	}
	if err := c.copyFiles(); err != nil {
		return err
	}
	api := setting{Cloud: c, Cell: "cell1", Database: true}
	api.Volumes = api.DB("cinder")
	for _, name := range []string{"keystone.conf", "placement.conf", "glance-api.conf", "neutron.conf", "cinder.conf"} {
		if err := c.render(name, name, api); err != nil {
			return err
		}
	}
	if err := c.render("nova.conf", "nova/nova.conf", api); err != nil {
		return err
	}
	if err := c.render("nova.conf", "nova-cell2.conf", setting{Cloud: c, Cell: "cell2", Database: true}); err != nil {
		return err
	}
	for _, host := range Computes {
		if err := c.render("nova.conf", host+".conf", setting{Cloud: c, Cell: cellOf(host), Host: host}); err != nil {
			return err
		}
	}
	return c.configureRabbit()
}

func cellOf(host string) string {
	if host == "c03" {
		return "cell2"
	}
	return "cell1"
}

// copyFiles copies what needs no filling in.
func (c *Cloud) copyFiles() error {
	entries, err := files.ReadDir("files")
	if err != nil {
		return err
	}
	for _, e := range entries {
		to := ""
		switch filepath.Ext(e.Name()) {
		case ".py":
			to = "py/" + e.Name()
		case ".ini":
			to = "conf/" + e.Name()
		default:
			continue
		}
		b, err := files.ReadFile("files/" + e.Name())
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(c.Dir, to), b, 0o600); err != nil {
			return err
		}
	}
	return os.Rename(filepath.Join(c.Dir, "conf/nova-api-paste.ini"), filepath.Join(c.Dir, "conf/nova/api-paste.ini"))
}

func (c *Cloud) render(name, to string, s setting) error {
	t, err := template.ParseFS(files, "files/"+name, "files/auth.tmpl")
	if err != nil {
		return err
	}
	f, err := os.Create(filepath.Join(c.Dir, "conf", to))
	if err != nil {
		return err
	}
	defer f.Close()
	return t.Execute(f, s)
}

// configureRabbit gives the user guest a virtual host for each cell.
func (c *Cloud) configureRabbit() error {
	all := func(vhost string) map[string]string {
		return map[string]string{"user": "guest", "vhost": vhost, "configure": ".*", "write": ".*", "read": ".*"}
	}
	sum := sha256.Sum256([]byte("saltguest"))
	definitions, err := json.Marshal(map[string]any{
		"vhosts":      []any{map[string]string{"name": "/"}, map[string]string{"name": "cell2"}},
		"permissions": []any{all("/"), all("cell2")},
		"users": []any{map[string]any{"name": "guest", "tags": []string{"administrator"}, "hashing_algorithm": "rabbit_password_hashing_sha256",
			"password_hash": base64.StdEncoding.EncodeToString(append([]byte("salt"), sum[:]...))}},
	})
	if err != nil {
		return err
	}
	conf := filepath.Join(c.Dir, "conf")
	for name, text := range map[string]string{
		"definitions.json": string(definitions),
		"rabbitmq.conf":    "load_definitions = " + filepath.Join(conf, "definitions.json") + "\n",
		"rabbitmq-plugins": "[].\n",
	} {
		if err := os.WriteFile(filepath.Join(conf, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}
