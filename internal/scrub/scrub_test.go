package scrub

import (
	"bytes"
	"strings"
	"testing"
)

func TestText(t *testing.T) {
	for _, line := range []string{
		"connection = mysql+pymysql://nova:hunter2@10.0.0.5/nova?charset=utf8",
		"transport_url=rabbit://openstack:hunter2@mq1:5672,openstack:hunter2@mq2:5672/",
		"password = hunter2",
		"admin_password: hunter2",
		"  memcache_secret_key=hunter2   # with a remark",
		`{"auth": {"identity": {"password": "hunter2"}}, "id": 1}`,
		`{"adminPass": "hunter2"}`,
		`{"password": "a\"hunter2"}`,
		"{'auth_token': u'hunter2', 'user': 'nova'}",
		"export OS_PASSWORD=hunter2",
		"mysqld --wsrep_sst_auth_password=hunter2",
		`DEBUG keystoneauth REQ: curl -g -i -X GET http://api/v3 -H "X-Auth-Token: hunter2"`,
		"Authorization: Bearer hunter2",
		"    stats auth admin:hunter2",
		"  user admin insecure-password hunter2",
		"\tkey = AQhunter2hunter2hunter2hunter2hunter2x==",
		"-----BEGIN RSA PRIVATE KEY-----\nhunter2\n-----END RSA PRIVATE KEY-----",
		"-----BEGIN PRIVATE KEY-----\nhunter2\nand the file ends",
		"token gAAAAABlhunter2" + strings.Repeat("x", 80),
		`metadata_proxy_shared_secret = "hunter2"`,
	} {
		out, n := Text([]byte(line))
		if n == 0 || strings.Contains(string(out), "hunter2") || !strings.Contains(string(out), Removed) {
			t.Errorf("%q became %q, %d", line, out, n)
		}
		if again, n := Text(out); n != 0 || !bytes.Equal(again, out) {
			t.Errorf("%q: scrubbed twice: %q, %d", line, again, n)
		}
	}
}

// What is no secret is what the checks look at.
func TestKept(t *testing.T) {
	for _, line := range []string{
		"block_device_allocate_retries = 60",
		"balance source",
		"server ctl1 10.0.0.1:8776 check inter 2000",
		"2026-11-26 01:02:03.123 7 INFO nova.compute.manager [req-1-2-3] [instance: 0a1f] Took 3.2 seconds to build instance.",
		`{"ifname": "bond0", "mtu": 1500, "address": "52:54:00:12:34:56"}`,
		"http://10.0.0.5:8776/v3/volumes",
		"token_ttl", "osd_max_backfills = 1",
	} {
		if out, n := Text([]byte(line)); n != 0 || string(out) != line {
			t.Errorf("%q became %q", line, out)
		}
	}
}

func FuzzText(f *testing.F) {
	f.Add([]byte("password = x\n\xff\x00://a:b@c"))
	f.Fuzz(func(t *testing.T, b []byte) {
		out, _ := Text(b)
		if _, n := Text(out); n > len(out) {
			t.Error(n)
		}
	})
}

func TestJSON(t *testing.T) {
	in := `{"Admin_Password": "hunter2", "Args": ["mysqld --x_password=hunter2", "--port=3306"], "n": 12345678901234567890,
		"conf": [{"name": "rgw_secret_key", "value": "hunter2"}, {"name": "osd_max_backfills", "value": "1"}], "url": "http://u:hunter2@h/"}`
	out, n, err := JSON([]byte(in))
	if err != nil || n != 4 || strings.Contains(string(out), "hunter2") || !strings.Contains(string(out), "12345678901234567890") || !strings.Contains(string(out), `"1"`) {
		t.Errorf("%s %d %v", out, n, err)
	}
	if _, n, err := JSON(out); n != 0 || err != nil {
		t.Errorf("twice: %d %v", n, err)
	}
	if _, _, err := JSON([]byte(`{"password": "hun`)); err == nil {
		t.Error("cut JSON is JSON")
	}
}
