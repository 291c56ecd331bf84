#!/bin/sh
# image.sh <output directory> <kubernetes> <addons> <base>
# Puts together a kind node image (node-image.tar, its name in the file "name") from what build.sh made:
# Debian, kind's own files, Kubernetes, and the images of its components inside. Needs root.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
out=$(cd "$1" && pwd)
kubernetes=$2 addons=$3 base=$4
version=$(cat "$kubernetes/version")

# --- node file system: Debian, kind's own files, Kubernetes
node="$out/node"
mkdir -p "$node" "$out/layers"
tar -C "$node" -xf "$base/base.tar"
cp -r "$addons"/kind-files/etc "$addons"/kind-files/usr "$addons"/kind-files/kind "$node"
chmod -R u+w "$node/kind" "$node/etc/systemd/system" "$node/etc/containerd" "$node/etc/default"
chmod 755 "$node"/usr/local/bin/* "$node/kind/bin" "$node"/kind/bin/*
cp "$kubernetes/kubernetes" "$node/usr/bin/"
for name in kubelet kubeadm kubectl; do ln -s kubernetes "$node/usr/bin/$name"; done
cp "$addons/crictl" "$node/usr/local/bin/"
ln -s /usr/bin/containerd "$node/usr/local/bin/containerd" # where kind's unit looks for it
mkdir -p "$node/kind/manifests" "$node/etc/kubernetes/manifests"
cp "$here"/manifests/*.yaml "$node/kind/manifests/"
echo "$version" >"$node/kind/version"
chroot "$node" systemctl --quiet enable kubelet containerd undo-mount-hacks
chroot "$node" systemctl --quiet mask systemd-binfmt
chroot "$node" systemctl --quiet set-default multi-user.target

# --- images of the components; kubeadm says what they are called
names=$("$kubernetes/kubeadm" config images list --kubernetes-version "$version")
name() { echo "$names" | grep "/$1:"; }
layers="$out/layers"
pack() { tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -C "$layers/$1" -cf "$layers/$1.tar" .; }
image() { # <file> <name> <command> <layer>...
  file=$1 imageName=$2 settings="{\"Env\":[\"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\"],\"Entrypoint\":[\"$3\"]}"
  shift 3
  "$here/mkimage.sh" "$imageName" "$settings" "$@" >"$layers/$file.image"
}
mkdir -p "$layers/kubernetes/usr/local/bin" "$layers/addons/bin" "$layers/pause" "$layers/busybox/bin"
cp "$kubernetes/kubernetes" "$layers/kubernetes/usr/local/bin/"
components="kube-apiserver kube-controller-manager kube-scheduler kube-proxy etcd"
for name in $components; do ln -s kubernetes "$layers/kubernetes/usr/local/bin/$name"; done
cp "$addons/addons" "$layers/addons/bin/"
for name in coredns nodeagent; do ln -s addons "$layers/addons/bin/$name"; done
cp "$addons/pause" "$layers/pause/"
cp "$node/bin/busybox" "$layers/busybox/bin/"
for name in $("$node/bin/busybox" --list | grep -vx busybox); do ln -s busybox "$layers/busybox/bin/$name"; done
mkdir -m 1777 "$layers/busybox/tmp"
# what kube-proxy calls: nft and iptables with their libraries
(
  cd "$node"
  for program in usr/sbin/nft usr/sbin/xtables-nft-multi; do
    echo "$program"
    chroot . ldd "/$program" | grep -o '/[^ ]*' | cut -c2-
  done
  ls usr/lib/*/xtables/*.so
) | sort -u | while read -r file; do
  mkdir -p "$layers/proxytools/$(dirname "$file")"
  cp -L "$node/$file" "$layers/proxytools/$file"
done
for name in iptables iptables-save iptables-restore ip6tables ip6tables-save ip6tables-restore; do
  ln -s xtables-nft-multi "$layers/proxytools/usr/sbin/$name"
done
for name in kubernetes addons pause busybox proxytools; do pack "$name"; done
for name in $components; do
  extra=
  [ "$name" != kube-proxy ] || extra="$layers/proxytools.tar"
  image "$name" "$(name "$name")" "$name" "$layers/kubernetes.tar" $extra
done
image coredns "$(name coredns)" coredns "$layers/addons.tar"
image nodeagent kind-node/nodeagent:1 nodeagent "$layers/addons.tar"
image pause "$(name pause)" /pause "$layers/pause.tar"
image busybox kind-node/busybox:1 sh "$layers/busybox.tar"

# --- containerd: its configuration and its image store, filled by the containerd of this machine
sed -i -e '/fuse-overlayfs/d' -e '/^\[proxy_plugins\]/d' -e '/address = /d' -e '/^  type = "snapshot"/d' \
  -e "s#sandbox_image = .*#sandbox_image = \"$(name pause)\"#" \
  -e 's/restrict_oom_score_adj = false/restrict_oom_score_adj = true/' "$node/etc/containerd/config.toml"
cat >>"$node/etc/containerd/config.toml" <<'END'
[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "/usr/lib/cni"
  conf_dir = "/etc/cni/net.d"
END
chroot "$node" ctr oci spec | jq 'del(.process.rlimits)' >"$node/etc/containerd/cri-base.json"
run=$(mktemp -d)
cat >"$run/config.toml" <<END
version = 2
root = "$node/var/lib/containerd"
state = "$run/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
  address = "$run/containerd.sock"
END
containerd --config "$run/config.toml" >"$out/containerd.log" 2>&1 &
containerd=$!
trap 'kill $containerd' EXIT
attempts=100
until ctr --address "$run/containerd.sock" version >/dev/null 2>&1; do
  attempts=$((attempts - 1))
  [ "$attempts" -gt 0 ] || { cat "$out/containerd.log"; exit 1; }
  sleep 0.2
done
for file in "$layers"/*.image; do
  ctr --address "$run/containerd.sock" --namespace k8s.io images import --snapshotter overlayfs "$file" >/dev/null
done
# the packed layers are not needed once they are unpacked
ctr --address "$run/containerd.sock" --namespace k8s.io content prune references >/dev/null
trap - EXIT
kill $containerd
wait $containerd || true
rm -rf "$run"

# --- the node image
tar --sort=name --mtime=@0 --numeric-owner -C "$node" -cf "$out/node.tar" .
rm -rf "$node" "$layers"
"$here/mkimage.sh" "kind-node:$version" \
  '{"Env":["container=docker","PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],"Entrypoint":["/usr/local/bin/entrypoint","/sbin/init"],"StopSignal":"SIGRTMIN+3"}' \
  "$out/node.tar" >"$out/node-image.tar"
rm "$out/node.tar" "$out/containerd.log"
echo "kind-node:$version" >"$out/name"
