#!/bin/sh
# The program built for this machine, on inputs whose sums others have published: the check value of CRC-32 and the
# examples of FIPS 180-4.
set -eu
cd "$(dirname "$0")"
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT
${CC:-cc} -std=c11 -O1 -Wall -Wextra -Werror -o "$folder/checksum" main.c crc32.c sha256.c base64.c

# is EXPECTED ARGUMENT… : what is printed for standard input, or the exit code and what was wrong. The first that is
# something else ends the test.
is() {
    expected=$1; shift
    found=$("$folder/checksum" "$@" 2>"$folder/stderr") || found="exit $?: $(cat "$folder/stderr")"
    case "$found" in
        "$expected"*) ;;
        *) echo "expected $expected"; echo "   found $found"; return 1 ;;
    esac
}

empty='{"bytes":0,"crc32":"00000000","sha256":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}'
abc='{"bytes":3,"crc32":"352441c2","sha256":"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"}'
printf '' | is "$empty"
printf '' | is "$empty" --base64
printf abc | is "$abc"
printf 'YW\nJj\n' | is "$abc" --base64
printf 123456789 | is '{"bytes":9,"crc32":"cbf43926",'
# 56 bytes: the length does not fit into the first block any more.
printf abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq |
    is '{"bytes":56,"crc32":"171a3f5f","sha256":"248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"}'
head -c 1000000 /dev/zero | tr '\0' a |
    is '{"bytes":1000000,"crc32":"dc25bfbc","sha256":"cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"}'
printf 'YQ==' | is '{"bytes":1,"crc32":"e8b7be43"' --base64
printf 'YWI=' | is '{"bytes":2,"crc32":"9e83486d"' --base64
printf 'YW!j' | is 'exit 65: the input is not base64: byte 3 is 0x21' --base64
printf 'YQ==YQ==' | is 'exit 65: the input is not base64: byte 5' --base64
printf 'Y===' | is 'exit 65: the input is not base64: byte 2' --base64
printf 'YQ=a' | is 'exit 65: the input is not base64: byte 4' --base64
printf 'YWJ' | is 'exit 65: the input is not base64: it ends' --base64
printf '' | is 'exit 64: the only argument' --base46
echo "all checksums are right"
