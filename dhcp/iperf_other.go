//go:build !linux

package dhcp

// launch starts the child. It ends by itself when its load does.
func (p *iperf) launch() error {
	err := p.cmd.Start()
	if err == nil {
		go func() {
			p.err = p.cmd.Wait()
			close(p.done)
		}()
	}
	return err
}
