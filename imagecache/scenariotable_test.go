package imagecache

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write what was seen into the documentation")

const tableFile = "../docs/imagecache-nova.md"

// The first two paragraphs name the version and are not compared.
const tableText = `# What nova deletes, and what stackmend keeps

Seen with nova %s.

A test (TestScenarios of package imagecache) builds each of these trees from
real qcow2 images, asks stackmend for its plan, then runs the image cache
manager of the real nova over it with nova's defaults, and compares this page
with what it saw. Three computes share the directory, c01 to c03, with a guest
each on the base images A_10 to C_10; nothing needs U_10; every base image was
last touched 30 days ago. Nova's pass runs on c01.

| scenario | what is wrong | nova deletes | guests lost | stackmend plans | why the needed image is kept |
|---|---|---|---|---|---|
%s

down23h is the control: nova counts a host for 24 hours. U_10 alone is unused,
and stackmend takes it only where every host is accounted for.
`

// compareTable holds the documentation to what was just seen.
func compareTable(t *testing.T, version string, rows []string) {
	t.Helper()
	got := fmt.Sprintf(tableText, version, strings.Join(rows, "\n"))
	if *update {
		if err := os.MkdirAll(filepath.Dir(tableFile), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(tableFile, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(tableFile)
	if err != nil {
		t.Fatalf("%v: go test -run TestScenarios ./imagecache -update writes it", err)
	}
	if afterVersion(string(want)) != afterVersion(got) {
		t.Errorf("%s is not what was seen (-update writes it):\n%s", tableFile, got)
	}
}

func afterVersion(page string) string {
	parts := strings.SplitN(page, "\n\n", 3)
	return parts[len(parts)-1]
}
