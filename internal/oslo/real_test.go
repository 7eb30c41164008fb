package oslo

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stackmend/stackmend/internal/lab"
)

// python is the interpreter that Debian's packages install into.
const python = "/usr/bin/python3"

// A tree is the files of one case; a name that ends in / is a --config-dir.
type tree struct {
	order []string
	files map[string]string
}

type question struct {
	Args    [][2]string `json:"args"`
	Options [][2]string `json:"options"`
}

type reply struct {
	Error  bool       `json:"error"`
	Values [][]string `json:"values"` // nil: cannot be had
}

func needOslo(t testing.TB) {
	t.Helper()
	lab.Need(t, python)
	if out, err := exec.Command(python, "-c", "import oslo_config.cfg").CombinedOutput(); err != nil {
		lab.Without(t, fmt.Sprintf("python3-oslo.config: %v: %s", err, out))
	}
}

// TestAsOsloReads compares with the real oslo.config, option by option.
func TestAsOsloReads(t *testing.T) {
	needOslo(t)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	cases := handMade()
	for range 600 {
		cases = append(cases, randomTree(r))
	}
	var questions []question
	var ours []reply
	for i, c := range cases {
		dir := filepath.Join(t.TempDir(), fmt.Sprint(i))
		q := c.lay(t, dir)
		mine := mineOf(t, dir, c, &q)
		questions, ours = append(questions, q), append(ours, mine)
	}
	refused := 0
	for i, want := range askOslo(t, questions) {
		if want.Error {
			refused++
		}
		if d := cmp.Diff(want, ours[i], cmpopts.EquateEmpty()); d != "" {
			t.Errorf("oslo.config (-) and this package (+) differ on %q\n%q\n%s", cases[i].files, questions[i].Options, d)
		}
	}
	t.Logf("%d trees, %d of them refused by both", len(cases), refused)
	if refused == len(cases) {
		t.Error("every file was refused: nothing was compared")
	}
}

func askOslo(t *testing.T, qs []question) []reply {
	t.Helper()
	in, err := json.Marshal(qs)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(python, "testdata/real.py")
	cmd.Env = append(os.Environ(), "PYTHONUTF8=1", "PYTHONWARNINGS=ignore")
	cmd.Stdin = bytes.NewReader(in)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	var replies []reply
	if err := json.Unmarshal(out, &replies); err != nil {
		t.Fatal(err)
	}
	return replies
}

