#!/bin/sh
# build.sh kubernetes|addons|kind|base <output directory>
# Makes the parts of a kind node image from Go modules and Debian packages only, each into
# a directory of its own; artefacts.ts decides what has to be made and where it is kept.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$2"
out=$(cd "$2" && pwd)
# the same flags everywhere, or Go's cache does not hit
export CGO_ENABLED=0 GOFLAGS=-buildvcs=false
compile() { # <output file> <package> [more linker flags]
  go build -v -trimpath -ldflags "-s -w${3:+ $3}" -o "$1" "$2"
}

kubernetes() {
  cd "$here/kubernetes"
  version=$(go list -m -f '{{.Version}}' k8s.io/kubernetes)
  stamp="-X k8s.io/component-base/version.gitMajor=1"
  for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
    stamp="$stamp -X $package.gitVersion=$version -X $package.gitTreeState=clean"
    stamp="$stamp -X $package.gitMajor=1 -X $package.gitMinor=$(echo "$version" | cut -d. -f2)"
  done
  compile "$out/kubernetes" . "$stamp"
  for name in kubectl kubeadm etcd kube-apiserver kube-controller-manager; do
    ln -sf kubernetes "$out/$name"
  done
  echo "$version" >"$out/version"
}

addons() {
  cd "$here/addons"
  compile "$out/addons" .
  compile "$out/pause" ./pause
  compile "$out/crictl" sigs.k8s.io/cri-tools/cmd/crictl
  # kind's own files for a node come with its module
  cp -r "$(go list -m -f '{{.Dir}}' sigs.k8s.io/kind)/images/base/files" "$out/kind-files"
  chmod -R u+w "$out/kind-files"
}

kind() {
  cd "$here/addons"
  compile "$out/kind" sigs.k8s.io/kind
}

# Debian part of the node
base() {
  packages=systemd,systemd-sysv,dbus,containerd,runc,containernetworking-plugins,iptables,nftables,conntrack
  packages=$packages,iproute2,ethtool,socat,mount,kmod,libseccomp2,pigz,ca-certificates,curl,jq,procps
  packages=$packages,e2fsprogs,busybox-static
  . /etc/os-release
  debootstrap --variant=minbase --include="$packages" \
    "${SUITE:-$VERSION_CODENAME}" "$out/base" ${MIRROR:-}
  rm -rf "$out"/base/var/cache/apt/archives/*.deb "$out"/base/var/lib/apt/lists/* \
    "$out"/base/usr/share/doc/* "$out"/base/usr/share/man/* "$out"/base/usr/share/locale/*
  # units that make no sense in a container
  (
    cd "$out/base/lib/systemd/system"
    rm -f multi-user.target.wants/* local-fs.target.wants/* basic.target.wants/* \
      sockets.target.wants/*udev* sockets.target.wants/*initctl* \
      sysinit.target.wants/systemd-tmpfiles-setup.service "$out"/base/etc/systemd/system/*.wants/*
  )
  echo ReadKMsg=no >>"$out/base/etc/systemd/journald.conf"
  tar -C "$out/base" -cf "$out/base.tar" .
  rm -rf "$out/base"
}

case $1 in
  kubernetes | addons | kind | base) "$1" ;;
  *) echo "build.sh: $1: not kubernetes, addons, kind or base" >&2; exit 2 ;;
esac
