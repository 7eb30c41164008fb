package imagecache

import "fmt"

// maxChain is how many files one backing chain may have. nova makes chains
// of two, snapshots add some.
const maxChain = 200

// endless is the length of a chain that leads back to itself.
const endless = -1

// chainProblems finds chains that never end or are too long. What a chain
// refers to needs no walking: every file of it under the instances directory
// is an Image of its own.
func chainProblems(images []Image) []Problem {
	c := chains{next: inner(images), length: map[string]int{}}
	var out []Problem
	for _, i := range images {
		switch n := c.over(i.Links); {
		case n == endless:
			out = append(out, Problem{i.Path(), "its backing chain leads back to itself"})
		case n > maxChain:
			out = append(out, Problem{i.Path(), fmt.Sprintf("its backing chain has more than %d files", maxChain)})
		}
	}
	return out
}

// chains knows how long the chain from each inner file is. A file that is
// being walked is endless until it has ended.
type chains struct {
	next   map[string][]Link
	length map[string]int
}

func (c chains) from(file string) int {
	if n, ok := c.length[file]; ok {
		return n
	}
	c.length[file] = endless
	n := c.over(c.next[file])
	c.length[file] = n
	return n
}

// over returns one more than the longest chain from the links.
func (c chains) over(links []Link) int {
	longest := 0
	for _, l := range links {
		if l.Kind != Inside {
			continue
		}
		n := c.from(l.Rel)
		if n == endless {
			return endless
		}
		longest = max(longest, n)
	}
	return longest + 1
}

// inner maps the images that other images refer to, which are few, to what
// they refer to.
func inner(images []Image) map[string][]Link {
	next := map[string][]Link{}
	for _, i := range images {
		for _, l := range i.Links {
			if l.Kind == Inside {
				next[l.Rel] = nil
			}
		}
	}
	for _, i := range images {
		p := i.Path()
		if _, ok := next[p]; ok {
			next[p] = i.Links
		}
	}
	return next
}
