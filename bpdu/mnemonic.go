package bpdu

import (
	"bytes"
	"strings"
)

// mnemonic finds what kind of message a line is, and where its body begins. It
// takes the first mnemonic of the line: what a port's description says comes
// after it.
func mnemonic(text []byte) (key string, at int, body string) {
	if i := bytes.IndexByte(text, '%'); i >= 0 {
		if key, body, ok := percent(text[i:]); ok {
			return key, i, body
		}
	}
	return plainMnemonic(text)
}

// percent reads "%FACILITY-SEVERITY-NAME: body", "%%01MODULE/4/NAME(l)[7]:body"
// and "%NAME: body".
func percent(text []byte) (key, body string, ok bool) {
	head, rest, ok := bytes.Cut(text, colon)
	if !ok || len(head) > 80 || bytes.IndexByte(head, ' ') >= 0 {
		return "", "", false
	}
	name := strings.TrimLeft(string(head), "%")
	if len(name) < len(head)-1 { // Huawei: %%01MSTP/4/...
		name = strings.TrimLeft(name, "0123456789")
	}
	if i := strings.IndexByte(name, '('); i >= 0 {
		name = name[:i]
	}
	for _, sep := range []string{"-", "/"} {
		if f := strings.Split(name, sep); len(f) == 3 && len(f[1]) == 1 {
			return f[0] + "/" + f[2], strings.TrimSpace(string(rest)), true
		}
	}
	return name, strings.TrimSpace(string(rest)), true
}

var colon = []byte{':'}

// plainMnemonic finds the mnemonics of the vendors that have no "%".
func plainMnemonic(text []byte) (key string, at int, body string) {
	for _, m := range []struct{ find, key string }{
		{"ESWD_BPDU_BLOCK_ERROR_DISABLED:", "ESWD_BPDU_BLOCK_ERROR_DISABLED"},
		{"ESWD_BPDU_BLOCK_ERROR_ENABLED:", "ESWD_BPDU_BLOCK_ERROR_ENABLED"},
		{"L2CPD_RECEIVE_BPDU_BLOCK_ENABLED:", "L2CPD_RECEIVE_BPDU_BLOCK_ENABLED"},
		{"SNMP_TRAP_LINK_DOWN:", "SNMP_TRAP_LINK_DOWN"},
		{"SNMP_TRAP_LINK_UP:", "SNMP_TRAP_LINK_UP"},
		{"error, MSTP_IN_rx_bpdu:", "MSTP_IN_rx_bpdu"},
		{"MSTP/4/MSTPLOG_PROPORT_BPDU_GUARDED:", "MSTP/MSTPLOG_PROPORT_BPDU_GUARDED"},
		{"MSTP/4/PROPORT_BPDU_GUARDED:", "MSTP/PROPORT_BPDU_GUARDED"},
		{"MSTP/4/PORT_BPDU_GUARDED:", "MSTP/PORT_BPDU_GUARDED"},
	} {
		if i := bytes.Index(text, []byte(m.find)); i >= 0 && (i == 0 || text[i-1] == ' ') {
			return m.key, i, strings.TrimSpace(string(text[i+len(m.find):]))
		}
	}
	return hpeMnemonic(text)
}

// hpeMnemonic finds "Port X disabled ... - BPDU received on protected port".
func hpeMnemonic(text []byte) (key string, at int, body string) {
	end := bytes.Index(text, []byte("- BPDU received on protected port"))
	if end < 0 {
		return "", 0, ""
	}
	for _, word := range []string{"Port ", "port "} {
		if i := bytes.Index(text[:end], []byte(word)); i >= 0 {
			return "protected port", i, strings.TrimSpace(string(text[i:]))
		}
	}
	return "", 0, ""
}
