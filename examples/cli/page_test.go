package cli_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stackmend/stackmend"
	"github.com/stackmend/stackmend/examples/cli"
	"github.com/stackmend/stackmend/internal/lab"
	"github.com/stackmend/stackmend/internal/svg"
)

// hostile is a result whose every text tries to be more than text.
func hostile() stackmend.Result {
	const evil = "<script>alert(1)</script>\x1b[2J\u202e\" onload=\"x \xff" + "http://203.0.113.1/x.png"
	plan := &stackmend.Plan{Check: "c", Subject: evil, Expires: time.Unix(1e9, 0), Refusals: []string{evil}, Unseen: []string{evil},
		Steps: []stackmend.Step{{Verb: "v", Target: evil, Reason: evil, Cost: stackmend.Cost{Bytes: 1 << 20}}},
		Kept:  []stackmend.Kept{{Target: evil, Reason: strings.Repeat("long", 200)}}}
	return stackmend.Result{Check: "c", Subject: evil, Status: stackmend.Fail, Plan: plan, Finished: time.Unix(1e9, 0),
		Findings: []stackmend.Finding{{Code: "x", Status: stackmend.Warn, Subject: evil, Message: strings.Repeat("/long/path", 40), Fix: evil,
			Confidence: stackmend.High, Evidence: []stackmend.Evidence{{Source: evil, Value: evil, At: time.Unix(1e9, 0), Against: true}}}},
		Outcomes: []stackmend.Outcome{{State: stackmend.Refused, Note: evil + "\nstack"}}}
}

func hostilePage(t *testing.T) string {
	t.Helper()
	var p svg.Picture
	p.Box(0, 0, 900, svg.Culprit, "</text><script>alert(1)</script>")
	var pic, out bytes.Buffer
	if _, err := p.WriteTo(&pic); err != nil {
		t.Fatal(err)
	}
	r := hostile()
	page := cli.Page{Title: "t", Lead: "<b>", Sections: []cli.Section{{Name: "a b", Title: "A", Parts: []cli.Part{
		{Title: "found", Result: &r}, {Verbose: strings.Repeat("wide ", 100)}, {SVG: pic.Bytes(), Caption: "<i>"}}}, {Name: "b"}}}
	if _, err := page.WriteTo(&out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestPageHoldsTextAsText(t *testing.T) {
	page := hostilePage(t)
	for _, never := range []string{"<script", "\x1b", "\u202e", "\xff", "onload=\"", "stack"} {
		if strings.Contains(page, never) {
			t.Errorf("the page has %q", never)
		}
	}
	if external := regexp.MustCompile(`(src|href)="(http|//)`).FindString(page); external != "" {
		t.Error(external)
	}
	for _, want := range []string{"&lt;script&gt;", "against: ", "confidence high", "data:image/svg", "1 kept", "1.0 MiB", `class="badge refused"`} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
}

// measure is a page that shows another one in a frame as wide as a phone and
// says how it came out.
const measure = `<iframe id=f width=390 height=800 src=/page></iframe><p id=said></p><script>
onload = () => { const d = f.contentDocument, e = d.documentElement
said.textContent = [e.scrollWidth <= e.clientWidth, [...d.images].every(i => i.complete && i.naturalWidth > 0), f.contentWindow.getComputedStyle(d.body).backgroundColor].join(' ') }
</script>`

// TestPageInBrowser looks at the page with Chromium: nothing sticks out on a
// phone, pictures are drawn, nothing is asked for, and it is dark at night.
func TestPageInBrowser(t *testing.T) {
	lab.Need(t, "chromium")
	page := hostilePage(t)
	var mu sync.Mutex
	asked := map[string]bool{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		asked[r.URL.Path] = true
		mu.Unlock()
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprint(w, map[string]string{"/page": page, "/": measure}[r.URL.Path])
	}))
	defer server.Close()
	said := map[string]string{}
	for scheme, number := range map[string]string{"dark": "0", "light": "1"} {
		cmd := exec.Command("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--user-data-dir="+t.TempDir(),
			"--blink-settings=preferredColorScheme="+number, "--virtual-time-budget=10000", "--dump-dom", server.URL+"/")
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		m := regexp.MustCompile(`<p id="said">(true true) (rgb\([0-9, ]+\))</p>`).FindStringSubmatch(string(out))
		if m == nil {
			t.Fatalf("%s: something sticks out or is not drawn:\n%s", scheme, out)
		}
		said[scheme] = m[2]
	}
	if said["dark"] == said["light"] {
		t.Errorf("the same colours by day and by night: %v", said)
	}
	delete(asked, "/favicon.ico") // the browser's own wish for the page that measures
	if len(asked) != 2 {
		t.Errorf("asked for %v", asked)
	}
}
