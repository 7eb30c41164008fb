package bpdu

// advice is how the switch brings the port back, and what comes before that.
// It is never done here.
func (i Incident) advice() string {
	back := map[Vendor]string{
		Arista:  "interface " + i.Port + "; shutdown; no shutdown",
		Cisco:   "interface " + i.Port + "; shutdown; no shutdown",
		Nexus:   "interface " + i.Port + "; shutdown; no shutdown",
		Juniper: "clear ethernet-switching bpdu-error interface " + i.Port,
		Huawei:  "interface " + i.Port + "; undo shutdown (restart the interface)",
		DellOS:  "interface " + i.Port + "; shutdown; no shutdown",
		MSTPD:   "clear the guard's error and set " + i.Port + " up; see the release's documentation for the command",
		HPE:     "interface " + i.Port + " enable",
	}[i.Vendor]
	if back == "" {
		back = "see the vendor's documentation"
	}
	return beforeAll + "First filter the sender and see the filter verified; then on the switch: " + back + "."
}
