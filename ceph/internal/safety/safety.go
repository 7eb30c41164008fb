// Package safety asks a cluster whether an OSD may be stopped, and whether the
// one that was stopped before is back. Each question has one answer: nil for
// yes, an error that is stackmend.ErrRefused for no, any other error for not
// known. None of them guesses.
package safety

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/ceph"
)

// stopPoll is how soon a refused stop is asked about again.
const stopPoll = 2 * time.Second

// wait is how long a daemon may take for one answer.
const wait = 15 * time.Second

// ask puts a command and decodes its JSON.
func ask(ctx context.Context, to ceph.Commander, c ceph.Command, v any) error {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	body, err := ceph.Ask(ctx, to, c)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(body, v); err != nil {
		return fmt.Errorf("ceph: %s: %w", c, err)
	}
	return nil
}

func mon(prefix string) ceph.Command {
	return ceph.Command{To: ceph.Target{Kind: ceph.KindMon}, Prefix: prefix}
}

func refuse(format string, a ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{stackmend.ErrRefused}, a...)...)
}

// Trust reports whether what the manager says is worth asking for: one is
// available, and it knows the state of every placement group.
func Trust(ctx context.Context, to ceph.Commander) error {
	var mgr struct {
		Available *bool
		Name      string `json:"active_name"`
	}
	if err := ask(ctx, to, mon("mgr dump"), &mgr); err != nil {
		return err
	}
	switch {
	case mgr.Available == nil:
		return errors.New("ceph: mgr dump does not say whether the manager is available")
	case !*mgr.Available:
		return refuse("no manager is available: nobody knows the placement groups' state")
	}
	var status struct {
		PGMap *struct {
			States *[]struct {
				Name  string `json:"state_name"`
				Count int
			} `json:"pgs_by_state"`
		}
	}
	if err := ask(ctx, to, mon("status"), &status); err != nil {
		return err
	}
	if status.PGMap == nil || status.PGMap.States == nil {
		return errors.New("ceph: status without the states of placement groups")
	}
	for _, s := range *status.PGMap.States {
		if strings.Contains(s.Name, "unknown") || strings.Contains(s.Name, "stale") {
			return refuse("%d placement groups are %s: the manager does not know their state", s.Count, s.Name)
		}
	}
	return nil
}

// OKToStop asks the manager, in one question, whether all of these OSDs may be
// stopped together: each alone may be safe where together they are not. It reads
// the body, not the status, and the text that releases before 14.2.22, 15.2.11
// and 16.2.0 answer with (src/mgr/DaemonServer.cc at v12.2.13 and v15.2.5).
func OKToStop(ctx context.Context, to ceph.Commander, osds ...int) error {
	return okToStop(ctx, to, Policy{}, osds)
}

// okToStop takes it for a yes, if the policy permits degraded placement groups,
// when all that the manager objects to is inactive already.
func okToStop(ctx context.Context, to ceph.Commander, p Policy, osds []int) error {
	if len(osds) == 0 {
		return refuse("ok-to-stop of no OSD")
	}
	ids := make([]string, len(osds))
	for i, id := range osds {
		ids[i] = strconv.Itoa(id)
	}
	c := ceph.Command{To: ceph.Target{Kind: ceph.KindMgr}, Prefix: "osd ok-to-stop", Args: []ceph.Arg{{Name: "ids", Value: ids}}}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	body, err := ceph.Ask(ctx, to, c)
	return readOKToStop(p, osds, body, err)
}

// okJSON is the answer. Some ways to ask wrap it once more.
type okJSON struct {
	OK      json.RawMessage `json:"ok_to_stop"`
	OSDs    []int           `json:"osds"`
	NotOK   *int            `json:"num_not_ok_pgs"`
	Bad     []string        `json:"bad_become_inactive"`
	Already []string        `json:"bad_already_inactive"`
}

// busy is EBUSY: "no", which is an answer. EAGAIN is none.
const busy = 16

func readOKToStop(p Policy, osds []int, body []byte, err error) error {
	var said *ceph.CommandError
	if err != nil && (!errors.As(err, &said) || said.Code != busy) {
		return err
	}
	text := strings.TrimSpace(string(body))
	if !strings.HasPrefix(text, "{") {
		if said != nil {
			return refuse("the manager says: %s", strings.TrimSpace(said.Status))
		}
		return readOKText(osds, text)
	}
	var j okJSON
	if bad := json.Unmarshal(body, &j); bad != nil {
		return fmt.Errorf("ceph: osd ok-to-stop: %w", bad)
	}
	if inner := j.OK; len(inner) > 0 && inner[0] == '{' {
		if j = (okJSON{}); json.Unmarshal(inner, &j) != nil {
			return fmt.Errorf("ceph: osd ok-to-stop: unexpected form of the answer: %.200s", text)
		}
	}
	return j.judge(p, osds, said)
}

func (j okJSON) judge(p Policy, osds []int, said *ceph.CommandError) error {
	switch ok := string(j.OK); {
	case ok != "true" && ok != "false" || j.NotOK == nil:
		return errors.New("ceph: the answer to osd ok-to-stop does not say yes or no")
	case p.Degraded && *j.NotOK > 0 && len(j.Already) == *j.NotOK && j.allAlready():
		// What is inactive already is not made worse.
	case ok == "false" || *j.NotOK > 0 || said != nil:
		return refuse("the manager says that stopping %v would make %d placement groups inactive (%s)", osds, *j.NotOK,
			strings.Join(append(j.Already, j.Bad...), " "))
	}
	for _, id := range osds {
		if !slices.Contains(j.OSDs, id) {
			return fmt.Errorf("ceph: the answer to osd ok-to-stop is not about osd.%d but about %v", id, j.OSDs)
		}
	}
	return nil
}

// allAlready reports whether all that would become inactive is so already: the
// manager names such placement groups in both lists.
func (j okJSON) allAlready() bool {
	return !slices.ContainsFunc(j.Bad, func(pg string) bool { return !slices.Contains(j.Already, pg) })
}

// readOKText reads "OSD(s) 1,2 are ok to stop without reducing availability..".
func readOKText(osds []int, text string) error {
	list, ok := strings.CutPrefix(text, "OSD(s) ")
	list, rest, cut := strings.Cut(list, " ")
	if !ok || !cut || !strings.HasPrefix(rest, "are ok to stop without reducing availability") {
		return fmt.Errorf("ceph: the answer to osd ok-to-stop is not understood: %.200q", text)
	}
	said := strings.Split(list, ",")
	for _, id := range osds {
		if !slices.Contains(said, strconv.Itoa(id)) {
			return fmt.Errorf("ceph: the answer to osd ok-to-stop is not about osd.%d: %.200q", id, text)
		}
	}
	return nil
}
