package dhcp

import "testing"

// domainXML is what virsh dumpxml of libvirt 9.0.0 says of a domain of nova, its
// other devices left out.
const domainXML = `<domain type='kvm' id='1'>
  <name>instance-00000001</name>
  <uuid>7c1f8b1e-0d0c-4d3c-9f0a-0d5f4a1b2c3d</uuid>
  <devices>
    <interface type='bridge'>
      <mac address='fa:16:3e:24:e7:22'/>
      <source bridge='br100'/>
      <target dev='tapb50d7951-f3'/>
      <model type='virtio'/>
    </interface>
    <interface type='user'><mac address='fa:16:3e:24:e7:23'/></interface>
  </devices>
</domain>`

func TestParseDomain(t *testing.T) {
	all, err := parseDomain([]byte(domainXML))
	want := Instance{MAC: MAC{0xfa, 0x16, 0x3e, 0x24, 0xe7, 0x22}, ID: "7c1f8b1e-0d0c-4d3c-9f0a-0d5f4a1b2c3d", Name: "instance-00000001",
		Domain: "instance-00000001", Bridge: "br100", Tap: "tapb50d7951-f3"}
	if err != nil || len(all) != 2 || all[0] != want || all[1].Bridge != "" {
		t.Errorf("%+v, %v", all, err)
	}
	for _, bad := range []string{"", "<domain>", "<domain><devices><interface/></devices></domain>"} {
		if all, err := parseDomain([]byte(bad)); err == nil {
			t.Errorf("%q: %+v", bad, all)
		}
	}
}

func FuzzParseDomain(f *testing.F) {
	f.Add([]byte(domainXML))
	f.Fuzz(func(t *testing.T, b []byte) {
		if all, err := parseDomain(b); err != nil && all != nil {
			t.Errorf("%+v and %v", all, err)
		}
	})
}
