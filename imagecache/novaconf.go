package imagecache

import (
	"fmt"
	"io/fs"
	"time"

	"github.com/stackmend/stackmend/internal/oslo"
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

// ReadConfig reads the files of nova-compute's command line, in their order;
// a directory stands for --config-dir. What they do not say has nova's
// default; options are also found under the names that they had in older
// releases (nova/conf/imagecache.py and libvirt.py, 26.2.2). A file that is
// not there is compatible with errors.Is(err, fs.ErrNotExist).
func ReadConfig(fsys fs.FS, names ...string) (Config, error) {
	o, err := oslo.Read(fsys, names...)
	if err != nil {
		return Config{}, err
	}
	p := options{o: o}
	c := Config{
		Read:           true,
		RemoveUnused:   p.boolean(true, opt("remove_unused_base_images"), former("DEFAULT", "remove_unused_base_images")),
		Interval:       p.seconds(2400, opt("manager_interval"), former("DEFAULT", "image_cache_manager_interval")),
		OriginalMinAge: p.seconds(24*3600, opt(originalAge), former("DEFAULT", originalAge)),
		ResizedMinAge:  p.seconds(3600, opt(resizedAge), former("libvirt", resizedAge)),
		ImagesType:     p.text("default", former("libvirt", "images_type"), former("DEFAULT", "libvirt_images_type")),
		Subdir:         p.text("_base", opt("subdirectory_name"), former("DEFAULT", "image_cache_subdirectory_name")),
	}
	if p.err == nil && !validName(c.Subdir) {
		p.err = fmt.Errorf("imagecache: subdirectory_name %q is not one plain name", c.Subdir)
	}
	if p.err != nil {
		return Config{}, p.err
	}
	return c, nil
}

const (
	originalAge = "remove_unused_original_minimum_age_seconds"
	resizedAge  = "remove_unused_resized_minimum_age_seconds"
)

func opt(name string) oslo.Option           { return oslo.Option{Group: "image_cache", Name: name} }
func former(group, name string) oslo.Option { return oslo.Option{Group: group, Name: name} }

// options keeps the first error, so that the list above reads as a list.
type options struct {
	o   *oslo.Config
	err error
}

func (p *options) text(def string, now, before oslo.Option) string {
	v, found, err := p.o.Get(now, before)
	p.fail(err)
	if !found {
		return def
	}
	return v
}

func (p *options) seconds(def int64, now, before oslo.Option) time.Duration {
	v, found, err := p.o.Int(now, before)
	p.fail(err)
	if !found {
		v = def
	}
	if v < -1 || v > 1<<31 {
		p.fail(fmt.Errorf("imagecache: nova.conf: %s is %d seconds", now, v))
		return 0
	}
	return time.Duration(v) * time.Second
}

func (p *options) boolean(def bool, now, before oslo.Option) bool {
	v, found, err := p.o.Bool(now, before)
	p.fail(err)
	if !found {
		return def
	}
	return v
}

func (p *options) fail(err error) {
	if p.err == nil {
		p.err = err
	}
}
