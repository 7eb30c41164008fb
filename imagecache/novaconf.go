package imagecache

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Config is what nova.conf says of the image cache. The zero Config was not
// read, and permits nothing to be concluded.
type Config struct {
	Read           bool
	RemoveUnused   bool          // image_cache.remove_unused_base_images
	Interval       time.Duration // image_cache.manager_interval; negative: the manager is off
	OriginalMinAge time.Duration // image_cache.remove_unused_original_minimum_age_seconds
	ResizedMinAge  time.Duration // image_cache.remove_unused_resized_minimum_age_seconds
	ImagesType     string        // libvirt.images_type
	Subdir         string        // image_cache.subdirectory_name
}

// Options gives the values of an oslo.config file.
type Options interface {
	Get(group, key string) (value string, ok bool)
}

// ParseConfig reads the options with nova's defaults, and the names that they
// had in older releases (nova/conf/imagecache.py and libvirt.py, 26.2.2).
func ParseConfig(o Options) (Config, error) {
	p := options{o: o}
	c := Config{
		Read: true,
		RemoveUnused: p.boolean(true, "image_cache.remove_unused_base_images",
			"DEFAULT.remove_unused_base_images"),
		Interval: p.seconds(2400, "image_cache.manager_interval",
			"DEFAULT.image_cache_manager_interval"),
		OriginalMinAge: p.seconds(24*3600, "image_cache.remove_unused_original_minimum_age_seconds",
			"DEFAULT.remove_unused_original_minimum_age_seconds"),
		ResizedMinAge: p.seconds(3600, "image_cache.remove_unused_resized_minimum_age_seconds",
			"libvirt.remove_unused_resized_minimum_age_seconds"),
		ImagesType: p.text("default", "libvirt.images_type", "DEFAULT.libvirt_images_type"),
		Subdir: p.text("_base", "image_cache.subdirectory_name",
			"DEFAULT.image_cache_subdirectory_name"),
	}
	if p.err == nil && !validName(c.Subdir) {
		p.err = fmt.Errorf("imagecache: subdirectory_name %q is not one plain name", c.Subdir)
	}
	if p.err != nil {
		return Config{}, p.err
	}
	return c, nil
}

// options keeps the first error, so that the list above reads as a list.
type options struct {
	o   Options
	err error
}

func (p *options) text(def string, names ...string) string {
	for _, n := range names {
		group, key, _ := strings.Cut(n, ".")
		if v, ok := p.o.Get(group, key); ok {
			return v
		}
	}
	return def
}

func (p *options) seconds(def int64, names ...string) time.Duration {
	s := p.text(strconv.FormatInt(def, 10), names...)
	n, err := strconv.ParseInt(strings.TrimSpace(s), 10, 32)
	if err != nil || n < -1 {
		p.fail(names[0], s)
	}
	return time.Duration(n) * time.Second
}

// boolean knows the words of oslo.config.
func (p *options) boolean(def bool, names ...string) bool {
	s := p.text(strconv.FormatBool(def), names...)
	switch strings.ToLower(strings.TrimSpace(s)) {
	case "true", "1", "yes", "on":
		return true
	case "false", "0", "no", "off":
		return false
	}
	p.fail(names[0], s)
	return false
}

func (p *options) fail(name, value string) {
	if p.err == nil {
		p.err = fmt.Errorf("imagecache: nova.conf: %s is %q", name, value)
	}
}
