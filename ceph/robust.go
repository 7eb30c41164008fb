package ceph

import "slices"

// median of values; 0 of none.
func median(values []float64) float64 {
	v := slices.Sorted(slices.Values(values))
	switch n := len(v); {
	case n == 0:
		return 0
	case n%2 == 1:
		return v[n/2]
	default:
		return (v[n/2-1] + v[n/2]) / 2
	}
}

// spread is the median absolute deviation, scaled so that it equals the
// standard deviation of a normal distribution. Outliers do not move it.
func spread(values []float64) float64 {
	m := median(values)
	d := make([]float64, len(values))
	for i, v := range values {
		d[i] = max(v-m, m-v)
	}
	return 1.4826 * median(d)
}
