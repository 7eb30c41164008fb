package ceph
