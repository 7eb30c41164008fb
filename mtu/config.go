package mtu

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/stackmend/stackmend/internal/oslo"
)

// ReadNova reads what nova.conf says about VLANs (nova-network's
// vlan_interface, nova/network/linux_net.py at tag 2014.2). Files are read in
// the order of the service's command line; a folder stands for --config-dir.
func ReadNova(fsys fs.FS, names ...string) (Config, error) {
	f, err := openConfig(fsys, names)
	if err != nil {
		return Config{}, err
	}
	var c Config
	s, err := f.get("", "vlan_interface")
	if s.Set() && s.Value != "" {
		c.VLANInterface = append(c.VLANInterface, s)
	}
	return c, err
}

// ReadNeutron reads what neutron.conf, ml2_conf.ini and the agents' files say
// about MTUs and physical networks (neutron/conf/plugins/ml2/config.py,
// neutron/conf/common.py and neutron/conf/plugins/ml2/drivers/*.py at tag
// 21.0.0).
func ReadNeutron(fsys fs.FS, names ...string) (Config, error) {
	f, err := openConfig(fsys, names)
	if err != nil {
		return Config{}, err
	}
	var c Config
	var errs []error
	for _, o := range []struct {
		group, name string
		to          *Setting
	}{
		{"", "global_physnet_mtu", &c.GlobalPhysnetMTU},
		{"ml2", "path_mtu", &c.PathMTU},
		{"ml2", "physical_network_mtus", &c.PhysnetMTUs},
		{"ml2", "overlay_ip_version", &c.OverlayIPVersion},
		{"ml2", "mechanism_drivers", &c.MechanismDrivers},
		{"ml2_type_geneve", "max_header_size", &c.GeneveHeader},
	} {
		s, err := f.get(o.group, o.name)
		errs = append(errs, err)
		*o.to = s
	}
	for _, o := range []oslo.Option{
		{Group: "linux_bridge", Name: "physical_interface_mappings"}, {Group: "linux_bridge", Name: "bridge_mappings"},
		{Group: "ovs", Name: "bridge_mappings"}, {Group: "sriov_nic", Name: "physical_device_mappings"},
	} {
		s, err := f.get(o.Group, o.Name)
		errs = append(errs, err)
		m, err := mappings(s)
		errs = append(errs, err)
		c.Mappings = append(c.Mappings, m...)
	}
	errs = append(errs, c.numbers())
	return c, errors.Join(errs...)
}

// numbers refuses values that are none, so that nothing is reckoned with
// them.
func (c *Config) numbers() error {
	var errs []error
	for _, s := range []Setting{c.GlobalPhysnetMTU, c.PathMTU, c.OverlayIPVersion, c.GeneveHeader} {
		if _, err := s.number(0); err != nil {
			errs = append(errs, err)
		}
	}
	_, err := c.physnetMTUs()
	return errors.Join(append(errs, err)...)
}

// configFiles is the merged configuration and the text that it was read
// from: the text knows the line.
type configFiles struct {
	oslo  *oslo.Config
	files []configFile
}

type configFile struct {
	name string
	text []byte
}

func openConfig(fsys fs.FS, names []string) (*configFiles, error) {
	if len(names) == 0 {
		return nil, errors.New("mtu: no configuration file was named")
	}
	c, err := oslo.Read(fsys, names...)
	if err != nil {
		return nil, fmt.Errorf("mtu: %w", err)
	}
	f := &configFiles{oslo: c}
	for _, name := range names {
		found, err := fs.Glob(fsys, path.Join(name, "*.conf"))
		if err != nil || len(found) == 0 {
			found = []string{name}
		}
		for _, n := range found {
			text, err := fs.ReadFile(fsys, n)
			if err != nil {
				return nil, fmt.Errorf("mtu: %w", err)
			}
			f.files = append(f.files, configFile{n, text})
		}
	}
	return f, nil
}

func (f *configFiles) get(group, name string) (Setting, error) {
	if group == "" {
		group = "DEFAULT"
	}
	value, found, err := f.oslo.Get(oslo.Option{Group: group, Name: name})
	if err != nil || !found {
		if err != nil {
			err = fmt.Errorf("mtu: %w", err)
		}
		return Setting{}, err
	}
	return Setting{Section: group, Key: name, Value: value, Source: f.source(group, name)}, nil
}

// source finds the last line that sets an option.
func (f *configFiles) source(group, name string) string {
	at := ""
	for _, file := range f.files {
		if n := lineOf(file.text, group, name); n > 0 {
			at = fmt.Sprintf("%s:%d", file.name, n)
		}
	}
	return at
}

func lineOf(text []byte, group, name string) int {
	section, line, found := "DEFAULT", 0, 0
	sc := bufio.NewScanner(bytes.NewReader(text))
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		line++
		t := sc.Text()
		if s, ok := strings.CutPrefix(t, "["); ok {
			section, _, _ = strings.Cut(s, "]")
			continue
		}
		key, _, ok := cutAny(t, "=:")
		if ok && section == group && strings.ReplaceAll(strings.TrimSpace(key), "-", "_") == name {
			found = line
		}
	}
	return found
}

func cutAny(s, chars string) (before, after string, ok bool) {
	if i := strings.IndexAny(s, chars); i >= 0 {
		return s[:i], s[i+1:], true
	}
	return s, "", false
}

// mappings reads physnet:interface pairs.
func mappings(s Setting) ([]Mapping, error) {
	var out []Mapping
	for _, word := range strings.Split(s.Value, ",") {
		if word = strings.TrimSpace(word); word == "" {
			continue
		}
		physnet, iface, ok := strings.Cut(word, ":")
		if !ok || physnet == "" || iface == "" {
			return out, fmt.Errorf("mtu: %s: %q is not physnet:interface", s.Source, word)
		}
		out = append(out, Mapping{strings.TrimSpace(physnet), strings.TrimSpace(iface), s})
	}
	return out, nil
}

// BridgeMappings reads the value of OVN's external_ids:ovn-bridge-mappings,
// which is in no file but in Open vSwitch's database (`ovs-vsctl get
// Open_vSwitch . external_ids:ovn-bridge-mappings`).
func BridgeMappings(value, source string) ([]Mapping, error) {
	return mappings(Setting{Section: "external_ids", Key: "ovn-bridge-mappings", Value: strings.Trim(value, "\"\n "), Source: source})
}
