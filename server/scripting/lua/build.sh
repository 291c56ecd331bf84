#!/bin/sh
# Builds Redis' Lua 5.1 as WebAssembly: build.sh <source tree of Valkey 8.1.1> <zig 0.17.1> <out.wasm>
#
# The tree is the one that `make conformance` fetches (Debian's source package `valkey` of trixie). Zig is only
# the compiler: clang, lld and wasi-libc in one wheel of PyPI (`ziglang` 0.17.1). `make lua` gets both, builds
# and packs the result into ../generated/lua-interpreter.ts. The same inputs give the same bytes.
set -eu
here=$(dirname "$0")
lua=$1/deps/lua/src
core='lapi lcode ldebug ldo ldump lfunc lgc llex lmem lobject lopcodes lparser lstate lstring ltable ltm lundump lvm lzio'
libraries='lauxlib lbaselib lmathlib lstrlib ltablib fpconv strbuf lua_bit lua_cjson lua_cmsgpack lua_struct'
sources=
for name in $core $libraries; do sources="$sources $lua/$name.c"; done
# setjmp and longjmp are WebAssembly exceptions: no JavaScript frame may stand below a script that is suspended.
# shellcheck disable=SC2086
"$2" cc -target wasm32-wasi -mexec-model=reactor -O3 -s -DNDEBUG -DLUA_ANSI -DENABLE_CJSON_GLOBAL \
  -DLUA_REDIS_VERSION='"7.2.0"' -DLUA_REDIS_VERSION_NUMBER=0x00070200 \
  -mcpu=generic+exception_handling+bulk_memory+nontrapping_fptoint+sign_ext \
  -mllvm -wasm-enable-sjlj -mllvm -wasm-use-legacy-eh=false -fno-sanitize=undefined -Wno-everything \
  -I "$lua" -I "$here" -Wl,--no-entry -Wl,-z,stack-size=262144 -Wl,--max-memory=536870912 \
  -o "$3" "$here/interpreter.c" "$here/debugger.c" "$here/longjmp-tag.s" $sources