// lay writes the files of a tree.
func (c tree) lay(t *testing.T, dir string) (q question) {
	t.Helper()
	for name, body := range c.files {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range c.order {
		kind := "file"
		if strings.HasSuffix(name, "/") {
			kind = "dir"
		}
		q.Args = append(q.Args, [2]string{kind, filepath.Join(dir, name)})
	}
	return q
}

// mineOf reads the tree, puts every option of it into q, and answers q.
func mineOf(t *testing.T, dir string, c tree, q *question) (a reply) {
	t.Helper()
	q.Options = [][2]string{}
	names := make([]string, len(c.order))
	for i, n := range c.order {
		names[i] = strings.TrimSuffix(n, "/")
	}
	conf, err := Read(os.DirFS(dir), names...)
	if err != nil {
		if !errors.Is(err, ErrSyntax) {
			t.Fatal(err)
		}
		return reply{Error: true}
	}
	for _, o := range options(conf) {
		q.Options = append(q.Options, o)
		a.Values = append(a.Values, valuesOf(conf, Option{o[0], o[1]}))
	}
	return a
}

// valuesOf is what is comparable of an option: m... may be given several
// times.
func valuesOf(c *Config, o Option) []string {
	if strings.HasPrefix(o.Name, "m") {
		if v, err := c.All(o); err == nil {
			return v
		}
		return nil
	}
	v, found, err := c.Get(o)
	if err != nil || !found {
		return nil
	}
	return []string{v}
}

func options(c *Config) (all [][2]string) {
	seen := map[[2]string]bool{}
	for _, f := range c.files {
		for group, opts := range f {
			for name := range opts {
				if o := [2]string{group, name}; !seen[o] {
					seen[o] = true
					all = append(all, o)
				}
			}
		}
	}
	return all
}

// handMade are the cases that the documentation of oslo.config names, and
// those that readers of ini files get wrong.
func handMade() []tree {
	one := func(body string) tree { return tree{[]string{"n.conf"}, map[string]string{"n.conf": body}} }
	trees := []tree{
		{[]string{"a.conf", "b.conf"}, map[string]string{"a.conf": "[DEFAULT]\na=1\nb=$a\nma=1\n", "b.conf": "[DEFAULT]\na=2\nma=2\nma=3\n"}},
		{[]string{"d/", "a.conf"}, map[string]string{"a.conf": "[DEFAULT]\na=file\nma=file\n", "d/2.conf": "[DEFAULT]\na=2\nma=2\n", "d/10.conf": "[DEFAULT]\na=10\nma=10\n", "d/x.ini": "nonsense", "d/.h.conf": "nonsense"}},
		{[]string{"a.conf", "d/"}, map[string]string{"a.conf": "[G]\na=file\n[g]\na=second\n", "d/1.conf": "[g]\nb=$a\n"}},
		{[]string{"a.conf"}, map[string]string{"a.conf": "[DEFAULT]\na = \xff\n"}},
	}
	for _, body := range []string{
		"", "# nothing\n; nothing\n", "[DEFAULT]\n", "a=1\n", "[]\n", "[x\n", "[x] # no\n", "[DEFAULT]\nno assignment\n", "[DEFAULT]\n= 1\n", "[DEFAULT]\n  continued\n",
		"[DEFAULT]\na=1\n  two\n\tthree\n\nb=2\n", "[DEFAULT]\na=1\n# between\n  two\n", "[DEFAULT]\na=1\n   \n  two\n", "[DEFAULT]\na = 'x'\nb = \"y'\nc = '\n", "[DEFAULT]\na : 1 = 2\nb = 1 : 2\n",
		"[DEFAULT]\r\na=1\r\n  two\r\n\rb=2\r", "[DEFAULT]\na=$b/x\nb=${c}y\nc=$$d\n", "[DEFAULT]\na=$a\nb=$c\nc=$b\n", "[DEFAULT]\na=$nowhere\nb=${nowhere\nc=$\n", "[DEFAULT]\na=1\nb=$a.x\nc=${a}.x\n",
		"[DEFAULT]\na=d\n[g]\na=g\nb=$a ${DEFAULT.a} $g.a\nc=$G.a\n[h]\nb=$a $g.a\n", "[DEFAULT]\na=\\$b $5 $-\nb=1\n", "[default]\na=1\n[DEFAULT]\na=2\n", "[DEFAULT]\na=\nb=$a\n", "\ufeff[DEFAULT]\na=1\n",
		"[DEFAULT]\na=1\u00a0\nb=\u20282\n", "[DEFAULT]\na=$k\u212a\nk\u212a=1\n", "[DEFAULT]\nma=\nma=1\nma=$a\na=x\n", "[DEFAULT]\na=1\x1c\nb=\x0c2\n", "[DEFAULT]\na b = 1\n", "[g]\nb=$a\n[DEFAULT]\na=$c\nc=d\n[g]\nc=g\n",
	} {
		trees = append(trees, one(body))
	}
	return trees
}

// randomTree is made of pieces that mean something to the parser.
func randomTree(r *rand.Rand) tree {
	c := tree{files: map[string]string{}}
	for _, name := range []string{"a.conf", "b.conf", "d/"}[:1+r.IntN(3)] {
		c.order = append(c.order, name)
		if name != "d/" {
			c.files[name] = randomFile(r)
			continue
		}
		for _, n := range []string{"1.conf", "B.conf", "a.conf", "a.conf~"}[:1+r.IntN(4)] {
			c.files[name+n] = randomFile(r)
		}
	}
	r.Shuffle(len(c.order), func(i, j int) { c.order[i], c.order[j] = c.order[j], c.order[i] })
	return c
}

func randomFile(r *rand.Rand) string {
	pick := func(of ...string) string { return of[r.IntN(len(of))] }
	var b strings.Builder
	b.WriteString(pick("[DEFAULT]\n", "[DEFAULT]\n", "[g]\n", "# c\n[h]\n", "[DEFAULT]\r\n"))
	for range r.IntN(12) {
		switch r.IntN(8) {
		case 0:
			b.WriteString(pick("[g]", "[G]", "[h]", "[DEFAULT]") + "\n")
		case 1:
			b.WriteString(pick("", "  ", "# c", ";c", "\t", "\r", "#\n") + "\n")
		case 2:
			if r.IntN(6) == 0 {
				b.WriteString(pick(" more", "\tmore $a", " ", "x", "[g", ":"))
			}
			b.WriteString("\n")
		default:
			b.WriteString(pick("a", "b", "c", "ma", "mb", "A") + pick("=", " = ", ":", " : "))
			for range r.IntN(4) {
				b.WriteString(pick("1", "x", " ", "$a", "${b}", "$g.a", "${h.b}", "$$", "$", "'", `"`, `\$`, "=", "$c", "${", "é", "$A", "\u00a0", "$nowhere", "$g.", "."))
			}
			b.WriteString(pick("\n", "\n", "\n", "\r\n", "\n  $b\n", "\n\ttwo\n"))
		}
	}
	return b.String()
}
