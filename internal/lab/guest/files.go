package guest

// files are the guest's own.
var files = map[string]string{
	"init":                      initScript,
	"etc/udhcpc/default.script": leaseScript,
	"etc/network/interfaces":    "iface eth0 inet dhcp\n\tudhcpc_opts -t 3 -T 2\n",
	"etc/passwd":                "root::0:0:root:/:/bin/sh\n",
}

// initScript starts the network and the agent. A guest in which /plugged is
// there begins anew when its cable is pulled and put back, as ifplugd and
// systemd-networkd do.
const initScript = `#!/bin/busybox sh
export PATH=/bin:/usr/sbin
/bin/busybox --install -s /bin
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
while read m; do insmod $m; done </modules/order
ip link set lo up
until grep -q . /sys/class/virtio-ports/*/name; do sleep 0.2; done
port=/dev/$(basename $(dirname $(grep -l org.qemu.guest_agent.0 /sys/class/virtio-ports/*/name)))
(while :; do qemu-ga -m virtio-serial -p $port -t /tmp; sleep 1; done) &
until ifup eth0; do ifdown -f eth0; sleep 1; done
echo the network is up
(while :; do ping -q -c 5 10.2.0.1 >/dev/null; sleep 1; done) & # the gateway of package dhcp's lab
was=$(cat /sys/class/net/eth0/carrier_changes)
while sleep 0.5; do
	now=$(cat /sys/class/net/eth0/carrier_changes)
	[ $now != $was ] && [ -e /plugged ] && [ $(cat /sys/class/net/eth0/carrier) = 1 ] && { ifdown -f eth0; ifup eth0; }
	was=$now
done
`

// leaseScript sets what the client was given.
const leaseScript = `#!/bin/busybox sh
case "$1" in
deconfig) ip link set $interface up;;
bound|renew) ip addr flush dev $interface; ip addr add $ip/24 dev $interface; ip route replace default via 10.2.0.1;;
esac
exit 0
`

const domain = `<domain type='qemu'>
  <name>%s</name>
  <uuid>%s</uuid>
  <memory unit='MiB'>192</memory><vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type><kernel>%s</kernel><initrd>%s</initrd><cmdline>console=ttyS0 quiet</cmdline></os>
  <features><acpi/></features>
  <on_poweroff>destroy</on_poweroff><on_reboot>destroy</on_reboot><on_crash>destroy</on_crash>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <interface type='bridge'><mac address='%s'/><source bridge='%s'/><target dev='%s'/><model type='virtio'/></interface>
    <serial type='file'><source path='%s'/><target port='0'/></serial>
    <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
    <memballoon model='none'/>
  </devices>
</domain>
`
