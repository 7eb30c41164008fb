package watchdog

import (
	"context"
	"encoding/json"
	"strconv"
	"time"

	"github.com/stackmend/stackmend/ceph"
	"github.com/stackmend/stackmend/ceph/supervisor"
)

// A daemon is what an OSD said of its own settings while there was time.
type daemon struct {
	// fast is osd_fast_shutdown: "true", "false"; empty: it did not say, or its
	// release has no such option.
	fast string
	// markdowns ends it for good if it is marked down more often
	// (osd_max_markdown_count within osd_max_markdown_period).
	markdowns supervisor.Limit
}

// defaultMarkdowns stand for a daemon that did not say; they are what 16.2.15
// says (`ceph-conf --show-config-value osd_max_markdown_count`).
var defaultMarkdowns = supervisor.Limit{Burst: 5, Interval: 10 * time.Minute}

// askDaemon asks an OSD for its settings in effect.
func askDaemon(ctx context.Context, to ceph.Commander, osd int) (d daemon) {
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	d.fast = setting(ctx, to, osd, "osd_fast_shutdown")
	count, err1 := strconv.Atoi(setting(ctx, to, osd, "osd_max_markdown_count"))
	period, err2 := strconv.Atoi(setting(ctx, to, osd, "osd_max_markdown_period"))
	if err1 == nil && err2 == nil && count >= 0 && period >= 0 {
		d.markdowns = supervisor.Limit{Burst: count, Interval: time.Duration(period) * time.Second}
	}
	return d
}

// setting is the value that an OSD uses; empty: it did not say.
//
// Similar To: ceph daemon osd.N config get NAME
func setting(ctx context.Context, to ceph.Commander, osd int, name string) string {
	b, err := ceph.Ask(ctx, to, ceph.Command{To: ceph.ToOSD(osd), Prefix: "config get", Args: []ceph.Arg{{Name: "var", Value: name}}})
	var said map[string]string
	if err != nil || json.Unmarshal(b, &said) != nil {
		return ""
	}
	return said[name]
}
