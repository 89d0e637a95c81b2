#!/bin/sh
# Unpacks Redis-compatible servers newer than the machine's own from Debian into .cache/servers/<name>/, together with
# the libraries they were built against, and prints the path of a start script for each. Nothing is installed, and the
# machine's apt configuration is left alone. Needs apt-get and dpkg-deb, not root.
set -eu

here=$(cd "$(dirname "$0")/../.." && pwd)
cache=$here/.cache/servers
mkdir -p "$cache/apt/lists/partial" "$cache/apt/archives/partial"

for suite in bookworm-backports sid experimental; do
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian $suite main"
done >"$cache/apt/sources.list"

apt() {
  apt-get -q -o Dir::Etc::sourcelist="$cache/apt/sources.list" -o Dir::Etc::sourceparts=/dev/null \
    -o Dir::State::lists="$cache/apt/lists" -o Dir::Cache="$cache/apt" -o APT::Sandbox::User= "$@" >&2
}

# unpack NAME PRODUCT PACKAGE/SUITE...
unpack() {
  name=$1 product=$2
  shift 2
  root=$cache/$name
  mkdir -p "$root/deb"
  (cd "$root/deb" && apt download "$@")
  for deb in "$root"/deb/*.deb; do dpkg-deb -x "$deb" "$root"; done
  lib=$(uname -m)-linux-gnu
  loader=$(find "$root" -name 'ld-linux*.so.*' | head -n 1)
  # One binary does everything; it looks at its own name to tell whether it is to serve or to check a file.
  cat >"$root/server" <<SCRIPT
#!/bin/sh
exec '$loader' --argv0 $product-server --library-path '$root/usr/lib/$lib:$root/lib/$lib' '$root/usr/bin/$product-check-rdb' "\$@"
SCRIPT
  chmod +x "$root/server"
  echo "$root/server"
}

libraries() {
  for library in libc6 libatomic1 libjemalloc2 liblzf1 libssl3t64 libstdc++6 libgcc-s1 libsystemd0 libcap2 libzstd1 \
    zlib1g liblzma5 liblz4-1 libgcrypt20; do
    echo "$library/sid"
  done
}

apt update
unpack valkey-8.0 valkey valkey-tools/bookworm-backports $(libraries)
unpack redis-8.0 redis redis-tools/sid $(libraries)
unpack valkey-9.1 valkey valkey-tools/sid $(libraries)
unpack redis-8.6 redis redis-tools/experimental $(libraries)
