package ceph

import (
	"github.com/stackmend/stackmend"
)

// findHealth passes on what Ceph itself complains of, so that nothing that it
// has seen is called OK here.
func findHealth(o Observed, _ Policy) []stackmend.Finding {
	var f stackmend.Finding
	for _, c := range o.Cluster.Health.Checks {
		if c.Muted {
			continue
		}
		status := stackmend.Warn
		if c.Severity == "HEALTH_ERR" {
			status = stackmend.Fail
		}
		if len(f.Evidence) == 0 {
			f = finding(status, "cluster", "Ceph itself says %s", o.Cluster.Health.Status)
		}
		f.Status = stackmend.Worst(f.Status, status)
		f.Evidence = append(f.Evidence, seen("health detail", "%s: %s", c.Code, c.Summary))
	}
	if len(f.Evidence) == 0 {
		return nil
	}
	f.Fix = "the other findings may explain it; `ceph health detail` tells more"
	return []stackmend.Finding{f}
}
