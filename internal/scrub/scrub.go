// Package scrub removes secrets from configurations, logs and answers of APIs
// before they leave a host. It knows a secret by the name beside it or by its
// form; one that has neither stays.
package scrub

import "regexp"

// Removed stands where a secret was.
const Removed = "(removed)"

// names are what settings with secrets are called, in the middle of a name.
const names = `[\w.-]*(?:passw|passphrase|secret|token|credential|private_key|api_key|apikey|access_key|encryption_key|connection_key)[\w.-]*`

// Each form has what is kept before the secret, the secret, and what is kept
// after it.
var forms = []*regexp.Regexp{
	// a URL's password, as in connection = mysql+pymysql://nova:...@db/nova
	regexp.MustCompile(`(\b[a-z][a-z0-9+.-]*://[^\s:/@"']*:)([^\s@"']+)(@)`),
	// and that of the brokers after the first in a transport_url
	regexp.MustCompile(`(,[\w.-]+:)([^\s@,"']+)(@)`),
	// JSON and Python: "adminPass": "...", 'auth_token': u'...'
	regexp.MustCompile(`(?im)(["'](?:` + names + `|adminpass|x-(?:auth|subject|service)-token|authorization)["']\s*:\s*u?["'])((?:\\.|[^"'\\])+)(["'])`),
	// name = value, name: value, --name=value
	regexp.MustCompile(`(?im)((?:^|[\s;,&?-])(?:` + names + `)[ \t]*[=:][ \t]*)([^\s"'{\[][^\r\n]*?|"[^"\r\n]*"|'[^'\r\n]*')([ \t\r]*$|[ \t]+[#;&][^\r\n]*$|&|;)`),
	// headers in a log of requests
	regexp.MustCompile(`(?im)((?:x-(?:auth|subject|service)-token|authorization)["']?\s*[:=]\s*["']?)((?:(?:basic|bearer)\s+)?[^\s"',]+)()`),
	// HAProxy: stats auth user:password, and users of a list
	regexp.MustCompile(`(\bstats\s+auth\s+[^\s:]+:)(\S+)()`),
	regexp.MustCompile(`(\buser\s+\S+\s+(?:insecure-)?password\s+)(\S+)()`),
	// cephx: 28 bytes of base64 that begin with type 1 (src/auth/Crypto.cc)
	regexp.MustCompile(`()(AQ[A-Za-z0-9+/]{36}==)()`),
	// fernet and JWT
	regexp.MustCompile(`()(\bgAAAA[\w-]{60,}=*|\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*)()`),
}

// key is a private key in PEM, whole or cut off.
var key = regexp.MustCompile(`(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\z)`)

// Text returns b without secrets, and how many there were.
func Text(b []byte) ([]byte, int) {
	n := 0
	b = key.ReplaceAllFunc(b, func([]byte) []byte { n++; return []byte(Removed) })
	for _, f := range forms {
		b = f.ReplaceAllFunc(b, func(m []byte) []byte {
			part := f.FindSubmatch(m)
			if string(part[2]) == Removed {
				return m
			}
			n++
			return append(append(append([]byte{}, part[1]...), Removed...), part[3]...)
		})
	}
	return b, n
}
