// Package fleet holds playbooks for Ansible that take imagecache, consolelog or
// ceph-trim-pglog over many hosts: plan.yml makes one plan for each and prints
// one table, apply.yml carries out what was reviewed. See README.md. The
// package has nothing but its tests, by the real ansible-playbook over hosts
// that are namespaces.
package fleet
